"""Sort keys of scores in which no two images of a row are equal, so that every sort gives the same order."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int64

__all__ = ["LOWEST_KEY", "descending_keys"]

LOWEST_KEY = np.iinfo(np.int64).min
"""Lower than every key: what a dropped image gets."""

_INDEX_BITS = 30


def descending_keys(
    scores: Float[np.ndarray, "q g"], places: Int[np.ndarray, " g"] | None = None
) -> Int64[np.ndarray, "q g"]:
    """Even integers that order each row as its scores do, where of two equal scores the earlier place counts as higher.

    Plain integers without ties need no stable sort and no array of indices beside them, and the lowest bit is left free
    for a flag that travels through the sort. Single precision packs into one integer (the bits of an IEEE number,
    read as an integer, rise with the number); double precision is ranked first.

    Args:
        scores: any float type, no NaN.
        places: place of each column in the gallery's own order; by default the columns stand in that order.

    >>> descending_keys(np.float32([[0.5, 0.9, 0.5]])).argsort()[:, ::-1]
    array([[1, 0, 2]])
    """
    count = scores.shape[1]
    places = np.arange(count) if places is None else places
    later_is_lower = (count - 1 - places).astype(np.int64) << 1
    if scores.dtype == np.float64:
        by_place = np.argsort(places)
        order = by_place[np.argsort(-scores[:, by_place], axis=1, kind="stable")]
        keys = np.empty(scores.shape, dtype=np.int64)
        np.put_along_axis(keys, order, np.arange(count)[None, ::-1] << 1, axis=1)
        return keys
    # Adding zero makes -0.0 equal to 0.0, as it is for every comparison.
    bits = (scores.astype(np.float32, copy=False) + np.float32(0)).view(np.int32)
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    keys = bits.astype(np.int64)
    keys <<= _INDEX_BITS + 1
    keys |= later_is_lower
    return keys
