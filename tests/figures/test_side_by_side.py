from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from vireid.figures import draw_side_by_side
from vireid.figures.rank_strip import PLAIN, RIGHT, WRONG
from vireid.types import Modality, Ranking, Record, Records, VireidError


def table(root: Path, persons: tuple[int, ...], modality: Modality) -> Records:
    """Person of each image, whose red tells its row."""
    root.mkdir()
    rows = []
    for number, person in enumerate(persons):
        file = root / f"{number}.png"
        Image.new("RGB", (20, 40), (40 * number + 10, 99, 3)).save(file)
        rows.append(Record(path=file.name, person=person, camera=number, modality=modality, split="test"))
    return Records.build(root, rows, person_names={9: "ann"}, camera_names={0: "door"})


@pytest.fixture
def queries(tmp_path: Path) -> Records:
    return table(tmp_path / "queries", (4, 9), Modality.INFRARED)


@pytest.fixture
def gallery(tmp_path: Path) -> Records:
    return table(tmp_path / "gallery", (4, 4, 9, 7, -1), Modality.VISIBLE)


def ranking(*rows: list[int]) -> Ranking:
    return Ranking(
        rows=np.array(rows, dtype=np.int64), scores=-np.arange(len(rows[0]), dtype=float) + np.zeros_like(rows)
    )


def frames(figure: Figure) -> list[tuple[int, int, int]]:
    """Colours of the frames, from left to right, row after row."""
    boxes = [box for box in figure.axes[0].patches if isinstance(box, Rectangle)]
    boxes.sort(key=lambda box: (round(box.get_y()), box.get_x()))
    return [tuple(round(255 * value) for value in box.get_edgecolor()[:3]) for box in boxes]


def shown(figure: Figure) -> list[int]:
    """Rows that the images tell by their red, from left to right, row after row."""
    images = sorted(figure.axes[0].images, key=lambda image: (round(image.get_extent()[3]), image.get_extent()[0]))
    return [(int(np.asarray(image.get_array())[5, 5, 0]) - 10) // 40 for image in images]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_both_models_show_their_own_results_in_order(queries, gallery):
    one, two = ranking([0, 3, 2], [3, 2, 4]), ranking([3, 1, 0], [2, 0, 1])
    figure = draw_side_by_side(queries, gallery, {"base": one, "ours": two}, query_rows=[1, 0], top=2)
    assert shown(figure) == [1, 3, 2, 2, 0, 0, 0, 3, 3, 1]
    assert frames(figure) == [
        *(PLAIN, WRONG, RIGHT, RIGHT, WRONG),
        *(PLAIN, RIGHT, WRONG, WRONG, RIGHT),
    ]
    assert figure.get_figwidth() * 25.4 == pytest.approx(178)
    said = words(figure)
    assert said.index("base") < said.index("ours")
    assert {"query", "ann\ncam 1", "4\ncam door", "7\ncam 3"} <= set(said)


def test_all_that_is_drawn_lies_on_the_page(queries, gallery):
    rankings = {name: ranking([0, 3, 2, 1, 4] * 2, [3, 2, 4, 0, 1] * 2) for name in ("base", "x" * 200)}
    for some in (rankings, {"base": rankings["base"]}):
        figure = draw_side_by_side(queries, gallery, some, query_rows=[0, 1])
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        page = figure.bbox
        for artist in (*figure.axes[0].images, *figure.axes[0].patches, *figure.axes[0].texts):
            extent = artist.get_window_extent(canvas.get_renderer())
            assert page.x0 - 0.5 <= extent.x0 <= extent.x1 <= page.x1 + 0.5
            assert page.y0 - 0.5 <= extent.y0 <= extent.y1 <= page.y1 + 0.5


def test_marks_tell_right_from_wrong_without_colour(queries, gallery):
    lines = [
        len(draw_side_by_side(queries, gallery, {"m": ranking([row], [row])}, query_rows=[0]).axes[0].lines)
        for row in (0, 3, 4)
    ]
    # A tick is one line, a cross two, the unknown person of row 4 has none; the rest is the same.
    assert [count - lines[2] for count in lines] == [1, 2, 0]


def test_nothing_is_marked_where_persons_cannot_be_compared(queries, gallery):
    figure = draw_side_by_side(queries, gallery, {"m": ranking([0, 3], [2, 4])}, query_rows=[0, 1], known=False)
    assert frames(figure) == [PLAIN] * 6
    assert "unknown\ncam 4" in words(figure)


def test_bad_input_is_refused(queries, gallery):
    good = ranking([0], [1])
    with pytest.raises(VireidError, match=r"one or two models .* got \[\]"):
        draw_side_by_side(queries, gallery, {}, query_rows=[0])
    with pytest.raises(VireidError, match="draw more in pairs"):
        draw_side_by_side(queries, gallery, {"a": good, "b": good, "c": good}, query_rows=[0])
    with pytest.raises(VireidError, match=r"queries from 0 to 1, got top 10 and queries \[2\]"):
        draw_side_by_side(queries, gallery, {"a": good}, query_rows=[2])
    with pytest.raises(VireidError, match=r"got top 10 and queries \[\]"):
        draw_side_by_side(queries, gallery, {"a": good}, query_rows=[])
    with pytest.raises(VireidError, match="got top 0"):
        draw_side_by_side(queries, gallery, {"a": good}, query_rows=[0], top=0)
    with pytest.raises(VireidError, match=r"'a' must have a row for each of 2 queries .* got 1 rows up to image 0"):
        draw_side_by_side(queries, gallery, {"a": ranking([0])}, query_rows=[0])
    with pytest.raises(VireidError, match="a gallery of 5 images, got 2 rows up to image 5"):
        draw_side_by_side(queries, gallery, {"a": ranking([0], [5])}, query_rows=[0])
    gallery.file(3).unlink()
    with pytest.raises(VireidError, match=r"3\.png"):
        draw_side_by_side(queries, gallery, {"a": ranking([3], [3])}, query_rows=[0])
