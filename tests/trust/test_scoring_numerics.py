"""Features that strain arithmetic give scores that are numbers; what is no number is refused by its row."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from vireid.evaluation import k_reciprocal, score, score_features
from vireid.figures import pair_distances
from vireid.retrieval import search
from vireid.types import Embeddings, VireidError

IDS = np.array([0, 0, 1, 1, 2, 2, 3, 3])
NORMAL = np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32)
LABELS = {"query_ids": IDS, "gallery_ids": IDS, "query_cameras": [3] * 8, "gallery_cameras": [1] * 8, "rule": "folder"}


def figures(measured) -> NDArray[np.float64]:
    return np.array([measured.map, measured.minp, *measured.cmc])


def spread(features: NDArray[np.floating]) -> NDArray[np.float64]:
    pairs = pair_distances(features, IDS, np.arange(8) % 2 == 0)
    assert ((pairs.intra >= -1e-6) & (pairs.intra <= 2 + 1e-6)).all()
    return np.array([pairs.intra_mean, pairs.inter_mean, pairs.delta, *pairs.intra, *pairs.inter])


MEASURES: dict[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]] = {
    "cosine": lambda f: figures(score_features(f, f, **LABELS)),
    "euclidean": lambda f: figures(score_features(f, f, distance="euclidean", **LABELS)),
    "search": lambda f: search(f, f, top=3).scores,
    "re-ranking": lambda f: k_reciprocal(f, f),
    "distances": spread,
}
FEATURES: dict[str, NDArray[np.floating]] = {
    "usual": NORMAL,
    "identical": np.ones((8, 6), dtype=np.float32),
    "zero vectors": np.zeros((8, 6), dtype=np.float32),
    "one zero vector": np.where(np.arange(8)[:, None] == 2, 0, NORMAL),
    "duplicates": NORMAL[:4].repeat(2, axis=0),
    "half precision at 6e4": (6e4 * np.sign(NORMAL)).astype(np.float16),
    "half precision, subnormal": np.full((8, 6), 6e-8, dtype=np.float16),
    "long": 1e18 * NORMAL,
    "short": 1e-30 * NORMAL,
    "subnormal": (1e-42 * NORMAL).astype(np.float32),
}


@pytest.fixture(autouse=True)
def no_warning_of_arithmetic() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("measure", MEASURES)
def test_scores_are_numbers(measure: str, features: str):
    assert np.isfinite(MEASURES[measure](FEATURES[features])).all()


@pytest.mark.parametrize("measure", ["cosine", "search", "distances"])
def test_the_ends_of_single_precision_are_numbers_where_only_directions_count(measure: str):
    assert np.isfinite(MEASURES[measure]((3e38 * np.sign(NORMAL)).astype(np.float32))).all()


@pytest.mark.parametrize("measure", ["euclidean", "re-ranking"])
def test_features_whose_squares_leave_single_precision_are_refused_by_their_row(measure: str):
    features = NORMAL.copy()
    features[5] = 1e19
    with pytest.raises(VireidError, match=r"but row 5 of the query features is longer than 4\.6e\+18"):
        MEASURES[measure](features)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("compare", "sides"),
    [
        (lambda q, g: score_features(q, g, **LABELS), ("query features", "gallery features")),
        (lambda q, g: score_features(q, g, distance="euclidean", **LABELS), ("query features", "gallery features")),
        (lambda q, g: k_reciprocal(q, g), ("query features", "gallery features")),
        (lambda q, g: search(q, g), ("queries", "gallery")),
    ],
    ids=["cosine", "euclidean", "re-ranking", "search"],
)
def test_what_is_no_number_is_refused_by_its_row(compare, sides, side: int, bad: float):
    pair = [NORMAL.copy(), NORMAL.copy()]
    pair[side][6, 2] = bad
    with pytest.raises(VireidError, match=f"row 6 of the {sides[side]} holds NaN or infinity; embed that image again"):
        compare(*pair)


def test_features_of_a_file_are_refused_by_the_path_of_their_image(tmp_path):
    features = NORMAL.copy()
    features[3, 1] = np.inf
    np.savez(tmp_path / "bad.npz", features=features, paths=np.array([f"night/{n}.png" for n in range(8)]))
    with pytest.raises(VireidError, match=r"1 of 8 rows hold NaN or infinity, the first for 'night/3\.png'"):
        Embeddings.load(tmp_path / "bad.npz")
    # What half precision overflowed to is found as well; 1e39 is a number in double precision only.
    np.savez(tmp_path / "bad.npz", features=NORMAL.astype(float) * 1e39, paths=np.array([str(n) for n in range(8)]))
    with pytest.raises(VireidError, match="8 of 8 rows hold NaN or infinity, the first for '0'"):
        Embeddings.load(tmp_path / "bad.npz")


@pytest.mark.parametrize("rule", ["sysu", "regdb", "llcm", "llcm-full", "folder"])
def test_one_identity_is_found_first(rule: str):
    one = np.zeros(8, dtype=int)
    found = score(
        NORMAL @ NORMAL.T,
        query_ids=one,
        gallery_ids=one,
        query_cameras=[6] * 8,
        gallery_cameras=[1] * 8,
        rule=rule,
    )
    assert (found.cmc[0], found.map, found.minp) == (1, 1, 1)


@pytest.mark.parametrize("rule", ["llcm", "folder"])
def test_one_camera_leaves_no_match_where_ones_own_camera_is_hidden(rule: str):
    with pytest.raises(VireidError, match="none of the 8 queries has a true match"):
        score_features(NORMAL, NORMAL, **(LABELS | {"query_cameras": [1] * 8, "rule": rule}))


@pytest.mark.parametrize("rule", ["sysu", "regdb", "llcm-full"])
def test_one_camera_is_scored_where_none_is_hidden(rule: str):
    found = score_features(NORMAL, NORMAL, **(LABELS | {"query_cameras": [1] * 8, "rule": rule}))
    assert found.cmc[0] == 1
    assert found.valid == 8
