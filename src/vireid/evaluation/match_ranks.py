"""Ranks of a few gallery images by counting who stands before them: the gallery is never sorted."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vireid.evaluation.order import DIGIT_BITS, digits
from vireid.evaluation.per_query import PerQuery

__all__ = ["MatchRanks"]


class MatchRanks:
    """Ranks of the true matches of some queries, gathered from pieces of the gallery in any order.

    A match stands behind an image that scores higher, or as high and comes earlier in the gallery. All matches of all
    queries lie in one sorted table; each image that reaches its query's lowest match is looked up there, and a
    running sum over the table turns the tally into ranks. Images below the lowest match are only compared once.

    Args:
        rows, places, scores: query, place in the gallery and score of each true match that may be seen, in any order.
        queries: how many, those without a match included.
        identities: number of each gallery image's identity among all, where ranks count distinct identities.
        identity_count: how many identities there are.
    """

    def __init__(
        self,
        rows: Int64[np.ndarray, " m"],
        places: Int64[np.ndarray, " m"],
        scores: Float[Tensor, " m"],
        *,
        queries: int,
        identities: Int64[Tensor, " g"] | None = None,
        identity_count: int = 0,
    ) -> None:
        device = scores.device
        order = np.lexsort((-places, scores.cpu().numpy(), rows))
        self._rows = rows[order]
        self._matches = np.bincount(rows, minlength=queries)
        ends = np.cumsum(self._matches)
        # A sentinel below all scores opens each query's part of the table, so that nothing falls between two queries.
        self._entries = np.arange(len(order)) + self._rows + 1
        size = len(order) + queries
        table_rows = np.repeat(np.arange(queries), self._matches + 1)
        self._last = torch.from_numpy(ends + np.arange(queries)).to(device)
        ordered = scores[torch.from_numpy(order).to(device)]
        reversed_places = torch.from_numpy(_last_place() - places[order]).to(device)
        self._levels: list[tuple[Tensor, Tensor]] = []
        groups = torch.from_numpy(table_rows).to(device)
        entries = torch.from_numpy(self._entries).to(device)
        for digit in [*digits(ordered), reversed_places]:
            keys = (groups << DIGIT_BITS).index_add(0, entries, digit)
            groups = torch.cat([keys.new_zeros(1), (keys[1:] != keys[:-1]).long().cumsum(0)])
            # One key above all, which a search beyond the others finds.
            self._levels.append((torch.cat([keys, keys.new_full((1,), torch.iinfo(keys.dtype).max)]), groups))
        # NaN is reached by no score.
        self._lowest = scores.new_full((queries,), torch.nan)
        some = np.flatnonzero(self._matches)
        lowest = torch.from_numpy((ends - self._matches)[some]).to(device)
        self._lowest[torch.from_numpy(some).to(device)] = ordered[lowest]
        self._tally = torch.zeros(size, dtype=torch.int64, device=device)
        self._identities = identities
        self._seen = torch.zeros((queries, identity_count), dtype=torch.bool, device=device)

    def count(
        self,
        scores: Float[Tensor, "q c"],
        places: Int64[Tensor, " c"],
        *,
        apart: tuple[Int64[Tensor, " k"], Int64[Tensor, " k"]],
        hidden: tuple[Bool[Tensor, " q"], Bool[Tensor, " c"]] | None = None,
        cells: int,
    ) -> None:
        """Tally the images of one piece of the gallery.

        Args:
            scores: contiguous, without NaN.
            places: of the columns in the gallery.
            apart: rows and columns of all images of the query's own identity, who are not tallied.
            hidden: rows that do not see some columns, and these columns.
            cells: how many cells of ``scores`` to look up at once.
        """
        reached = scores >= self._lowest[:, None]
        reached[apart] = False
        if hidden is not None:
            reached &= (~hidden[0])[:, None] | ~hidden[1]
        width = scores.shape[1]
        flat_scores, flat_reached = scores.view(-1), reached.view(-1)
        for start in range(0, len(flat_reached), cells):
            found = flat_reached[start : start + cells].nonzero().squeeze(1).add_(start)
            if not len(found):
                continue
            rows = found // width
            beaten = self._look_up(rows, flat_scores[found], found, places, width)
            self._tally += torch.bincount(beaten, minlength=len(self._tally))
            if self._identities is not None:
                first = beaten == self._last[rows]
                self._seen[rows[first], self._identities[places[found[first] % width]]] = True

    def _look_up(
        self,
        rows: Int64[Tensor, " n"],
        scores: Float[Tensor, " n"],
        found: Int64[Tensor, " n"],
        places: Int64[Tensor, " c"],
        width: int,
    ) -> Int64[Tensor, " n"]:
        """The highest entry of the table that each image stands before: the sentinel where it is no match at all."""
        score_digits = digits(scores)
        (keys, groups), *finer = self._levels
        wanted = (rows << DIGIT_BITS) + score_digits[0]
        position = torch.searchsorted(keys, wanted)
        # Only those whose digits so far equal a match's need their next digit, and last their place in the gallery.
        undecided = torch.nonzero(keys[position] == wanted).squeeze(1)
        for level, (finer_keys, finer_groups) in enumerate(finer, start=1):
            if not len(undecided):
                break
            if level < len(score_digits):
                digit = score_digits[level][undecided]
            else:
                digit = _last_place() - places[found[undecided] % width]
            wanted = (groups[position[undecided]] << DIGIT_BITS) + digit
            keys, groups = finer_keys, finer_groups
            at = torch.searchsorted(keys, wanted)
            position[undecided] = at
            undecided = undecided[keys[at] == wanted]
        return position - 1

    def result(self) -> PerQuery:
        """What all pieces together say of each query."""
        queries = len(self._matches)
        rows, matches = self._rows, self._matches
        tally = self._tally.cpu().numpy()
        higher = np.append(np.cumsum(tally[::-1])[::-1], 0)
        ends = np.cumsum(matches)
        after_row = ends[rows] + rows + 1
        ordinal = ends[rows] - np.arange(len(rows))
        ranks = ordinal + higher[self._entries] - higher[after_row]
        valid = matches > 0
        rank, penalty = np.zeros(queries, dtype=np.int64), np.zeros(queries)
        penalty[valid] = matches[valid] / ranks[(ends - matches)[valid]]
        if self._identities is None:
            rank[valid] = ranks[ends[valid] - 1]
        else:
            rank[valid] = 1 + self._seen.sum(dim=1).cpu().numpy()[valid]
        precision = np.bincount(rows, weights=ordinal / ranks, minlength=queries) / np.maximum(matches, 1)
        return PerQuery(matches=matches.astype(np.int64), rank=rank, precision=precision, penalty=penalty)


def _last_place() -> int:
    return (1 << DIGIT_BITS) - 1
