"""The nearest gallery images of each query."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32

from vireid.types import Ranking, VireidError

__all__ = ["search"]

CHUNK = 256


def search(
    queries: Float32[np.ndarray, "q d"],
    gallery: Float32[np.ndarray, "g d"],
    *,
    top: int = 10,
) -> Ranking:
    """Rank a gallery for each query by the dot product of features of length 1; equal scores keep gallery order.

    Args:
        queries, gallery: any length; each row is brought to length 1, a zero row stays zero.
        top: results of each query; the whole gallery where it is smaller.

    Raises:
        VireidError: an empty side, features of different dimension, numbers that are not finite, or ``top`` below 1.

    >>> search(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), top=1).rows.tolist()
    [[0], [1]]
    """
    if top < 1:
        raise VireidError(f"a search returns at least 1 result a query, got top {top}")
    if not len(queries) or not len(gallery):
        raise VireidError(f"a search needs queries and a gallery, got {len(queries)} queries and {len(gallery)} images")
    if queries.shape[1] != gallery.shape[1]:
        raise VireidError(
            f"queries and gallery must come from one network, but their features have {queries.shape[1]} and "
            f"{gallery.shape[1]} numbers"
        )
    if not (np.isfinite(queries).all() and np.isfinite(gallery).all()):
        raise VireidError("every feature must be finite, but queries or gallery hold NaN or infinity")
    top = min(top, len(gallery))
    columns = _unit(gallery).T
    rows, scores = [], []
    for chunk in _unit(queries).split(CHUNK):
        # A stable sort, not topk: topk leaves the order of equal scores open.
        ordered, places = torch.sort(chunk @ columns, dim=1, descending=True, stable=True)
        rows.append(places[:, :top])
        scores.append(ordered[:, :top])
    return Ranking(rows=torch.cat(rows).numpy(), scores=torch.cat(scores).numpy())


def _unit(features: Float32[np.ndarray, "n d"]) -> torch.Tensor:
    rows = torch.tensor(np.ascontiguousarray(features))
    # Summed in double: squares of large or tiny numbers leave the range of float32.
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True, dtype=torch.float64)
    return rows.div_(length.masked_fill(length == 0, 1).float())
