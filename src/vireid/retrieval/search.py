"""The nearest gallery images of each query."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from vireid.evaluation.chunks import MEMORY, check_memory
from vireid.evaluation.order import DIGIT_BITS, digits
from vireid.evaluation.real_numbers import require_finite
from vireid.evaluation.similarity import Similarity, prepare
from vireid.types import Ranking, VireidError

__all__ = ["search"]

_QUERIES = 256
_BYTES_OF_A_CELL = 48


def search(
    queries: Float[np.ndarray, "q d"],
    gallery: Float[np.ndarray, "g d"],
    *,
    top: int = 10,
    memory: int = MEMORY,
    device: torch.device | str = "cpu",
) -> Ranking:
    """Rank a gallery for each query by the dot product of features of length 1; equal scores keep gallery order.

    The scores are sums in single precision: their last digit may depend on the device and, with ``memory``, on the
    size of a block.

    Args:
        queries, gallery: floats of any kind, compared in single precision; each row is brought to length 1, a
            zero row stays zero.
        top: results of each query; the whole gallery where it is smaller.
        memory: bytes of work space, at least 1 MiB, beside the features, one copy of them and the answer.
        device: where to compute; the copy of the features is held there.

    Raises:
        VireidError: a side that is empty or no table of real numbers, features of different dimension, numbers that
            are not finite, ``top`` that is no whole number from 1, or too little memory.

    >>> search(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), top=1).rows.tolist()
    [[0], [1]]
    """
    if not isinstance(top, int | np.integer) or top < 1:
        raise VireidError(f"a search returns at least 1 result a query, got top {top!r}")
    check_memory(memory)
    queries, gallery = _real(queries, "queries"), _real(gallery, "gallery")
    if not len(queries) or not len(gallery):
        raise VireidError(f"a search needs queries and a gallery, got {len(queries)} queries and {len(gallery)} images")
    if queries.shape[1] != gallery.shape[1]:
        raise VireidError(
            f"queries and gallery must come from one network, but their features have {queries.shape[1]} and "
            f"{gallery.shape[1]} numbers"
        )
    require_finite(queries, "queries")
    require_finite(gallery, "gallery")
    top = min(top, len(gallery))
    compare = Similarity(prepare(queries, "cosine"), prepare(gallery, "cosine"), "cosine", device)
    cells = memory // _BYTES_OF_A_CELL
    # Each block is merged with the best so far, so rather fewer queries than blocks narrower than the answer.
    at_once = max(1, min(_QUERIES, len(queries), cells // (2 * top)))
    width = max(top, cells // at_once - top)
    ranking = Ranking(
        rows=np.empty((len(queries), top), dtype=np.int64), scores=np.empty((len(queries), top), dtype=np.float32)
    )
    for first in range(0, len(queries), at_once):
        rows = slice(first, min(first + at_once, len(queries)))
        keys = torch.empty((rows.stop - rows.start, 0), dtype=torch.int64, device=device)
        for start in range(0, len(gallery), width):
            columns = slice(start, min(start + width, len(gallery)))
            block = torch.cat([keys, _keys(compare(rows, columns), start)], dim=1)
            keys = block.topk(min(top, block.shape[1]), dim=1).values
        places, scores = _from_keys(keys)
        ranking.rows[rows], ranking.scores[rows] = places.cpu().numpy(), scores.cpu().numpy()
    return ranking


def _keys(scores: Float32[Tensor, "q c"], start: int) -> Int64[Tensor, "q c"]:
    """Score and place in one integer, no two alike: of equal numbers `topk` returns any, in any order."""
    [score_digits] = digits(scores.view(-1))
    places = torch.arange(start, start + scores.shape[1], device=scores.device)
    keys = (score_digits - (1 << (DIGIT_BITS - 1))) << DIGIT_BITS
    return keys.view_as(scores).add_((1 << DIGIT_BITS) - 1 - places)


def _from_keys(keys: Int64[Tensor, "q k"]) -> tuple[Int64[Tensor, "q k"], Float32[Tensor, "q k"]]:
    places = (1 << DIGIT_BITS) - 1 - (keys & 0xFFFFFFFF)
    bits = (keys >> DIGIT_BITS).int()
    return places, (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _real(features: object, name: str) -> Float[np.ndarray, "n d"]:
    if not isinstance(features, np.ndarray):
        raise VireidError(f"features are searched as NumPy arrays, got {name} of type {type(features).__name__}")
    if features.ndim != 2 or features.dtype.kind not in "fiu":
        raise VireidError(
            f"features must be real numbers, one row an image, got {name} {features.dtype} of shape {features.shape}"
        )
    # Lengths must not be taken in half precision.
    return features.astype(np.float32) if features.dtype.itemsize < 4 or features.dtype.kind != "f" else features
