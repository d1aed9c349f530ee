"""Which results are repetitions of one, and what is counted twice."""

from dataclasses import replace

import numpy as np
import pytest

from vireid.evaluation import Evaluation, Protocol
from vireid.evaluation.repeats import Measured, gather
from vireid.types import Score, VireidError


def measured(name, rank1=0.5, *, queries=3803, seed=None, settings=None, weights="", notes=(), **facts):
    score = Score(cmc=np.linspace(rank1, 1, 20), map=0.5, minp=0.5, queries=queries, valid=queries, gallery=301)
    sysu = {"data_set": "sysu", "direction": "i2v", "mode": "all", "shots": 1, "draw": "seeded"}
    protocol = Protocol(**{"feature": "bn", "checkpoint_rule": "last epoch", **(facts or sysu)})
    return Measured(
        name=name,
        evaluation=Evaluation(protocol=protocol, trials=[score]),
        source=name,
        seed=seed,
        settings=settings,
        weights=weights,
        notes=notes,
    )


def names(gathered):
    return [(group.source, group.differ_in) for group in gathered]


def regdb(split, **facts):
    return {"data_set": "regdb", "direction": "v2i", "split": split, **facts}


def test_seeds_of_one_training_come_together():
    three = [measured(f"r{seed}", 0.1 * seed, seed=seed, settings={"epochs": 6}) for seed in (2, 0, 1)]
    [group] = gather(three)
    assert (group.source, group.differ_in) == ("r2, r0, r1", "seeds 0, 1, 2")
    assert [each.mean["cmc"][0] for each in group.evaluations] == pytest.approx([0.2, 0, 0.1])
    assert names(gather(three, average=False)) == [("r2", ""), ("r0", ""), ("r1", "")]


def test_models_of_regdb_s_trials_come_together_with_or_without_settings():
    runs = [measured(f"r{n}", n / 10, seed=0, settings={"epochs": 6}, **regdb(n)) for n in (1, 2, 3)]
    assert names(gather(runs)) == [("r1, r2, r3", "seeds 0; trials 1, 2, 3")]
    files = [measured(f"f{n}", n / 10, **regdb(n)) for n in (1, 2)]
    assert names(gather(files)) == [("f1, f2", "trials 1, 2")]


@pytest.mark.parametrize(
    "other",
    [
        measured("b", 0.25, seed=1, settings={"epochs": 7}),
        measured("b", 0.25, seed=1, settings=None),
        measured("b", seed=1, settings={"epochs": 6}, queries=302),
        measured("b", seed=0, settings={"epochs": 6}, rank1=0.25),
        measured("b", seed=1, settings={"epochs": 6}, **regdb(1)),
    ],
    ids=["other settings", "unknown settings", "other images", "the same seed", "another data set"],
)
def test_what_differs_in_more_than_the_seed_stays_apart(other):
    one = measured("a", seed=0, settings={"epochs": 6})
    assert names(gather([one, other])) == [("a", ""), ("b", "")]


@pytest.mark.parametrize(
    "facts",
    [
        {"reranking": "k-reciprocal"},
        {"checkpoint_rule": "best on test"},
        {"feature": "pool"},
        {"method": "agw"},
        {"distance": "euclidean"},
        {"test_time_augmentation": "image and mirror image averaged"},
        {"direction": "i2v"},
        {"reconstruction": "losses"},
    ],
)
def test_protocols_must_agree_in_everything_but_the_split(facts):
    one, other = measured("a", **regdb(1)), measured("b", **{**regdb(2), **facts})
    assert len(gather([one, other])) == 2


def test_other_numbers_of_trials_stay_apart():
    one, other = measured("a", seed=0), measured("b", 0.25, seed=1)
    other = replace(other, evaluation=replace(other.evaluation, trials=[*other.evaluation.trials] * 3))
    assert len(gather([one, other])) == 2


def test_files_of_unknown_seeds_are_not_taken_for_repetitions():
    assert len(gather([measured("a", 0.25), measured("b", 0.5)])) == 2


def test_notes_of_all_are_kept_once():
    [group] = gather(
        [measured("a", seed=0, notes=("x",)), measured("b", 0.25, seed=1, notes=("x", "y"))],
    )
    assert group.notes == ("x", "y")


@pytest.mark.parametrize(("weights", "said"), [("0123 bn", "weights"), ("", "scores")])
def test_a_result_that_is_there_twice_is_refused(weights, said):
    one, again = measured("a", seed=0, weights="0123 bn"), measured("copy", seed=1, weights=weights)
    with pytest.raises(VireidError, match=f"a and copy have the same protocol and the same {said}; leave one of them"):
        gather([one, again])


def test_equal_scores_of_other_weights_are_two_results():
    one, other = measured("a", seed=0, weights="0123 bn"), measured("b", seed=1, weights="4567 bn")
    assert len(gather([one, other])[0].evaluations) == 2
