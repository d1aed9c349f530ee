from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from vireid.figures.breakdown import by_camera, by_person, draw_accuracy_by_camera, draw_accuracy_by_person
from vireid.figures.outcomes import QueryOutcomes
from vireid.types import Modality, Record, Records, VireidError


def table(*rows: tuple[int, int], **names: dict[int, str]) -> Records:
    """Person and camera; who is in which light does not matter here."""
    records = [
        Record(path=f"{number:04}.png", person=person, camera=camera, modality=Modality.INFRARED, split="test")
        for number, (person, camera) in enumerate(rows)
    ]
    return Records.build(Path("nowhere"), records, **names)


def outcomes(
    rows: list[int], ranks: list[int], precisions: list[float], in_camera: list[list[int]], cameras: list[int]
) -> QueryOutcomes:
    count = len(rows)
    return QueryOutcomes(
        trials=np.zeros(count, dtype=np.int64),
        rows=np.array(rows),
        ranks=np.array(ranks),
        precisions=np.array(precisions, dtype=np.float64),
        found_rows=np.array(rows),
        scores=np.ones(count),
        wrong_persons=np.full(count, -1),
        right_rows=np.array(rows),
        right_scores=np.ones(count),
        gallery_cameras=np.array(cameras),
        right_in_camera=np.array(in_camera, dtype=np.int8).reshape(count, len(cameras)),
    )


def test_by_camera_counts_searches_and_different_images():
    records = table((1, 3), (1, 6), (2, 3), (2, 6))
    # Rows 0 and 1 are searched for twice, as in two trials.
    found = outcomes(
        rows=[0, 1, 2, 0, 1],
        ranks=[1, 2, 3, 2, 1],
        precisions=[1, 0.5, 0.2, 0.5, 1],
        in_camera=[[1, -1], [0, 1], [0, -1], [0, -1], [1, 0]],
        cameras=[1, 2],
    )
    counted = by_camera(found, records)
    np.testing.assert_array_equal(counted.query_cameras, [3, 6])
    np.testing.assert_array_equal(counted.gallery_cameras, [1, 2])
    np.testing.assert_allclose(counted.rank1, [[1 / 3, np.nan], [1 / 2, 1 / 2]])
    np.testing.assert_array_equal(counted.queries, [[2, 0], [1, 1]])
    np.testing.assert_allclose(counted.overall_rank1, [1 / 3, 1 / 2])
    np.testing.assert_array_equal(counted.overall_queries, [2, 1])


@pytest.mark.parametrize("seed", range(3))
def test_both_tables_are_those_of_a_loop(seed):
    draw = np.random.default_rng(seed)
    records = table(*draw.integers(0, 7, (40, 2)).tolist())
    rows = draw.integers(0, 40, 200).tolist()
    found = outcomes(rows, draw.integers(1, 4, 200).tolist(), draw.random(200).tolist(),
                     draw.integers(-1, 2, (200, 3)).tolist(), [1, 2, 5])  # fmt: skip
    cameras = by_camera(found, records)
    for i, camera in enumerate(cameras.query_cameras):
        own = [at for at, row in enumerate(rows) if records.cameras[row] == camera]
        assert cameras.overall_rank1[i] == pytest.approx(sum(found.ranks[at] == 1 for at in own) / len(own))
        for j in range(3):
            said = [int(found.right_in_camera[at, j]) for at in own]
            kept = [value for value in said if value >= 0]
            assert cameras.rank1[i, j] == pytest.approx(sum(kept) / len(kept) if kept else np.nan, nan_ok=True)
            assert cameras.queries[i, j] == len({rows[at] for at, value in zip(own, said) if value >= 0})
    persons = by_person(found, records)
    assert set(persons.persons.tolist()) == {int(records.persons[row]) for row in rows}
    assert (np.diff(persons.map) >= 0).all()
    for person, precision, rank1, queries in zip(persons.persons, persons.map, persons.rank1, persons.queries):
        own = [at for at, row in enumerate(rows) if records.persons[row] == person]
        assert precision == pytest.approx(sum(found.precisions[at] for at in own) / len(own))
        assert rank1 == pytest.approx(sum(found.ranks[at] == 1 for at in own) / len(own))
        assert queries == len({rows[at] for at in own})


def test_cells_say_rate_and_count():
    records = table((1, 3), (1, 6), camera_names={6: "by the back door", 2: "hall"})
    found = outcomes([0, 1], [1, 2], [1, 0.5], [[1, -1], [0, 1]], [1, 2])
    figure = draw_accuracy_by_camera({"one": by_camera(found, records)}, records)
    axes = figure.axes[0]
    words = [text.get_text() for text in axes.texts]
    assert words == ["100.0", "n = 1", "none", "100.0", "n = 1", "0.0", "n = 1", "100.0", "n = 1", "0.0", "n = 1"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "hall", "all"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["3", "by t…door"]
    cells = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(cells) == 6
    # Dark cells bear white words, bright ones black words.
    shades = {text.get_text(): text.get_color() for text in axes.texts}
    assert (shades["100.0"], shades["0.0"]) == ("black", "white")
    figure.draw_without_rendering()


def test_one_camera_and_one_person_are_drawn():
    records = table((1, 3))
    found = outcomes([0], [1], [1.0], [[1]], [1])
    assert by_camera(found, records).rank1.shape == (1, 1)
    draw_accuracy_by_camera({"one": by_camera(found, records)}, records).draw_without_rendering()
    figure = draw_accuracy_by_person({"one": by_person(found, records)}, records)
    figure.draw_without_rendering()
    assert "mean of 1 identities: 100.0" in [text.get_text() for text in figure.axes[0].texts]
    assert [text.get_text() for text in figure.axes[1].texts] == ["no identity is below the mean"]


def test_bars_fall_and_the_hardest_are_named():
    records = table(*((person, 3) for person in range(12)), person_names={4: "ann"})
    precisions = np.random.default_rng(0).permutation(12) / 12
    found = outcomes(list(range(12)), [1] * 12, precisions.tolist(), [[1]] * 12, [1])
    figure = draw_accuracy_by_person({"one": by_person(found, records)}, records)
    every, hardest = figure.axes
    heights = [patch.get_height() for patch in every.patches]
    np.testing.assert_allclose(heights, np.arange(11, -1, -1) / 12 * 100)
    named = [label.get_text() for label in hardest.get_yticklabels()]
    # Of the twelve, six are below the mean.
    order = np.argsort(precisions)[:6].tolist()
    assert named == ["ann" if person == 4 else str(person) for person in order]
    assert hardest.texts[0].get_text() == "0.0, n = 1"
    # The first of them stands on top.
    assert hardest.yaxis_inverted()
    colours = [patch.get_facecolor() for patch in every.patches]
    assert len(set(colours[:6])) == len(set(colours[6:])) == 1
    assert colours[0] != colours[-1]


def test_models_stand_side_by_side_in_the_same_shades():
    records = table((1, 3), (1, 6))
    weak, strong = (
        outcomes([0, 1] * 10, [2] * 20, [0.1] * 20, [[1, 1]] * right + [[0, 0]] * (20 - right), [1, 2])
        for right in (1, 7)
    )
    tables = {"weak": by_camera(weak, records), "strong": by_camera(strong, records)}
    figure = draw_accuracy_by_camera(tables, records)
    *panels, bar = figure.axes
    assert [axes.get_title(loc="left") for axes in panels] == ["weak", "strong"]
    # Of these rates, 0 to 40 %, and not of all that there could be.
    assert bar.get_ylabel() == "Rank-1 (%)\nshades from 0 to 40"
    shades = {
        (axes.texts[2 * at].get_text(), patch.get_facecolor())
        for axes in panels
        for at, patch in enumerate(patch for patch in axes.patches if isinstance(patch, Rectangle))
    }
    # One shade for each rate: dark for 0, the brightest for 40.
    assert len(shades) == len({rate for rate, _ in shades}) == 4
    brightness = [sum(colour[:3]) for _, colour in sorted(shades, key=lambda one: float(one[0]))]
    assert brightness == sorted(brightness)
    figure.draw_without_rendering()
    with pytest.raises(VireidError, match="at least one table, got none"):
        draw_accuracy_by_camera({}, records)


def test_marks_are_what_other_models_reach_for_the_same_person():
    records = table(*((person, 3) for person in range(6)))
    first, last = [0.1, 0.2, 0.9, 0.4, 0.5, 0.6], [0.9, 0.8, 0.1, 0.3, 0.2, 0.7]
    tables = {
        name: by_person(outcomes(list(range(6)), [1] * 6, values, [[1]] * 6, [1]), records)
        for name, values in (("first", first), ("last", last))
    }
    figure = draw_accuracy_by_person(tables, records)
    every, hardest = figure.axes
    np.testing.assert_allclose([patch.get_height() for patch in every.patches], sorted(np.array(last) * 100)[::-1])
    np.testing.assert_allclose(every.lines[0].get_ydata(), [10, 20, 60, 40, 50, 90])
    assert [label.get_text() for label in hardest.get_yticklabels()] == ["2", "4", "3"]
    np.testing.assert_allclose(hardest.lines[0].get_xdata(), [90, 50, 40])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["first", "last"]
    fewer = by_person(outcomes([0], [1], [1.0], [[1]], [1]), records)
    with pytest.raises(VireidError, match="compared by the same identities, but their tables have others; ask both"):
        draw_accuracy_by_person(tables | {"fewer": fewer}, records)
    with pytest.raises(VireidError, match="at least one table, got none"):
        draw_accuracy_by_person({}, records)
