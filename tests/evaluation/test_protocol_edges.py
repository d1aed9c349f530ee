"""What a protocol calls itself, and at which number each refusal begins."""

from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest

from vireid.data import SysuPermutations
from vireid.evaluation import Protocol, folder_trials, llcm_trials, regdb_trials, sysu_trials
from vireid.types import Modality, Record, Records, VireidError


def table(rows: list[tuple[int, int, Modality]], split: str = "test") -> Records:
    """Records of (person, camera, modality), two images of each."""
    return Records.build(
        Path("root"),
        [
            Record(
                path=f"{modality.value}/cam{camera}/{person:04d}/{n}.jpg",
                person=person,
                camera=camera,
                modality=modality,
                split=split,
            )
            for person, camera, modality in rows
            for n in (1, 2)
        ],
    )


DAY, NIGHT = Modality.VISIBLE, Modality.INFRARED
BOTH = table([(4, 1, DAY), (4, 3, NIGHT), (9, 1, DAY), (9, 3, NIGHT)])


@pytest.mark.parametrize(
    ("given", "name", "trial_rule"),
    [
        (
            {"data_set": "sysu", "mode": "indoor", "shots": 10, "draw": "official", "trials": 10},
            "sysu indoor-search 10-shot official i2v",
            "one model, 10 galleries drawn anew, mean",
        ),
        (
            {"data_set": "regdb", "split": 3},
            "regdb i2v",
            "each trial is a split of its own, on which alone a model that was trained on RegDB may be tested",
        ),
        (
            {"data_set": "llcm", "evaluator": "llcm", "trials": 7},
            "llcm i2v",
            "one model, 7 galleries drawn anew, mean",
        ),
        (
            {"data_set": "llcm", "evaluator": "llcm-swapped", "direction": "v2i", "trials": 2},
            "llcm-swapped v2i",
            "one model, 2 draws, mean; in v2i the drawn images are the queries",
        ),
        (
            {"data_set": "llcm", "evaluator": "llcm-full"},
            "llcm-full i2v",
            "one model, one pass over the whole gallery",
        ),
        ({"data_set": "folder", "direction": "v2i"}, "folder v2i", "one model, one pass over the whole gallery"),
    ],
)
def test_each_protocol_says_its_name_and_its_rule(given: dict[str, Any], name: str, trial_rule: str) -> None:
    protocol = Protocol(**{"direction": "i2v", "feature": "bn", "checkpoint_rule": "last epoch", **given})
    assert (protocol.name, protocol.trial_rule) == (name, trial_rule)
    told = protocol.to_json()
    assert (told["name"], told["trial_rule"]) == (name, trial_rule)
    assert {key: told[key] for key in given} == given


def test_what_a_trial_of_regdb_is_depends_on_what_was_trained_on() -> None:
    protocol = Protocol(data_set="regdb", direction="i2v", feature="bn", checkpoint_rule="last epoch", split=1)
    own = "each trial has a model of its own, tested on its own trial only"
    assert protocol.trial_rule_of("regdb") == own
    assert protocol.trial_rule_of("sysu") == "one model, trained in another layout and tested on this trial"
    assert protocol.trial_rule_of(None) == protocol.trial_rule
    other = Protocol(data_set="folder", direction="i2v", feature="bn", checkpoint_rule="last epoch")
    assert other.trial_rule_of("regdb") == other.trial_rule


def test_a_protocol_is_plain_unless_it_says_otherwise() -> None:
    told = Protocol(data_set="regdb", direction="v2i", feature="bn", checkpoint_rule="last epoch").to_json()
    plain = {"method": "not known", "reconstruction": "none", "reranking": "none", "test_time_augmentation": "none"}
    assert {key: told[key] for key in plain} == plain
    assert (told["trials"], told["distance"]) == (1, "cosine")
    assert [told[key] for key in ("mode", "shots", "draw", "evaluator", "split")] == [None] * 5


@pytest.mark.parametrize("missing", ["mode", "shots", "draw"])
def test_sysu_must_name_each_of_its_choices(missing: str) -> None:
    given = {"mode": "all", "shots": 1, "draw": "seeded", missing: None}
    with pytest.raises(VireidError, match=f"a result on sysu must name its {missing}; give it to Protocol"):
        Protocol(data_set="sysu", direction="i2v", feature="bn", checkpoint_rule="last epoch", **given)


def test_words_that_no_protocol_knows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    wrong: dict[str, Any] = {"mode": "night", "draw": "lucky", "direction": "i2i", "evaluator": "market"}
    with pytest.raises(VireidError, match="mode of SYSU-MM01 must be 'all' or 'indoor', got 'night'"):
        sysu_trials(BOTH, mode=wrong["mode"])
    with pytest.raises(VireidError, match="draw of SYSU-MM01 must be 'official' or 'seeded', got 'lucky'"):
        sysu_trials(BOTH, mode="all", draw=wrong["draw"])
    with pytest.raises(VireidError, match="evaluator must be 'llcm', 'llcm-swapped' or 'llcm-full', got 'market'"):
        llcm_trials(BOTH, direction="i2v", evaluator=wrong["evaluator"])
    for call in (llcm_trials, folder_trials):
        with pytest.raises(VireidError, match="direction must be 'v2i' or 'i2v', got 'i2i'"):
            call(BOTH, direction=wrong["direction"])
    with pytest.raises(VireidError, match="direction must be 'v2i' or 'i2v', got 'i2i'"):
        regdb_trials(BOTH, direction=wrong["direction"], trial=1)


def test_the_one_trial_of_a_whole_pass_is_number_one() -> None:
    trials = [*llcm_trials(BOTH, direction="i2v", evaluator="llcm-full"), *folder_trials(BOTH, direction="i2v")]
    assert [trial.number for trial in trials] == [1, 1]


def test_counts_from_one_are_taken_and_none_is_refused() -> None:
    assert len(sysu_trials(BOTH, mode="all", trials=1)) == 1
    assert len(llcm_trials(BOTH, direction="i2v", trials=1)) == 1
    with pytest.raises(VireidError, match="the number of shots must be 1 or more, got 0"):
        sysu_trials(BOTH, mode="all", shots=0)
    with pytest.raises(VireidError, match="the number of trials must be 1 or more, got 0"):
        llcm_trials(BOTH, direction="i2v", trials=0)


def test_ten_trials_of_as_many_shots_as_there_are_images_are_drawn() -> None:
    cells = [[np.empty((0, 0), dtype=np.int64)] * 9 for _ in range(6)]
    for person in (4, 9):
        cells[0][person - 1] = np.array([[1, 2], [2, 1]] * 5)
    orders = SysuPermutations(file=Path("rand_perm_cam.mat"), cells=tuple(tuple(row) for row in cells))
    drawn = sysu_trials(BOTH, mode="indoor", shots=2, draw="official", trials=10, permutations=orders)
    assert len(drawn) == 10
    for trial in drawn:
        assert sorted(trial.gallery_rows) == np.flatnonzero(~BOTH.infrared).tolist()
    with pytest.raises(VireidError, match=r"a 3-shot gallery needs 3 images .* person 4 has 2 in camera 1"):
        sysu_trials(BOTH, mode="indoor", shots=3, draw="official", permutations=orders)


@pytest.mark.parametrize("split", ["train", "query", "gallery"])
def test_other_splits_are_no_test_images(split: str) -> None:
    other = table([(30, 1, DAY), (30, 3, NIGHT)], split=split)
    records = Records.build(Path("root"), [*BOTH, *Records.build(Path("root"), [
        Record(path=f"{split}/{one.path}", person=one.person, camera=one.camera, modality=one.modality, split=split)
        for one in other
    ])])  # fmt: skip
    trials = [
        *regdb_trials(records, direction="v2i", trial=1),
        *llcm_trials(records, direction="v2i", evaluator="llcm-full"),
        *llcm_trials(records, direction="i2v", trials=1),
        *sysu_trials(records, mode="indoor", trials=1),
    ]
    for trial in trials:
        assert set(records.splits[np.concatenate([trial.query_rows, trial.gallery_rows])]) == {"test"}


@pytest.mark.parametrize(
    ("only", "direction", "message"),
    [
        (DAY, "v2i", "at least one infrared gallery image, but the table of 2 records"),
        (DAY, "i2v", "at least one infrared query image"),
        (NIGHT, "v2i", "at least one visible query image"),
        (NIGHT, "i2v", "at least one visible gallery image"),
    ],
)
def test_the_side_that_lacks_images_is_named(only: Modality, direction: Any, message: str) -> None:
    with pytest.raises(VireidError, match=message):
        regdb_trials(table([(4, 1, only)]), direction=direction, trial=1)
