"""`score` against the published implementations' figures, against the slow loop, and at its edges."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_scoring import slow_score

from vireid.evaluation import Rule, score
from vireid.types import Score, VireidError

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "metrics.npz")
RULES = ["sysu", "regdb", "llcm", "llcm-full", "folder"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rule", "features"), [("sysu", "sysu0"), ("regdb", "sysu0"), ("llcm", "llcm0")])
def test_score_equals_the_published_implementations(rule: str, features: str, dtype: type) -> None:
    result = score(
        (GOLDEN[f"{features}_qf"] @ GOLDEN[f"{features}_gf"].T).astype(dtype),
        query_ids=GOLDEN[f"{features}_qp"],
        gallery_ids=GOLDEN[f"{features}_gp"],
        query_cameras=GOLDEN[f"{features}_qc"],
        gallery_cameras=GOLDEN[f"{features}_gc"],
        rule=rule,
    )
    # The published CMC is stored in single precision.
    np.testing.assert_allclose(result.cmc, GOLDEN[f"{rule}0_cmc"], atol=1e-7)
    assert result.map == pytest.approx(float(GOLDEN[f"{rule}0_mAP"]), abs=1e-12)
    assert result.minp == pytest.approx(float(GOLDEN[f"{rule}0_mINP"]), abs=1e-12)


@st.composite
def cases(draw: st.DrawFn) -> dict:
    """Few values, so that ties, dropped images and queries without a match are common."""
    queries, gallery = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    values = st.sampled_from([-2.0, -0.5, -0.0, 0.0, 0.25, 0.5, 1e-30, 7.0, float("inf")])

    def labels(low: int, high: int, length: int) -> st.SearchStrategy:
        return st.lists(st.integers(low, high), min_size=length, max_size=length)

    return {
        "scores": draw(
            st.lists(st.lists(values, min_size=gallery, max_size=gallery), min_size=queries, max_size=queries)
        ),
        "query_ids": draw(labels(0, 3, queries)),
        "gallery_ids": draw(labels(0, 3, gallery)),
        "query_cameras": draw(labels(1, 4, queries)),
        "gallery_cameras": draw(labels(1, 4, gallery)),
        "rule": draw(st.sampled_from(RULES)),
    }


@settings(max_examples=300, deadline=None)
@given(case=cases(), kind=st.sampled_from(["float32", "float64", "torch"]))
def test_score_equals_the_slow_loop(case: dict, kind: str) -> None:
    cmc, mean_precision, mean_penalty, valid = slow_score(**case)
    labels = {name: value for name, value in case.items() if name != "scores"}
    scores = torch.tensor(case["scores"]) if kind == "torch" else np.array(case["scores"], dtype=kind)
    if not valid:
        with pytest.raises(VireidError, match="has a true match in the gallery"):
            score(scores, **labels)
        return
    result = score(scores, **labels)
    np.testing.assert_allclose(result.cmc, cmc, atol=1e-12)
    assert (result.map, result.minp) == pytest.approx((mean_precision, mean_penalty), abs=1e-12)
    assert (result.valid, result.queries, result.gallery) == (valid, len(case["query_ids"]), len(case["gallery_ids"]))


def made(rule: Rule, *, seed: int = 0, queries: int = 60, gallery: int = 80) -> dict:
    """Scores without ties and labels of a medium-sized trial."""
    random = np.random.default_rng(seed)
    return {
        "scores_qg": random.permutation(queries * gallery).reshape(queries, gallery) / np.float64(queries * gallery),
        "query_ids": random.integers(0, 9, queries),
        "gallery_ids": random.integers(0, 9, gallery),
        "query_cameras": random.choice([3, 6], queries),
        "gallery_cameras": random.choice([1, 2, 3, 4], gallery),
        "rule": rule,
    }


def same(one: Score, other: Score) -> None:
    np.testing.assert_allclose(one.cmc, other.cmc, atol=1e-12)
    assert (one.map, one.minp) == pytest.approx((other.map, other.minp), abs=1e-12)
    assert one.valid == other.valid


@pytest.mark.parametrize("rule", RULES)
def test_order_of_queries_and_of_a_gallery_without_ties_changes_nothing(rule: Rule) -> None:
    case = made(rule)
    rows, columns = np.random.default_rng(1).permutation(60), np.random.default_rng(2).permutation(80)
    moved = {
        "scores_qg": case["scores_qg"][rows][:, columns],
        "query_ids": case["query_ids"][rows],
        "query_cameras": case["query_cameras"][rows],
        "gallery_ids": case["gallery_ids"][columns],
        "gallery_cameras": case["gallery_cameras"][columns],
        "rule": rule,
    }
    same(score(**moved), score(**case))


@pytest.mark.parametrize("rule", RULES)
def test_a_rising_function_of_the_scores_changes_nothing(rule: Rule) -> None:
    case = made(rule)
    same(score(**{**case, "scores_qg": np.exp(3 * case["scores_qg"]) - 100}), score(**case))


@pytest.mark.parametrize("rule", RULES)
def test_float32_numpy_and_torch_and_float64_agree(rule: Rule) -> None:
    # 4,800 distinct multiples of 1 / 4,800 stay distinct in single precision.
    case = made(rule)
    expected = score(**case)
    for scores in (case["scores_qg"].astype(np.float32), torch.from_numpy(case["scores_qg"]).float()):
        same(score(**{**case, "scores_qg": scores}), expected)


def test_dropped_images_change_nothing() -> None:
    # Camera-2 images, also of the right person and with the best scores, are not there for a camera-3 query.
    case = made("sysu")
    keep = case["gallery_cameras"] != 2
    case["query_cameras"][:] = 3
    case["scores_qg"] = case["scores_qg"] + 5.0 * ~keep
    without = {name: case[name][keep] for name in ("gallery_ids", "gallery_cameras")}
    same(score(**case), score(**{**case, **without, "scores_qg": case["scores_qg"][:, keep]}))


def test_inputs_are_not_written() -> None:
    case = made("sysu")
    scores = case["scores_qg"].astype(np.float32)
    before = scores.copy()
    score(**{**case, "scores_qg": scores})
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize(
    ("rule", "query", "gallery", "cmc", "mean_precision", "mean_penalty", "valid"),
    [
        # one query, one gallery image: identity 0 is as good as any
        ("regdb", [(0, 1)], [(0, 1)], [1.0], 1.0, 1.0, 1),
        # equal scores keep the gallery's order: the match is second
        ("regdb", [(5, 1)], [(4, 1), (5, 1)], [0.0, 1.0], 0.5, 0.5, 1),
        ("regdb", [(5, 1)], [(5, 1), (4, 1)], [1.0, 1.0], 1.0, 1.0, 1),
        # two images of another person first: rank 3 among images, rank 2 among identities
        ("regdb", [(5, 1)], [(4, 1), (4, 2), (5, 1)], [0.0, 0.0, 1.0], 1 / 3, 1 / 3, 1),
        ("sysu", [(5, 6)], [(4, 1), (4, 2), (5, 1)], [0.0, 1.0, 1.0], 1 / 3, 1 / 3, 1),
        # camera 3 does not see camera 2, so the second query has no match left and only the first counts
        ("sysu", [(5, 6), (5, 3)], [(5, 2), (4, 1)], [1.0], 1.0, 1.0, 1),
        # camera 3 does not see another person in camera 2 either: the match moves to the first place
        ("sysu", [(5, 3)], [(4, 2), (5, 1)], [1.0], 1.0, 1.0, 1),
        # camera 2 asks, camera 3 answers: nothing is dropped, the rule is not symmetric
        ("sysu", [(5, 2)], [(5, 3)], [1.0], 1.0, 1.0, 1),
        # own camera drops only the own identity
        ("llcm", [(5, 1)], [(5, 1), (4, 1), (5, 2)], [0.0, 1.0], 0.5, 0.5, 1),
        ("llcm-full", [(5, 1)], [(5, 1), (4, 1), (5, 2)], [1.0], 5 / 6, 2 / 3, 1),
        ("folder", [(5, 1)], [(4, 2), (4, 2), (5, 1), (5, 2)], [0.0, 0.0, 1.0], 1 / 3, 1 / 3, 1),
        # people without a known identity fill the gallery and match nobody
        ("folder", [(5, 1)], [(-1, 2), (5, 2)], [0.0, 1.0], 0.5, 0.5, 1),
    ],
)
def test_edge_with_equal_scores(
    rule: Rule,
    query: list,
    gallery: list,
    cmc: list,
    mean_precision: float,
    mean_penalty: float,
    valid: int,
) -> None:
    result = score(
        np.full((len(query), len(gallery)), 0.5, dtype=np.float32),
        query_ids=[person for person, _ in query],
        gallery_ids=[person for person, _ in gallery],
        query_cameras=[camera for _, camera in query],
        gallery_cameras=[camera for _, camera in gallery],
        rule=rule,
    )
    assert result.cmc.tolist() == cmc + cmc[-1:] * (20 - len(cmc))
    assert (result.map, result.minp, result.valid) == (
        pytest.approx(mean_precision),
        pytest.approx(mean_penalty),
        valid,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"scores_qg": np.array([[0.1, np.nan]])},
            r"scores must be numbers, but that of row 0, column 1 is NaN; look for",
        ),
        ({"scores_qg": np.zeros((0, 2)), "query_ids": [], "query_cameras": []}, "got 0 queries and 2 gallery images"),
        ({"scores_qg": np.zeros((1, 0)), "gallery_ids": [], "gallery_cameras": []}, "1 queries and 0 gallery images"),
        ({"query_ids": [1, 2]}, r"query_ids must be one integer for each row of the scores, so 1, got .*\(2,\)"),
        ({"gallery_cameras": [1]}, r"gallery_cameras must be one integer for each column of the scores, so 2, got"),
        ({"query_ids": [-1]}, "a query needs a known identity"),
        ({"gallery_ids": [1, -1], "rule": "sysu"}, "'sysu' counts distinct identities.*but 1 gallery identities"),
        ({"gallery_ids": [2, 3]}, "none of the 1 queries has a true match in the gallery of 2 images"),
        ({"rule": "market"}, "the rule must be one of sysu, regdb, llcm, llcm-full, folder, got 'market'"),
    ],
)
def test_bad_input_is_refused(change: dict, message: str) -> None:
    case = {
        "scores_qg": np.zeros((1, 2)),
        "query_ids": [1],
        "gallery_ids": [1, 2],
        "query_cameras": [1],
        "gallery_cameras": [1, 1],
        "rule": "regdb",
    }
    with pytest.raises(VireidError, match=message):
        score(**{**case, **change})
