"""How alike two images are: a score from their features, higher for more alike."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from vireid.evaluation.protocol import Distance
from vireid.types import VireidError

__all__ = ["normalise", "prepare", "similarity", "squared_distance"]


def normalise(features: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Rows of unit length, ``x / |x|``; a row of zeros stays zero.

    >>> normalise(np.float32([[3, 4], [0, 0]]))
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    # The largest entry first: squares of very large or very small numbers leave the range of the type.
    largest = np.abs(features).max(axis=1, keepdims=True, initial=0)
    scaled = features / np.where(largest > 0, largest, 1)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return (scaled / np.where(length > 0, length, 1)).astype(np.float32, copy=False)


def prepare(features: Float[np.ndarray, "n d"], distance: Distance | str) -> Float32[np.ndarray, "n d"]:
    """What `similarity` compares: rows of unit length for ``cosine``, the features as given for ``euclidean``.

    Raises:
        VireidError: another distance.
    """
    if distance == "cosine":
        return normalise(features)
    if distance == "euclidean":
        return features.astype(np.float32, copy=False)
    raise VireidError(f"the distance must be 'cosine' or 'euclidean', got {distance!r}")


def similarity(
    query: Float32[np.ndarray, "q d"], gallery: Float32[np.ndarray, "g d"], distance: Distance | str
) -> Float32[np.ndarray, "q g"]:
    """Scores of prepared features: ``q . g`` for ``cosine``, ``q . g - |g|^2 / 2`` for ``euclidean``.

    The latter is ``(|q|^2 - |q - g|^2) / 2``: it ranks a gallery as Euclidean distance does and loses fewer digits.

    >>> similarity(np.float32([[1, 0]]), np.float32([[0, 2], [3, 0]]), "euclidean")
    array([[-2. , -1.5]], dtype=float32)
    """
    scores = query @ gallery.T
    if distance == "euclidean":
        scores -= np.einsum("nd,nd->n", gallery, gallery) / 2
    return scores


def squared_distance(
    query: Float32[np.ndarray, "q d"], gallery: Float32[np.ndarray, "g d"]
) -> Float32[np.ndarray, "q g"]:
    """Squared Euclidean distances ``|q - g|^2``, never negative.

    >>> squared_distance(np.float32([[1, 0]]), np.float32([[0, 2], [3, 0]]))
    array([[5., 4.]], dtype=float32)
    """
    distances = query @ gallery.T
    distances *= -2
    distances += np.einsum("nd,nd->n", query, query)[:, None]
    distances += np.einsum("nd,nd->n", gallery, gallery)
    return np.maximum(distances, 0, out=distances)
