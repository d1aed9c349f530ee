"""Which table and group a result belongs to, and what keeps it from standing beside published rows."""

from pathlib import Path

import numpy as np
import pytest

from vireid.evaluation import Evaluation, Protocol
from vireid.evaluation.standing import stand
from vireid.types import Score

GOLDEN = Path(__file__).parents[1] / "golden"

SYSU = {"data_set": "sysu", "direction": "i2v", "mode": "all", "shots": 1, "draw": "seeded"}
REGDB = {"data_set": "regdb", "direction": "v2i", "split": 1}
LLCM = {"data_set": "llcm", "direction": "v2i", "draw": "seeded", "evaluator": "llcm"}


def result(facts, counts, trials=10):
    queries, valid, gallery = counts
    score = Score(cmc=np.full(20, 0.5), map=0.5, minp=0.5, queries=queries, valid=valid, gallery=gallery)
    protocol = Protocol(**{"feature": "bn", "checkpoint_rule": "last epoch", **facts})
    return Evaluation(protocol=protocol, trials=[score] * trials)


# Facts of the protocol, (queries, with a match, gallery), trials, and the table.
BESIDE_THE_PUBLISHED = [
    (SYSU, (3803, 3803, 301), 10, ("SYSU-MM01", "all-search")),
    (SYSU | {"mode": "indoor"}, (3803, 2208, 112), 10, ("SYSU-MM01", "indoor-search")),
    (REGDB, (2060, 2060, 2060), 1, ("RegDB", "visible-to-infrared")),
    (REGDB | {"direction": "i2v"}, (2060, 2060, 2060), 1, ("RegDB", "infrared-to-visible")),
    (LLCM, (8680, 8600, 1500), 10, ("LLCM", "visible-to-infrared")),
    (LLCM | {"direction": "i2v"}, (7166, 7100, 1700), 10, ("LLCM", "infrared-to-visible")),
    # In this direction the swapped evaluator swaps nothing.
    (LLCM | {"direction": "i2v", "evaluator": "llcm-swapped"}, (7166, 7100, 1700), 10, ("LLCM", "infrared-to-visible")),
]


@pytest.mark.parametrize(("facts", "counts", "trials", "table"), BESIDE_THE_PUBLISHED)
def test_a_result_by_the_published_protocol_on_the_real_images_may_stand_beside_them(facts, counts, trials, table):
    standing = stand(result(facts, counts, trials))
    assert (standing.dataset, standing.setting) == table
    assert (standing.comparable, standing.kind, standing.deviations, standing.counts) == (True, "plain", (), None)


def test_the_counts_of_sysu_are_those_that_the_official_code_printed():
    gallery, queries = np.load(GOLDEN / "sysu_official.npz")["all_1_n"].astype(int).tolist()
    assert stand(result(SYSU, (queries, queries, gallery))).comparable


@pytest.mark.parametrize(("facts", "counts", "trials", "table"), BESIDE_THE_PUBLISHED)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_other_images_in_the_same_layout_never_stand_beside_them(facts, counts, trials, table, place):
    changed = [count - (at == place) for at, count in enumerate(counts)]
    standing = stand(result(facts, changed, trials))
    if facts["data_set"] == "llcm" and place > 0:
        # No paper prints these two.
        assert standing.comparable
    else:
        assert (standing.comparable, standing.counts) == (False, (changed[0], changed[2]))
        assert (standing.dataset, standing.setting) == table


@pytest.mark.parametrize(("facts", "counts", "trials", "table"), BESIDE_THE_PUBLISHED)
def test_a_made_world_never_stands_beside_them_even_with_their_numbers(facts, counts, trials, table):
    standing = stand(result(facts | {"made_world": True}, counts, trials))
    assert (standing.comparable, standing.made_world, standing.counts) == (False, True, None)
    assert (standing.dataset, standing.setting) == table


def test_one_odd_trial_is_enough():
    good, odd = result(SYSU, (3803, 3803, 301)), result(SYSU, (3803, 3803, 300))
    mixed = Evaluation(protocol=good.protocol, trials=[*good.trials[:9], odd.trials[0]])
    assert stand(mixed).counts == (3803, 300)


@pytest.mark.parametrize(
    ("facts", "counts", "trials", "reason"),
    [
        (SYSU | {"draw": "official"}, (3803, 3803, 301), 10, "official draw of the gallery; nearly all"),
        (SYSU | {"shots": 10}, (3803, 3803, 3010), 10, "10 shots; the published rows are single-shot"),
        (SYSU | {"mode": "indoor", "shots": 10}, (3803, 2208, 1120), 10, "10 shots; the published"),
        (SYSU, (3803, 3803, 301), 3, "3 galleries drawn; the published rows are means of 10"),
        (SYSU | {"distance": "euclidean"}, (3803, 3803, 301), 10, "euclidean distance on the features as given"),
        (REGDB | {"distance": "euclidean"}, (2060, 2060, 2060), 1, "euclidean distance on the features as given"),
        (LLCM | {"evaluator": "llcm-swapped"}, (1400, 1400, 8680), 10, "evaluator llcm-swapped; the published rows"),
        (LLCM | {"evaluator": "llcm-full"}, (8680, 8680, 7166), 1, "evaluator llcm-full; the published rows"),
        (LLCM, (8680, 8680, 1500), 1, "1 galleries drawn; the published rows are means of 10"),
    ],
)
def test_another_protocol_on_the_real_images_says_what_is_other(facts, counts, trials, reason):
    standing = stand(result(facts, counts, trials))
    assert not standing.comparable
    assert standing.counts is None
    [said] = standing.deviations
    assert said.startswith(reason)


def test_several_deviations_are_all_named():
    facts = SYSU | {"shots": 10, "draw": "official", "distance": "euclidean"}
    assert len(stand(result(facts, (3803, 3803, 3010), 10)).deviations) == 3


@pytest.mark.parametrize(
    ("reranking", "augmentation", "kind"),
    [
        ("none", "none", "plain"),
        ("none", "image and mirror image averaged", "plain (flip at test)"),
        ("k-reciprocal (k1=20)", "none", "re-ranked"),
        ("k-reciprocal (k1=20)", "image and mirror image averaged", "re-ranked (flip at test)"),
        ("none", "five crops averaged", "plain (five crops averaged)"),
    ],
)
def test_the_kind_is_what_the_protocol_says_of_re_ranking_and_augmentation(reranking, augmentation, kind):
    facts = SYSU | {"reranking": reranking, "test_time_augmentation": augmentation}
    assert stand(result(facts, (3803, 3803, 301))).kind == kind


def test_own_data_has_no_table():
    assert stand(result({"data_set": "folder", "direction": "i2v"}, (9, 9, 9), 1)) is None


def test_a_table_of_an_ablation_is_a_place_for_results_of_its_search():
    standing = stand(result(SYSU, (3803, 3803, 301)))
    assert standing.belongs_to("SYSU-MM01", "all-search")
    assert standing.belongs_to("SYSU-MM01", "ablation all-search")
    assert not standing.belongs_to("SYSU-MM01", "indoor-search")
    assert not standing.belongs_to("LLCM", "all-search")
