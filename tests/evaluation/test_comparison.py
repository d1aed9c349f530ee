"""Published rows and ours: every row in one place, groups that share nothing, and what is best."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vireid.evaluation import Evaluation, Protocol
from vireid.evaluation.comparison import RATES, compare
from vireid.evaluation.published import published_results
from vireid.evaluation.repeats import Measured, gather
from vireid.evaluation.standing import stand
from vireid.types import Score, VireidError

OFFICIAL = {"all": (3803, 3803, 301), "indoor": (3803, 2208, 112)}
PLACES = sorted({(row.dataset, row.setting) for row in published_results()})
MIRROR = "image and mirror image averaged"


def ours(name="mine", rank1=0.8, *, mode="all", counts=None, trials=10, seed=0, notes=(), **facts):
    queries, valid, gallery = counts or OFFICIAL[mode]
    cmc = np.array([rank1] * 9 + [0.95] * 10 + [0.99])
    score = Score(cmc=cmc, map=0.7, minp=0.6, queries=queries, valid=valid, gallery=gallery)
    known = {"data_set": "sysu", "direction": "i2v", "mode": mode, "shots": 1, "draw": "seeded"}
    protocol = Protocol(**{"feature": "bn", "checkpoint_rule": "last epoch", "method": name, **known, **facts})
    return Measured(
        name=name,
        evaluation=Evaluation(protocol=protocol, trials=[score] * trials),
        source=f"runs/{name}-{seed}",
        seed=seed,
        settings={},
        notes=notes,
    )


def regdb(split, rank1):
    facts = {"data_set": "regdb", "direction": "v2i", "mode": None, "shots": None, "draw": None, "split": split}
    return ours("agw", rank1, counts=(2060, 2060, 2060), trials=1, **facts)


def table(*results, setting="all-search", **keywords):
    return compare(published_results(), gather(results), dataset="SYSU-MM01", setting=setting, **keywords)


def place_of(comparison, method="mine"):
    [group] = [group for group in comparison.groups for row in group.rows if row.ours and row.method == method]
    return group.title, group.comparable


def own_row(comparison):
    [row] = [row for group in comparison.groups for row in group.rows if row.ours]
    return row


@pytest.mark.parametrize(("dataset", "setting"), PLACES)
@pytest.mark.parametrize("sort", ["year", "rank1", "map"])
def test_every_published_row_appears_once_with_its_own_numbers(dataset, setting, sort):
    rows = published_results(dataset=dataset, setting=setting)
    shown = compare(published_results(), dataset=dataset, setting=setting, sort=sort)
    assert Counter(
        (group.title, row.method, row.year, row.venue, row.rates, row.source)
        for group in shown.groups
        for row in group.rows
    ) == Counter((r.kind, r.method, r.year, r.venue, tuple(getattr(r, rate) for rate in RATES), r.source) for r in rows)
    assert all(group.comparable for group in shown.groups)


def test_all_tables_together_hold_the_whole_file():
    shown = [compare(published_results(), dataset=dataset, setting=setting) for dataset, setting in PLACES]
    assert sum(len(group.rows) for each in shown for group in each.groups) == len(published_results()) == 93


FACTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["mine", "agw"]),
        "rank1": st.floats(0, 0.9),
        "mode": st.sampled_from(["all", "indoor"]),
        "counts": st.sampled_from([None, None, (302, 302, 298), (3803, 3803, 300)]),
        "trials": st.sampled_from([10, 10, 3]),
        "seed": st.integers(0, 2),
        "reranking": st.sampled_from(["none", "k-reciprocal"]),
        "test_time_augmentation": st.sampled_from(["none", MIRROR]),
        "draw": st.sampled_from(["seeded", "seeded", "official"]),
        "checkpoint_rule": st.sampled_from(["last epoch", "best on test"]),
    }
)


def _without_seed(facts):
    return repr({name: value for name, value in facts.items() if name != "seed"})


@settings(deadline=None, max_examples=50)
@given(
    st.lists(FACTS, max_size=8, unique_by=_without_seed),
    st.sampled_from(["all-search", "indoor-search"]),
    st.sampled_from(["year", "rank1", "map"]),
)
def test_groups_are_disjoint_and_hold_what_their_titles_say(facts, setting, sort):
    results = [ours(**each) for each in facts]
    comparison = table(*results, setting=setting, sort=sort)
    titles = [group.title for group in comparison.groups]
    assert len(set(titles)) == len(titles)
    published = [row.method for group in comparison.groups for row in group.rows if not row.ours]
    assert sorted(published) == sorted(row.method for row in published_results(dataset="SYSU-MM01", setting=setting))
    own = [result for result in results if stand(result.evaluation).setting == setting]
    assert sum(row.runs for group in comparison.groups for row in group.rows if row.ours) == len(own)
    for group in comparison.groups:
        assert group.comparable == ("not comparable" not in group.title)
        if not group.comparable:
            assert all(row.ours and row.notes for row in group.rows)
            assert all(group.best(place, 2) is None for place in range(len(RATES)))
    expected = Counter(
        its.kind for its in (stand(result.evaluation) for result in own) if its.counts is None and not its.deviations
    )
    shown = Counter()
    for group in comparison.groups:
        if group.comparable:
            shown[group.title] += sum(row.runs for row in group.rows if row.ours)
    assert +shown == expected


@pytest.mark.parametrize(
    ("facts", "title", "comparable"),
    [
        ({}, "plain", True),
        ({"test_time_augmentation": MIRROR}, "plain (flip at test)", True),
        ({"reranking": "k-reciprocal"}, "re-ranked", True),
        ({"reranking": "k-reciprocal", "test_time_augmentation": MIRROR}, "re-ranked (flip at test)", True),
        ({"draw": "official"}, "other protocols: not comparable", False),
        ({"draw": "official", "reranking": "k"}, "other protocols, re-ranked: not comparable", False),
        (
            {"counts": (302, 302, 298)},
            "other data (302 queries, 298 gallery images): not comparable",
            False,
        ),
        # Other images count for more than another protocol.
        (
            {"counts": (1302, 1302, 298), "distance": "euclidean", "reranking": "k"},
            "other data (1,302 queries, 298 gallery images), re-ranked: not comparable",
            False,
        ),
    ],
)
def test_a_result_goes_where_its_protocol_says(facts, title, comparable):
    assert place_of(table(ours(**facts))) == (title, comparable)


def test_groups_come_in_the_same_order_with_what_is_not_comparable_last():
    flipped = ours("f", test_time_augmentation=MIRROR, reranking="k")
    others = [ours("a", counts=(2, 2, 2)), ours("b", draw="official"), ours("c", reranking="k"), flipped]
    assert [group.title for group in table(*others).groups] == [
        "plain",
        "plain (flip at test)",
        "plain (pairwise ViT)",
        "re-ranked",
        "re-ranked (flip at test)",
        "unsupervised",
        "other protocols: not comparable",
        "other data (2 queries, 2 gallery images): not comparable",
    ]


def test_rows_are_sorted_by_year_with_ours_last_or_by_a_rate():
    [plain] = [group for group in table(ours(rank1=0.78)).groups if group.title == "plain"]
    years = [row.year for row in plain.rows]
    assert years == [*sorted(years[:-1]), None]
    for rate in ("rank1", "map"):
        plain = table(ours(rank1=0.78), sort=rate).groups[0]
        values = [row.rates[RATES.index(rate)] for row in plain.rows]
        assert values == sorted(values, reverse=True)
    by_rank1 = [row.method for row in table(ours(rank1=0.78), sort="rank1").groups[0].rows]
    assert by_rank1[:4] == ["MFEN", "MSCMNet", "mine", "PartMix"]


def test_our_rates_are_in_percent_and_marked():
    row = own_row(table(ours(rank1=0.8)))
    assert row.rates == pytest.approx((80, 95, 99, 70, 60))
    assert (row.year, row.venue, row.spread, row.runs, row.notes) == (None, "", None, 1, ())


def test_the_best_is_found_among_what_is_comparable_at_the_printed_digits():
    plain = table(ours(rank1=0.80931)).groups[0]
    assert plain.best(0, 2) == 80.93  # MFEN's 80.93 and ours share the first place
    assert plain.best(0, 3) == 80.931
    unsupervised = table().groups[-1]
    assert unsupervised.title == "unsupervised"
    assert unsupervised.best(0, 2) is None  # one row is the best of nothing


@pytest.mark.parametrize("rule", ["best on test", "not known: features from a file"])
def test_a_checkpoint_not_taken_blindly_never_is_the_best_and_says_so(rule):
    comparison = table(ours(rank1=0.9, checkpoint_rule=rule))
    assert comparison.groups[0].best(0, 2) == 80.93
    [note] = own_row(comparison).notes
    assert rule in note


def test_what_must_be_said_of_a_row_is_in_its_notes():
    facts = {"reconstruction": "losses from the abstract", "feature": "pool", "reranking": "k-reciprocal (k1=20)"}
    row = own_row(table(ours(notes=("trained on regdb",), trials=3, counts=(9, 9, 9), **facts)))
    assert row.notes == (
        "not the images of SYSU-MM01, whose all-search has 3,803 queries, 3,803 queries with a match, "
        "301 gallery images",
        "reconstruction: losses from the abstract",
        "re-ranked: k-reciprocal (k1=20)",
        "feature: pool",
        "3 galleries drawn; the published rows are means of 10",
        "trained on regdb",
    )


def test_seeds_are_averaged_with_their_spread():
    row = own_row(table(*(ours(rank1=rank1, seed=seed) for seed, rank1 in enumerate((0.7, 0.8, 0.75)))))
    assert row.rates[0] == pytest.approx(75)
    assert row.spread[0] == pytest.approx(5)  # (25 + 25 + 0) / (3 - 1) = 25
    assert (row.runs, row.notes) == (3, ("mean ± standard deviation (n - 1) of 3 runs: seeds 0, 1, 2",))
    assert row.source == "runs/mine-0, runs/mine-1, runs/mine-2"


def test_regdb_says_how_many_of_its_trials_there_are():
    def shown(count):
        results = gather([regdb(split, split / 11) for split in range(1, count + 1)])
        comparison = compare(published_results(), results, dataset="RegDB", setting="visible-to-infrared")
        return comparison.groups[0], own_row(comparison)

    for count in (1, 9):
        _, row = shown(count)
        assert row.notes[0] == f"{count} of RegDB's 10 trials; the published rows are means of all"
        assert not row.contends
    group, row = shown(10)
    assert (group.title, row.contends) == ("plain", True)
    assert row.notes == ("mean ± standard deviation (n - 1) of 10 runs: seeds 0; trials 1, 2, 3, 4, 5, 6, 7, 8, 9, 10",)
    assert row.rates[0] == pytest.approx(50)


def test_digits_are_those_of_the_published_numbers():
    assert table().digits == (2, 2, 2, 2, 2)
    assert table(setting="ablation all-search").digits == (1, 1, 1, 1, 2)
    regdb_digits = compare(published_results(), dataset="RegDB", setting="visible-to-infrared").digits
    assert regdb_digits[0] == 1
    assert regdb_digits[RATES.index("minp")] == 2


def test_our_results_of_a_search_can_stand_under_its_ablation():
    comparison = table(ours(), setting="ablation all-search")
    assert [group.title for group in comparison.groups] == ["plain", "ablation"]


def test_published_rows_can_be_chosen_and_ours_stay():
    comparison = table(ours(), methods=["AGW", "CAJ"])
    assert [[row.method for row in group.rows] for group in comparison.groups] == [["AGW", "mine"], ["CAJ"]]
    # Digits do not depend on the choice.
    assert comparison.digits == table().digits


def test_a_result_of_no_known_method_is_called_by_its_run():
    unknown = ours("run-7")
    protocol = replace(unknown.evaluation.protocol, method="not known")
    renamed = replace(unknown, evaluation=replace(unknown.evaluation, protocol=protocol))
    assert own_row(table(renamed)).method == "run-7"


def test_an_empty_table_is_refused():
    with pytest.raises(
        VireidError, match="nothing to show for SYSU-MM01, all-search: no published row there is of MMN"
    ):
        table(methods=["MMN"])
    with pytest.raises(VireidError, match="SYSU-MM01, all-search: no published row and no result"):
        compare([], dataset="SYSU-MM01", setting="all-search")
