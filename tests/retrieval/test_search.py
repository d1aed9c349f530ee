import importlib
import time

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vireid.retrieval import search
from vireid.types import VireidError


def features(count: int, dimension: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


def slow_search(queries: np.ndarray, gallery: np.ndarray, top: int) -> tuple[list[list[int]], list[list[float]]]:
    rows, scores = [], []
    for query in queries.astype(float):
        found = []
        for row, image in enumerate(gallery.astype(float)):
            length = float(np.sqrt((query**2).sum()) * np.sqrt((image**2).sum()))
            found.append((-float(query @ image) / length, row))
        best = sorted(found)[:top]
        rows.append([row for _, row in best])
        scores.append([-score for score, _ in best])
    return rows, scores


@settings(max_examples=30, deadline=None)
@given(queries=st.integers(1, 6), gallery=st.integers(1, 30), top=st.integers(1, 40), seed=st.integers(0, 999))
def test_search_equals_the_sorted_cosines(queries, gallery, top, seed):
    asked, there = features(queries, seed=seed), features(gallery, seed=seed + 1000)
    ranking = search(asked, there, top=top)
    rows, scores = slow_search(asked, there, top)
    assert ranking.rows.tolist() == rows
    np.testing.assert_allclose(ranking.scores, scores, atol=1e-5)
    assert ranking.rows.shape == (queries, min(top, gallery))


def test_more_queries_than_a_chunk_are_the_same_as_one_at_a_time():
    asked, there = features(600), features(50, seed=1)
    whole = search(asked, there, top=5)
    for number in (0, 255, 256, 257, 511, 512, 599):
        assert np.array_equal(whole.rows[number], search(asked[number : number + 1], there, top=5).rows[0])


def test_equal_scores_keep_the_order_of_the_gallery():
    there = np.repeat(features(2), [40, 40], axis=0)[np.random.default_rng(0).permutation(80)]
    ranking = search(there[:1], there, top=80)
    same = np.flatnonzero((there == there[0]).all(axis=1))
    assert ranking.rows[0].tolist() == [*same, *np.setdiff1d(np.arange(80), same)]


@settings(max_examples=60, deadline=None)
@given(
    cells=st.integers(1, 400),
    queries=st.integers(1, 9),
    gallery=st.integers(1, 60),
    top=st.integers(1, 70),
    seed=st.integers(0, 99),
)
def test_pieces_of_the_gallery_change_nothing_where_scores_are_equal(cells, queries, gallery, top, seed):
    # Products of these are exact in any order of summing, and take five values.
    random = np.random.default_rng(seed)
    asked, there = (random.choice(np.float32([-0.5, 0.5]), (count, 4)) for count in (queries, gallery))
    with pytest.MonkeyPatch.context() as patch:
        # The room's function of this name hides the module.
        patch.setattr(importlib.import_module("vireid.retrieval.search"), "_BYTES_OF_A_CELL", (1 << 20) // cells)
        ranking = search(asked, there, top=top, memory=1 << 20)
    rows, scores = slow_search(asked, there, top)
    assert ranking.rows.tolist() == rows
    assert ranking.scores.tolist() == scores


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_device_changes_nothing():
    random = np.random.default_rng(0)
    asked, there = (random.choice(np.float32([-0.5, 0.5]), (count, 4)) for count in (20, 3000))
    found, expected = search(asked, there, top=50, device="cuda", memory=1 << 20), search(asked, there, top=50)
    assert np.array_equal(found.rows, expected.rows)
    assert np.array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("length", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_length_does_not_matter(length):
    asked, there = features(3), features(20, seed=1)
    scaled = search(asked * np.float32(length), there * np.float32(length), top=20)
    plain = search(asked, there, top=20)
    assert np.array_equal(scaled.rows, plain.rows)
    np.testing.assert_allclose(scaled.scores, plain.scores, atol=1e-5)


def test_a_zero_row_is_like_nothing():
    there = features(3)
    there[1] = 0
    ranking = search(there[:1], there, top=3)
    assert ranking.rows[0, 0] == 0
    assert ranking.scores[0][ranking.rows[0] == 1] == 0


def test_inputs_are_not_written_and_may_be_views():
    asked, there = features(6), features(8, seed=1)
    asked.flags.writeable = False
    before = there.copy()
    search(asked, there[::-1], top=3)
    assert np.array_equal(there, before)
    assert np.array_equal(search(asked[::2], there).rows, search(asked[::2].copy(), there).rows)


NAN = features(3)
NAN[1, 2] = np.nan


@pytest.mark.parametrize(
    ("queries", "gallery", "top", "message"),
    [
        (features(2), features(0), 5, "needs queries and a gallery, got 2 queries and 0 images"),
        (features(0), features(2), 5, "needs queries and a gallery, got 0 queries and 2 images"),
        (NAN, features(2), 5, "every feature must be finite"),
        (features(2), NAN, 5, "every feature must be finite"),
        (features(2), features(2), 0, "returns at least 1 result a query, got top 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(queries, gallery, top, message):
    with pytest.raises(VireidError, match=message):
        search(queries, gallery, top=top)


def test_features_of_two_networks_are_refused(monkeypatch):
    # As it runs for a user, without the shape checks of the tests, which would speak first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match="must come from one network, but their features have 4 and 5 numbers"):
        search(features(2), features(2, 5))


@pytest.mark.parametrize(
    ("queries", "top", "message"),
    [
        ([[1.0, 0.0]], 1, "searched as NumPy arrays, got queries of type list"),
        (torch.zeros(1, 4), 1, "searched as NumPy arrays, got queries of type Tensor"),
        (features(1)[0], 1, r"one row an image, got queries float32 of shape \(4,\)"),
        (features(1).astype(complex), 1, "must be real numbers, one row an image, got queries complex128"),
        (np.array([["a", "b", "c", "d"]]), 1, "must be real numbers, one row an image, got queries <U1"),
        (features(1), 2.5, "at least 1 result a query, got top 2.5"),
        (features(1), "3", "at least 1 result a query, got top '3'"),
    ],
)
def test_odd_types_are_refused(queries, top, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match=message):
        search(queries, features(3), top=top)


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_any_real_numbers_are_searched(kind):
    there = np.array([[3, 4], [0, 1], [1, 0], [-2, 1]], dtype=kind)
    ranking = search(there, there, top=4)
    assert ranking.rows.tolist() == slow_search(there, there, 4)[0]
    np.testing.assert_allclose(ranking.scores, slow_search(there, there, 4)[1], atol=1e-6)


def test_too_little_memory_is_refused():
    with pytest.raises(VireidError, match=r"must be at least 1048576 \(1 MiB\), got 1000"):
        search(features(2), features(2), memory=1000)


def test_an_answer_of_nearly_the_whole_gallery_takes_no_longer_than_its_size():
    """Just beyond what the work space holds, blocks must not shrink to one image."""
    random = np.random.default_rng(0)
    gallery, queries = (random.normal(size=(count, 2)).astype(np.float32) for count in (22_500, 1))
    began = time.process_time()
    small = search(queries, gallery, top=22_000, memory=1 << 20)
    assert time.process_time() - began < 3
    whole = search(queries, gallery, top=22_000)
    assert np.array_equal(small.rows, whole.rows)
