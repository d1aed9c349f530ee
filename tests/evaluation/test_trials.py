"""Who is query and who is gallery under each protocol, on small tables built by hand."""

import random
from pathlib import Path

import numpy as np
import pytest

from vireid.data import SysuPermutations
from vireid.evaluation import (
    folder_trials,
    llcm_trials,
    refuse_other_trial,
    regdb_trials,
    sysu_trials,
)
from vireid.types import Modality, Record, Records, VireidError


def table(rows: list[tuple[str, int, int, bool, str]]) -> Records:
    """Records of (path, person, camera, infrared, split)."""
    return Records.build(
        Path("root"),
        [
            Record(
                path=path,
                person=person,
                camera=camera,
                modality=Modality.INFRARED if infrared else Modality.VISIBLE,
                split=split,
            )
            for path, person, camera, infrared, split in rows
        ],
    )


def sysu_table(counts: dict[tuple[int, int], int], split: str = "test") -> Records:
    """A table in SYSU-MM01's layout with so many images of each (camera, person)."""
    return table(
        [
            (f"cam{camera}/{person:04d}/{number:04d}.jpg", person, camera, camera in (3, 6), split)
            for (camera, person), count in counts.items()
            for number in range(1, count + 1)
        ]
    )


# Person 12 is in no indoor visible camera; person 7 not in camera 4.
COUNTS = {(1, 7): 4, (2, 7): 3, (5, 7): 5, (3, 7): 2, (6, 7): 1, (4, 12): 6, (5, 12): 2, (3, 12): 3}


def paths(records: Records, rows: np.ndarray) -> list[str]:
    return [str(path) for path in records.paths[rows]]


def permutations(counts: dict[tuple[int, int], int]) -> SysuPermutations:
    """Row t is 1 .. N rolled by t, so that trial number and column can be read off."""
    cells = [[np.empty((0, 0), dtype=np.int64)] * 12 for _ in range(6)]
    for (camera, person), count in counts.items():
        cells[camera - 1][person - 1] = np.stack([np.roll(np.arange(1, count + 1), -trial) for trial in range(10)])
    return SysuPermutations(file=Path("rand_perm_cam.mat"), cells=tuple(tuple(row) for row in cells))


def test_every_infrared_image_is_a_query_in_both_modes_of_sysu() -> None:
    records = sysu_table(COUNTS)
    for mode in ("all", "indoor"):
        for trial in sysu_trials(records, mode=mode):
            assert set(records.cameras[trial.query_rows].tolist()) == {3, 6}
            assert len(trial.query_rows) == 6
            assert trial.rule == "sysu"


def test_seeded_draw_is_the_loop_of_published_code() -> None:
    records = sysu_table(COUNTS)
    for mode, cameras in (("all", (1, 2, 4, 5)), ("indoor", (1, 2))):
        trials = sysu_trials(records, mode=mode)
        assert [trial.number for trial in trials] == list(range(10))
        for trial in trials:
            state = random.getstate()
            random.seed(trial.number)
            expected = [
                random.choice([f"cam{camera}/{person:04d}/{n:04d}.jpg" for n in range(1, COUNTS[camera, person] + 1)])
                for person in (7, 12)
                for camera in cameras
                if (camera, person) in COUNTS
            ]
            random.setstate(state)
            assert paths(records, trial.gallery_rows) == expected


def test_seeded_draw_leaves_the_global_generator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("seed", "choice", "setstate"):
        monkeypatch.setattr(random, name, lambda *_: pytest.fail("the global generator was used"))
    sysu_trials(sysu_table(COUNTS), mode="all")
    llcm_trials(LLCM, direction="i2v")


def test_train_rows_are_in_no_trial() -> None:
    both = sysu_table(COUNTS)
    train = sysu_table({(1, 3): 4, (3, 3): 4}, split="train")
    records = Records.build(Path("root"), [*both, *train])
    for trial in sysu_trials(records, mode="all", trials=2):
        assert set(records.splits[np.concatenate([trial.query_rows, trial.gallery_rows])]) == {"test"}


@pytest.mark.parametrize("shots", [1, 2])
def test_official_draw_takes_the_first_columns_of_row_t(shots: int) -> None:
    records = sysu_table(COUNTS)
    trials = sysu_trials(records, mode="all", shots=shots, draw="official", permutations=permutations(COUNTS))
    assert [trial.number for trial in trials] == list(range(1, 11))
    for trial in trials:
        expected = [
            f"cam{camera}/{person:04d}/{(trial.number - 1 + shot) % COUNTS[camera, person] + 1:04d}.jpg"
            for person in (7, 12)
            for camera in (1, 2, 4, 5)
            if (camera, person) in COUNTS
            for shot in range(shots)
        ]
        assert paths(records, trial.gallery_rows) == expected


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"shots": 10}, "the seeded draw takes one image of each identity and camera, but 10 shots"),
        ({"draw": "official"}, "needs the permutations of exp/rand_perm_cam.mat"),
        ({"draw": "official", "permutations": permutations(COUNTS), "trials": 11}, "holds 10 trials, but 11"),
        ({"draw": "official", "permutations": permutations(COUNTS), "shots": 3}, "person 12 has 2 in camera 5"),
        (
            {"draw": "official", "permutations": permutations({**COUNTS, (1, 7): 9})},
            "orders 9 images, but 4 are listed",
        ),
        ({"trials": 0}, "the number of trials must be 1 or more, got 0"),
    ],
)
def test_sysu_trials_refuse(keywords: dict, message: str) -> None:
    with pytest.raises(VireidError, match=message):
        sysu_trials(sysu_table(COUNTS), mode="all", **keywords)


def test_sysu_without_a_side_is_refused() -> None:
    with pytest.raises(VireidError, match="at least one infrared test image, but the table of 4 records from root"):
        sysu_trials(sysu_table({(1, 7): 4}), mode="all")
    with pytest.raises(VireidError, match=r"at least one visible test \(indoor-search\) image"):
        sysu_trials(sysu_table({(4, 7): 4, (3, 7): 1}), mode="indoor")


REGDB = table(
    [
        (f"{folder}/{person}/{n}.bmp", person, camera, infrared, "test" if person > 1 else "train")
        for folder, camera, infrared in (("Visible", 1, False), ("Thermal", 2, True))
        for person in (1, 2, 3)
        for n in range(2)
    ]
)


def test_regdb_is_all_against_all_of_the_other_modality() -> None:
    (trial,) = regdb_trials(REGDB, direction="v2i", trial=4)
    assert (trial.number, trial.rule) == (4, "regdb")
    assert paths(REGDB, trial.query_rows) == [
        "Visible/2/0.bmp",
        "Visible/2/1.bmp",
        "Visible/3/0.bmp",
        "Visible/3/1.bmp",
    ]
    (other,) = regdb_trials(REGDB, direction="i2v", trial=4)
    np.testing.assert_array_equal(other.query_rows, trial.gallery_rows)
    np.testing.assert_array_equal(other.gallery_rows, trial.query_rows)


def test_a_model_of_another_regdb_trial_is_refused() -> None:
    refuse_other_trial(3, 3)
    with pytest.raises(VireidError, match=r"trained on trial 3 and trial 5 was asked for.*train one on trial 5"):
        refuse_other_trial(3, 5)
    with pytest.raises(VireidError, match="which that was, so it may have seen the test people of trial 5"):
        refuse_other_trial(None, 5)


LLCM = table(
    [
        (f"test_{kind}/cam{camera}/{person:04d}/{n}.jpg", person, camera, kind == "nir", "test")
        for kind in ("vis", "nir")
        for camera in (1, 3, 9)
        for person in (2, 11)
        for n in range(5)
        if (kind, camera) != ("nir", 3)
    ]
)


def llcm_draw(kind: str, seed: int) -> list[str]:
    own = random.Random(seed)
    return [
        own.choice([f"test_{kind}/cam{camera}/{person:04d}/{n}.jpg" for n in range(5)])
        for person in (2, 11)
        for camera in ((1, 3, 9) if kind == "vis" else (1, 9))
    ]


def test_llcm_draws_the_gallery_and_asks_with_every_image() -> None:
    for direction, seeker, drawn in (("i2v", "nir", "vis"), ("v2i", "vis", "nir")):
        trials = llcm_trials(LLCM, direction=direction)
        assert len(trials) == 10
        for trial in trials:
            assert trial.rule == "llcm"
            assert paths(LLCM, trial.query_rows) == [str(path) for path in LLCM.paths if f"test_{seeker}" in path]
            assert paths(LLCM, trial.gallery_rows) == llcm_draw(drawn, trial.number)


def test_llcm_swapped_asks_with_drawn_infrared_images_in_v2i_only() -> None:
    for trial in llcm_trials(LLCM, direction="v2i", evaluator="llcm-swapped"):
        assert paths(LLCM, trial.query_rows) == sorted(llcm_draw("nir", trial.number))
        assert paths(LLCM, trial.gallery_rows) == [str(path) for path in LLCM.paths if "test_vis" in path]
    plain = llcm_trials(LLCM, direction="i2v")
    for one, other in zip(llcm_trials(LLCM, direction="i2v", evaluator="llcm-swapped"), plain):
        np.testing.assert_array_equal(one.query_rows, other.query_rows)
        np.testing.assert_array_equal(one.gallery_rows, other.gallery_rows)


def test_llcm_full_is_one_pass_over_everything() -> None:
    (trial,) = llcm_trials(LLCM, direction="i2v", evaluator="llcm-full")
    assert (len(trial.query_rows), len(trial.gallery_rows), trial.rule) == (20, 30, "llcm-full")


def test_folder_takes_query_gallery_and_test_rows_and_unknown_people_only_in_the_gallery() -> None:
    records = table(
        [
            ("a.png", 1, 1, True, "query"),
            ("b.png", -1, 1, True, "query"),
            ("c.png", 1, 1, True, "gallery"),
            ("d.png", 1, 2, False, "gallery"),
            ("e.png", -1, 2, False, "gallery"),
            ("f.png", 2, 2, False, "query"),
            ("g.png", 2, 2, False, "test"),
            ("h.png", 2, 1, True, "test"),
            ("i.png", 9, 1, False, "train"),
        ]
    )
    (trial,) = folder_trials(records, direction="i2v")
    assert paths(records, trial.query_rows) == ["a.png", "h.png"]
    assert paths(records, trial.gallery_rows) == ["d.png", "e.png", "g.png"]
    assert trial.rule == "folder"


def test_folder_without_a_known_query_is_refused() -> None:
    records = table([("a.png", -1, 1, True, "test"), ("b.png", 1, 1, False, "test")])
    with pytest.raises(VireidError, match="at least one identified query image"):
        folder_trials(records, direction="i2v")
