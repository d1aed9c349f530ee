"""How alike two images are: a score from their features, higher for more alike."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from vireid.evaluation.protocol import Distance
from vireid.types import VireidError

__all__ = ["Similarity", "normalise", "prepare", "squared_distance"]

_ROWS = 64
"""More leave the caches."""


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


def prepare(
    features: Float[np.ndarray, "n d"], distance: Distance | str, rows: Int64[np.ndarray, " k"] | None = None
) -> Float32[np.ndarray, "k d"]:
    """A copy to compare: rows of unit length for ``cosine``, the features as given for ``euclidean``.

    Args:
        features: any length.
        distance: ``cosine`` or ``euclidean``.
        rows: which of them, in which order; all by default.

    Raises:
        VireidError: another distance.
    """
    if distance not in ("cosine", "euclidean"):
        raise VireidError(f"the distance must be 'cosine' or 'euclidean', got {distance!r}")
    prepared = np.empty((len(features) if rows is None else len(rows), features.shape[1]), dtype=np.float32)
    # Piece by piece, so that no second copy of a large gallery is held on the way.
    for start in range(0, len(prepared), _ROWS):
        part = slice(start, start + _ROWS)
        chosen = features[part] if rows is None else features[rows[part]]
        prepared[part] = normalise(chosen) if distance == "cosine" else chosen
    return prepared


class Similarity:
    """Scores of prepared features: ``q . g`` for ``cosine``, ``q . g - |g|^2 / 2`` for ``euclidean``.

    The latter is ``(|q|^2 - |q - g|^2) / 2``: it ranks a gallery as Euclidean distance does and loses fewer digits.

    >>> features = np.float32([[1, 0]]), np.float32([[0, 2], [3, 0]])
    >>> Similarity(*features, "euclidean")(slice(None), slice(None))
    tensor([[-2.0000, -1.5000]])
    """

    def __init__(
        self,
        query: Float32[np.ndarray, "q d"],
        gallery: Float32[np.ndarray, "g d"],
        distance: Distance | str,
        device: torch.device | str = "cpu",
    ) -> None:
        self._query = torch.from_numpy(query).to(device)
        self._gallery = torch.from_numpy(gallery).to(device)
        self._half_squares = None
        if distance == "euclidean":
            self._half_squares = torch.from_numpy(np.einsum("nd,nd->n", gallery, gallery) / 2).to(device)

    def __call__(self, rows: slice, columns: slice) -> Float32[torch.Tensor, "r c"]:
        """Scores of some queries against some of the gallery."""
        scores = self._query[rows] @ self._gallery[columns].T
        if self._half_squares is not None:
            scores -= self._half_squares[columns]
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
