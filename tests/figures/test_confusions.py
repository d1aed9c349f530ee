from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vireid.figures.confusions import draw_confusions, hardest_confusions
from vireid.figures.outcomes import QueryOutcomes
from vireid.types import Modality, Record, Records, VireidError


def make_records(root: Path, persons: list[int], **names: dict[int, str]) -> Records:
    records = [
        Record(path=f"{number:04}.png", person=person, camera=number % 3, modality=Modality.VISIBLE, split="test")
        for number, person in enumerate(persons)
    ]
    return Records.build(root, records, **names)


def outcomes(records: Records, rows: list[int], found: list[int], right: list[int], scores: list[float]):
    persons = records.persons
    asked, there = persons[rows], persons[found]
    count = len(rows)
    return QueryOutcomes(
        trials=np.zeros(count, dtype=np.int64),
        rows=np.array(rows, dtype=np.int64),
        ranks=np.where(asked == there, 1, 2),
        precisions=np.ones(count),
        found_rows=np.array(found, dtype=np.int64),
        scores=np.array(scores, dtype=np.float32),
        wrong_persons=np.where(asked == there, -1, there).astype(np.int64),
        right_rows=np.array(right, dtype=np.int64),
        right_scores=np.array(scores, dtype=np.float32) / 2,
        gallery_cameras=np.array([0]),
        right_in_camera=np.ones((count, 1), dtype=np.int8),
    )


def test_the_plainest_case_of_the_largest_share_comes_first():
    records = make_records(Path("nowhere"), [1, 1, 2, 3, 1, 2, 3])
    # Person 1 is searched for four times: twice 2 comes first, once 3. Person 2 is searched for once and taken for 3.
    found = outcomes(
        records, rows=[0, 1, 0, 1, 2], found=[2, 5, 3, 4, 6], right=[4, 4, 4, 4, 5], scores=[0.3, 0.75, 0.9, 0.9, 0.25]
    )
    first, second, third = hardest_confusions(found, records)
    assert (first.query_person, first.wrong_person, first.share, first.searches) == (2, 3, 1.0, 1)
    assert (second.query_person, second.wrong_person, second.share, second.searches) == (1, 2, 0.5, 4)
    assert (second.query_row, second.wrong_row, second.right_row) == (1, 5, 4)
    assert (second.score, second.right_score) == (0.75, 0.375)
    assert (third.wrong_person, third.share) == (3, 0.25)
    assert hardest_confusions(found, records, count=1) == [first]


@pytest.mark.parametrize("seed", range(3))
def test_shares_are_those_of_a_count(seed):
    draw = np.random.default_rng(seed)
    records = make_records(Path("nowhere"), draw.integers(-1, 6, 60).tolist())
    known = np.flatnonzero(records.persons >= 0)
    rows, found = draw.choice(known, 150).tolist(), draw.integers(0, 60, 150).tolist()
    scores = draw.random(150).tolist()
    every = hardest_confusions(outcomes(records, rows, found, rows, scores), records, count=100)
    persons = records.persons.tolist()
    searches = Counter(persons[row] for row in rows)
    pairs = Counter((persons[a], persons[b]) for a, b in zip(rows, found) if persons[b] not in (persons[a], -1))
    assert {(one.query_person, one.wrong_person): one.share for one in every} == pytest.approx(
        {pair: count / searches[pair[0]] for pair, count in pairs.items()}
    )
    assert [one.share for one in every] == sorted((one.share for one in every), reverse=True)
    for one in every:
        best = max(
            score
            for a, b, score in zip(rows, found, scores)
            if (persons[a], persons[b]) == (one.query_person, one.wrong_person)
        )
        assert one.score == pytest.approx(best)
        assert (persons[one.query_row], persons[one.wrong_row]) == (one.query_person, one.wrong_person)


def test_without_mistakes_there_is_nothing():
    records = make_records(Path("nowhere"), [1, 1])
    assert hardest_confusions(outcomes(records, [0], [1], [1], [0.5]), records) == []
    assert hardest_confusions(outcomes(records, [], [], [], []), records) == []
    with pytest.raises(VireidError, match="every query found its own person first"):
        draw_confusions([], records)
    with pytest.raises(VireidError, match="must be 1 or more, got 0"):
        hardest_confusions(outcomes(records, [0], [1], [1], [0.5]), records, count=0)


@pytest.mark.parametrize("count", [1, 6])
def test_each_case_shows_three_images_with_their_numbers(tmp_path, count):
    persons = [number for number in range(count) for _ in range(2)] + [50]
    records = make_records(tmp_path, persons, person_names={50: "a long name indeed"})
    for row in range(len(records)):
        # One very tall image and one very wide one.
        size = {0: (10, 200), 1: (400, 20)}.get(row, (20, 40))
        Image.new("RGB", size, (10 * row, 100, 50)).save(records.file(row))
    rows = [2 * number for number in range(count)]
    found = outcomes(records, rows, [2 * count] * count, [row + 1 for row in rows], [0.5] * count)
    cases = hardest_confusions(found, records)
    figure = draw_confusions(cases, records)
    assert len(figure.axes) == 3 * count
    assert [axes.get_title() for axes in figure.axes[:3]] == ["query", "first", "right"]
    titles = [figure.axes[3 * number].figure.get_suptitle() for number in range(count)]
    assert titles == [f"{case.query_person} taken for a lo…deed\n1 of 1 searches" for case in cases]
    assert figure.axes[1].get_xlabel().endswith("0.50")
    assert figure.axes[2].get_xlabel().endswith("0.25")
    for number, case in enumerate(cases):
        for axes, row in zip(figure.axes[3 * number :], (case.query_row, case.wrong_row, case.right_row)):
            shown = axes.images[0].get_array()
            assert max(shown.shape[:2]) <= 160
            assert abs(int(shown[0, 0, 0]) - 10 * row) <= 1
    figure.draw_without_rendering()


def test_an_image_that_is_gone_is_refused(tmp_path):
    records = make_records(tmp_path, [1, 1, 2])
    cases = hardest_confusions(outcomes(records, [0], [2], [1], [0.5]), records)
    with pytest.raises(VireidError, match=r"0000\.png"):
        draw_confusions(cases, records)
