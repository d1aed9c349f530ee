"""How features become scores: against float64, on the device that was asked for, without a change to what came."""

import numpy as np
import pytest
import torch

from vireid.evaluation.similarity import Similarity, normalise, prepare, squared_distance

RANDOM = np.random.default_rng(4)
QUERY, GALLERY = (RANDOM.standard_normal((rows, 5)).astype(np.float32) for rows in (7, 150))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_scores_order_the_gallery_as_the_distances_do(distance: str) -> None:
    query, gallery = prepare(QUERY, distance), prepare(GALLERY, distance)
    found = Similarity(query, gallery, distance)(slice(2, 6), slice(30, 110)).numpy()
    one, other = QUERY[2:6].astype(np.float64), GALLERY[30:110].astype(np.float64)
    if distance == "cosine":
        one, other = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other))
        expected = one @ other.T
    else:
        apart = ((one[:, None] - other) ** 2).sum(axis=2)
        expected = ((one**2).sum(axis=1)[:, None] - apart) / 2
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_rows_are_chosen_in_their_order() -> None:
    rows = np.random.default_rng(0).permutation(150)[:131]
    for distance in ("cosine", "euclidean"):
        np.testing.assert_array_equal(prepare(GALLERY, distance, rows), prepare(GALLERY, distance)[rows])


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_both_sides_are_on_the_device(distance: str) -> None:
    compare = Similarity(QUERY, GALLERY, distance, "meta")
    scores = compare(slice(0, 7), slice(0, 9))
    assert (scores.device.type, scores.shape, scores.dtype) == ("meta", (7, 9), torch.float32)


def test_double_features_are_compared_in_single_precision() -> None:
    assert normalise(GALLERY.astype(np.float64)).dtype == np.float32
    assert prepare(GALLERY.astype(np.float64), "euclidean").dtype == np.float32


def test_nothing_that_came_is_written() -> None:
    query, gallery = QUERY.copy(), GALLERY.copy()
    prepare(gallery, "cosine")
    Similarity(query, gallery, "euclidean")(slice(0, 7), slice(0, 150))
    squared_distance(query, gallery)
    np.testing.assert_array_equal(query, QUERY)
    np.testing.assert_array_equal(gallery, GALLERY)


def test_squared_distances_are_those_of_the_loop_and_never_negative() -> None:
    expected = [[float(((one - other) ** 2).sum()) for other in GALLERY.astype(float)] for one in QUERY.astype(float)]
    np.testing.assert_allclose(squared_distance(QUERY, GALLERY), expected, atol=1e-5)
    far = 1000 * GALLERY
    assert (squared_distance(far, far) >= 0).all()
    assert (np.diag(squared_distance(far, far)) < 10).all()
