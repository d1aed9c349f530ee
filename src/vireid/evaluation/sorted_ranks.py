"""Ranks of a few gallery images by sorting the scores of all others in pieces that stay in the processor's caches."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64

from vireid.evaluation.order import DIGIT_BITS
from vireid.evaluation.per_query import PerQuery

__all__ = ["SortedRanks"]

_LAST_PLACE = (1 << DIGIT_BITS) - 1
_ABOVE_ALL = np.iinfo(np.int64).max
_BELOW_ALL = np.iinfo(np.int64).min
_SHORT_RUN = 8


class SortedRanks:
    """Ranks of the true matches of some queries, gathered from pieces of the gallery in any order, in single precision.

    A match stands behind an image that scores higher, or as high and comes earlier in the gallery. The plain scores of
    each piece are sorted and the matches looked up among them; only rows in which another image scores exactly as a
    match does are sorted again, by score and place. An identity stands before a query's first match where its best
    image does, so ranks among distinct identities need the maximum of each alone.

    Args:
        rows: query of each true match that may be seen, ascending.
        places, scores: their place in the gallery and their score.
        queries: how many, those without a match included.
        identity_count: how many identities there are, where ranks count distinct ones, else 0.
    """

    def __init__(
        self,
        rows: Int64[np.ndarray, " m"],
        places: Int64[np.ndarray, " m"],
        scores: Float32[np.ndarray, " m"],
        *,
        queries: int,
        identity_count: int = 0,
    ) -> None:
        self._matches = np.bincount(rows, minlength=queries)
        width = max(1, int(self._matches.max()))
        # Each row ascending; the columns beyond a query's matches are higher than every image.
        self._keys = np.full((queries, width), _ABOVE_ALL)
        self._keys[rows, np.arange(len(rows)) - (np.cumsum(self._matches) - self._matches)[rows]] = _keys(
            scores, places
        )
        self._keys.sort(axis=1)
        self._scores = _scores(self._keys)
        self._scores[np.arange(width) >= self._matches[:, None]] = np.inf
        self._above = np.zeros((queries, width), dtype=np.int64)
        self._best = np.maximum(self._matches - 1, 0)
        self._seen = np.zeros((queries, identity_count), dtype=bool)

    def count(
        self,
        rows: slice,
        others: Float32[np.ndarray, "q c"],
        places: Int64[np.ndarray, " c"],
        identities: Int64[np.ndarray, " c"],
    ) -> None:
        """Count who stands before the matches of some rows in one piece of the gallery.

        Args:
            rows: of the queries.
            others: scores without NaN; minus infinity for those of the query's own identity and those that it does
                not see.
            places: of the columns in the gallery.
            identities: number of the columns' identities, ascending where ranks count distinct ones.
        """
        table, width = self._scores[rows], others.shape[1]
        ordered = np.sort(others, axis=1)
        behind = _not_above(ordered, table)
        above = width - behind
        equal = np.take_along_axis(ordered, np.maximum(behind - 1, 0), axis=1) == table
        tied = np.flatnonzero(equal.any(axis=1))
        best = np.arange(len(table)), self._best[rows]
        keys = np.empty((0, width), dtype=np.int64)
        if len(tied):
            keys = _keys(others[tied], places)
            keys[np.isneginf(others[tied])] = _BELOW_ALL
            above[tied] = width - _not_above(np.sort(keys, axis=1), self._keys[rows][tied])
        self._above[rows] += above
        if not self._seen.shape[1]:
            return
        starts = np.flatnonzero(np.diff(identities, prepend=-1))
        plain = above[best] > 0
        plain[tied] = False
        for some, values, limits in (
            (np.flatnonzero(plain), others[plain], table[best][plain]),
            (tied, keys, self._keys[rows][best][tied]),
        ):
            if len(some):
                before = _highest(values, starts) > limits[:, None]
                self._see(some + rows.start, identities[starts], before)

    def _see(self, rows: np.ndarray, identities: np.ndarray, before: np.ndarray) -> None:
        first, last = int(identities[0]), int(identities[-1]) + 1
        if last - first == len(identities):
            self._seen[rows, first:last] |= before
        else:
            self._seen[rows[:, None], identities] |= before

    def result(self) -> PerQuery:
        """What all pieces together say of each query."""
        matches = self._matches
        each = np.arange(len(matches))
        # A match's place among its query's matches, from 1 for the highest; 0 and less beyond them.
        ordinals = matches[:, None] - np.arange(self._keys.shape[1])
        ranks = np.maximum(ordinals + self._above, 1)
        valid = matches > 0
        first = 1 + self._seen.sum(axis=1) if self._seen.shape[1] else ranks[each, self._best]
        return PerQuery(
            matches=matches.astype(np.int64),
            rank=np.where(valid, first, 0),
            precision=(np.maximum(ordinals, 0) / ranks).sum(axis=1) / np.maximum(matches, 1),
            penalty=matches / ranks[:, 0],
        )


def _not_above(ordered: np.ndarray, values: np.ndarray) -> Int64[np.ndarray, "q m"]:
    """How many entries of an ascending row are not above each of some values, by halving.

    All here is left to NumPy: for steps this small PyTorch wakes all its threads, and they mostly wait.
    """
    width = ordered.shape[1]
    before_row = np.arange(len(ordered))[:, None] * width - 1
    found = np.zeros(values.shape, dtype=np.int64)
    step = 1 << (width.bit_length() - 1)
    while step:
        further = np.minimum(found + step, width)
        found = np.where(ordered.take(before_row + further) <= values, further, found)
        step >>= 1
    return found


def _highest(values: np.ndarray, starts: Int64[np.ndarray, " n"]) -> np.ndarray:
    """The maximum of each run of columns."""
    lasts = np.append(starts[1:], values.shape[1]) - 1
    longest = int((lasts - starts).max())
    if longest >= _SHORT_RUN:
        return np.maximum.reduceat(values, starts, axis=1)
    # Column by column of all runs at once, a short run's last again: reduceat spends most of its time between runs.
    highest = np.take(values, starts, axis=1)
    for step in range(1, longest + 1):
        np.maximum(highest, np.take(values, np.minimum(starts + step, lasts), axis=1), out=highest)
    return highest


def _keys(scores: Float32[np.ndarray, "..."], places: Int64[np.ndarray, " c"]) -> Int64[np.ndarray, "..."]:
    """Score and place in one integer, the earlier of two equal scores higher: see `vireid.evaluation.order`."""
    bits = (scores + np.float32(0)).view(np.int32)
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    return (bits.astype(np.int64) << DIGIT_BITS) + (_LAST_PLACE - places)


def _scores(keys: Int64[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """The score in a key."""
    bits = (keys >> DIGIT_BITS).astype(np.int32)
    return (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)
