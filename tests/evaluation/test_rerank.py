"""k-reciprocal re-ranking against a dense, slow transcription of the paper and of its released code's choices."""

import numpy as np
import pytest

from vireid.evaluation import k_reciprocal
from vireid.types import VireidError


def slow_k_reciprocal(query: np.ndarray, gallery: np.ndarray, *, k1: int, k2: int, weight: float) -> np.ndarray:
    features = np.concatenate([query, gallery]).astype(np.float64)
    total = len(features)
    distance = np.array([[((one - other) ** 2).sum() for other in features] for one in features])
    distance = np.array([row / (row.max() or 1) for row in distance])
    ranking = [
        [
            image,
            *sorted((other for other in range(total) if other != image), key=lambda o, i=image: (distance[i][o], o)),
        ]
        for image in range(total)
    ]

    def reciprocal(image: int, k: int) -> set[int]:
        return {other for other in ranking[image][: k + 1] if image in ranking[other][: k + 1]}

    encoding = np.zeros((total, total))
    for image in range(total):
        core = reciprocal(image, k1)
        wide = set(core)
        for member in core:  # the widened set R*
            narrow = reciprocal(member, round(k1 / 2))
            if len(core & narrow) > 2 / 3 * len(narrow):
                wide |= narrow
        for other in wide:  # V
            encoding[image, other] = np.exp(-distance[image, other])
        encoding[image] /= encoding[image].sum()
    expanded = np.array(
        [np.mean([encoding[other] for other in row[:k2]], axis=0) for row in ranking]
    )  # local query expansion
    scores = np.empty((len(query), len(gallery)))
    for q in range(len(query)):
        for g in range(len(gallery)):
            one, other = expanded[q], expanded[len(query) + g]
            jaccard = 1 - np.minimum(one, other).sum() / np.maximum(one, other).sum()
            scores[q, g] = -((1 - weight) * jaccard + weight * distance[q, len(query) + g])
    return scores


def clusters(seed: int, queries: int = 9, gallery: int = 26, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((5, width))
    features = centres[random.integers(0, 5, queries + gallery)] + 0.6 * random.standard_normal(
        (queries + gallery, width)
    )
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    return features[:queries], features[queries:]


@pytest.mark.parametrize(
    ("k1", "k2", "weight"),
    [
        (6, 3, 0.3),
        (5, 1, 0.3),  # no query expansion, and half of k1 is rounded to even
        (3, 8, 0.0),  # k2 beyond k1
        (20, 6, 0.3),  # the published parameters
        (60, 60, 0.5),  # more neighbours than images
        (1, 1, 1.0),  # the least of each, and the most
    ],
)
def test_chunked_equals_the_slow_transcription(k1: int, k2: int, weight: float) -> None:
    for seed in range(3):
        query, gallery = clusters(seed)
        found = k_reciprocal(query, gallery, k1=k1, k2=k2, weight=weight)
        np.testing.assert_allclose(
            found, slow_k_reciprocal(query, gallery, k1=k1, k2=k2, weight=weight), atol=2e-6, err_msg=f"seed {seed}"
        )


def test_twins_and_zero_vectors_equal_the_slow_transcription() -> None:
    # Small whole numbers: distances are exact, so ties are ties in both.
    random = np.random.default_rng(0)
    features = random.integers(-1, 2, (24, 3)).astype(np.float32)
    features[3] = 0
    found = k_reciprocal(features[:6], features[6:], k1=4, k2=2, weight=0.3)
    np.testing.assert_allclose(found, slow_k_reciprocal(features[:6], features[6:], k1=4, k2=2, weight=0.3), atol=2e-6)


def test_chunk_size_changes_nothing() -> None:
    query, gallery = clusters(7)
    whole = k_reciprocal(query, gallery, k1=6, k2=3, chunk=1000)
    for chunk in (1, 4, 35):
        np.testing.assert_allclose(k_reciprocal(query, gallery, k1=6, k2=3, chunk=chunk), whole, atol=1e-6)


def test_weight_one_is_the_plain_order() -> None:
    query, gallery = clusters(2)
    found = k_reciprocal(query, gallery, weight=1.0)
    np.testing.assert_array_equal(found.argsort(axis=1), (query @ gallery.T).argsort(axis=1))


def test_one_query_and_one_image_that_are_the_same() -> None:
    one = np.ones((1, 4), dtype=np.float32)
    assert k_reciprocal(one, one).tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("shapes", "keywords", "message"),
    [
        (((0, 4), (3, 4)), {}, "at least one query and one gallery image"),
        (((2, 4), (3, 5)), {}, r"of equal width, got \(2, 4\) and \(3, 5\)"),
        (((2, 4), (3, 4)), {"k1": 0}, "k1=0"),
        (((2, 4), (0, 4)), {}, r"at least one query and one gallery image.*got \(2, 4\) and \(0, 4\)"),
        (((2, 4), (3, 4)), {"k2": 0}, "k2=0"),
        (((2, 4), (3, 4)), {"chunk": 0}, "chunk=0"),
        (((2, 4), (3, 4)), {"weight": 1.5}, r"a weight in \[0, 1\].*weight=1.5"),
        (((2, 4), (3, 4)), {"weight": -0.1}, r"a weight in \[0, 1\].*weight=-0.1"),
    ],
)
def test_bad_input_is_refused(shapes: tuple, keywords: dict, message: str) -> None:
    query, gallery = (np.ones(shape, dtype=np.float32) for shape in shapes)
    # The shape check of the annotations would speak first, so a mismatch is only reachable through plain Python.
    call = getattr(k_reciprocal, "__wrapped__", k_reciprocal)
    with pytest.raises(VireidError, match=message):
        call(query, gallery, **keywords)


def test_the_published_parameters_are_the_default_and_inputs_are_not_written() -> None:
    query, gallery = clusters(3, queries=8, gallery=60)
    before = query.copy(), gallery.copy()
    found = k_reciprocal(query, gallery)
    np.testing.assert_allclose(found, slow_k_reciprocal(query, gallery, k1=20, k2=6, weight=0.3), atol=2e-6)
    for kept, one in zip(before, (query, gallery)):
        np.testing.assert_array_equal(one, kept)
