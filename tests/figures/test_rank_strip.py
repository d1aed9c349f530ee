from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vireid.figures.rank_strip import BORDER, CAPTION, GAP, PLAIN, RIGHT, WRONG, Tile, draw_ranking, rank_strip
from vireid.types import Modality, Ranking, Record, Records, VireidError

GREEN = (0, 200, 0)


def tile(correct: bool | None = None, caption: str = "one\ntwo", height: int = 40, width: int = 20) -> Tile:
    return Tile(np.full((height, width, 3), GREEN, dtype=np.uint8), caption, correct)


def test_a_strip_is_as_large_as_its_rows_need():
    strip = rank_strip([(tile(), [tile(True)] * 3), (tile(), [tile(False)])], height=160)
    assert strip.size == (4 * GAP + 80 + 3 * (80 + GAP), GAP + 2 * (160 + CAPTION + GAP))
    titled = rank_strip([(tile(), [tile()])], title="a title that is longer than two tiles are wide, by far")
    plain = rank_strip([(tile(), [tile()])])
    assert titled.height > plain.height
    assert titled.width > plain.width
    # Nothing of the title is cut: the last columns are empty.
    assert (np.asarray(titled)[:38, -GAP + 2 :] == 255).all()


def test_frames_say_right_and_wrong():
    strip = rank_strip([(tile(), [tile(True), tile(False), tile(None)])], height=160)
    lefts = [GAP, *(4 * GAP + 80 + place * (80 + GAP) for place in range(3))]
    middle = GAP + 80
    for left, colour, border in zip(lefts, (PLAIN, RIGHT, WRONG, PLAIN), (1, BORDER, BORDER, 1)):
        for step in range(1, border + 1):
            assert strip.getpixel((left - step, middle)) == colour
            assert strip.getpixel((left + 79 + step, middle)) == colour
        assert strip.getpixel((left - border - 1, middle)) == (255, 255, 255)
        # The frame lies around the image, not on it.
        assert strip.getpixel((left, middle)) == GREEN
        assert strip.getpixel((left + 79, middle)) == GREEN


def test_marks_tell_right_from_wrong_without_colour():
    strips = [np.asarray(rank_strip([(tile(), [tile(correct)])], height=160)) for correct in (True, False, None)]
    left = 4 * GAP + 80
    corners = [(strip[GAP : GAP + 22, left + 58 : left + 80] == 255).all(axis=2) for strip in strips]
    right, wrong, plain = (corner.any() for corner in corners)
    assert (right, wrong, plain) == (True, True, False)
    assert not np.array_equal(corners[0], corners[1])


def test_images_keep_their_proportions():
    strip = np.asarray(rank_strip([(tile(height=40, width=80), [tile(height=40, width=10)])], height=160))
    green = (strip == GREEN).all(axis=2)
    query, result = green[:, : 2 * GAP + 120], green[:, 2 * GAP + 120 :]
    for found, ratio in ((query, 2.0), (result, 0.25)):
        rows, columns = found.any(axis=1).sum(), found.any(axis=0).sum()
        assert columns / rows == pytest.approx(ratio, rel=0.06)


@pytest.mark.parametrize("caption", ["", "x" * 500, "a\nb\nc\nd", "\n", "李小龙 cam 2", "\u200b\x07", "tab\tname"])
def test_no_caption_spoils_its_neighbours(caption):
    strip = np.asarray(rank_strip([(tile(caption=caption), [tile(caption=caption)])], height=64))
    assert strip.shape[0] == GAP + 64 + CAPTION + GAP
    beneath = strip[GAP + 64 + BORDER :]
    assert (beneath[:, GAP + 56 + 2 : 4 * GAP + 56 - 2] == 255).all()
    assert (beneath[:, -GAP + 2 :] == 255).all()
    assert (beneath[-GAP + 3 :] == 255).all()


def test_nothing_to_draw_is_refused():
    with pytest.raises(VireidError, match="at least one query and tiles 16 pixels high, got 0 queries and height 160"):
        rank_strip([])
    with pytest.raises(VireidError, match="got 1 queries and height 4"):
        rank_strip([(tile(), [])], height=4)
    assert rank_strip([(tile(), [])]).size[1] > 160


@pytest.fixture
def records(tmp_path: Path) -> Records:
    rows = []
    for number, person in enumerate((4, 4, 9, -1)):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (20, 40), (60 * number, 10, 10)).save(file)
        rows.append(Record(path=file.name, person=person, camera=number, modality=Modality.VISIBLE, split="test"))
    return Records.build(tmp_path, rows, person_names={9: "ann"})


def test_a_ranking_shows_its_own_images_in_order(records):
    ranking = Ranking(
        rows=np.array([[3, 3, 3], [0, 2, 1]]), scores=np.array([[0.5, 0.4, 0.3], [0.9, 0.8, 0.7]], dtype=np.float32)
    )
    strip = draw_ranking(records, records, ranking, query_rows=[1], known=True)
    middle = GAP + 80
    assert strip.size == rank_strip([(tile(), [tile()] * 3)]).size
    shown = [strip.getpixel((left + 40, middle)) for left in (GAP, *(4 * GAP + 80 + i * (80 + GAP) for i in range(3)))]
    assert [pixel[0] // 60 for pixel in shown] == [1, 0, 2, 1]
    frames = [strip.getpixel((4 * GAP + 80 + i * (80 + GAP) - 1, middle)) for i in range(3)]
    assert frames == [RIGHT, WRONG, RIGHT]
    unknown = draw_ranking(records, records, ranking, query_rows=[0, 1], known=False, title="t")
    assert RIGHT not in {colour for _, colour in unknown.getcolors(1 << 20) or []}


def test_an_image_that_is_gone_is_refused(records):
    records.file(2).unlink()
    ranking = Ranking(rows=np.array([[2]]), scores=np.ones((1, 1)))
    with pytest.raises(VireidError, match=r"2\.png"):
        draw_ranking(records, records, ranking, query_rows=[0], known=True)
