"""Trials measured piece by piece, so that no table of all scores is ever held."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from vireid.evaluation.chunks import MEMORY, Chunks
from vireid.evaluation.match_ranks import MatchRanks
from vireid.evaluation.per_query import PerQuery, summarise
from vireid.evaluation.rules import TrialLabels
from vireid.evaluation.sorted_ranks import SortedRanks
from vireid.evaluation.trial_gallery import OwnImages, TrialGallery
from vireid.types import Score, VireidError

__all__ = ["Compare", "measure"]

Compare = Callable[[slice, slice], Tensor]
"""Scores (rows x columns, single or double precision, contiguous) of some queries against some of the gallery."""

_SORTED_COLUMNS = 1 << 14
_SORTED_CELLS = 1 << 18
"""Larger pieces leave the caches."""


def measure(
    compare: Compare,
    trials: Sequence[TrialLabels],
    *,
    gallery: int,
    memory: int = MEMORY,
    cell_bytes: int = 4,
    chunks: Chunks | None = None,
    name: Callable[[int, int], str] = lambda row, column: f"row {row}, column {column}",
) -> list[Score]:
    """Measure trials with the same queries; `vireid.evaluation.score` says what is measured.

    Args:
        compare: makes scores. A trial finds its gallery by its ``columns``.
        gallery: how many columns there are.
        memory: bytes of work space.
        cell_bytes: of one score.
        chunks: in place of those that ``memory`` allows.
        name: how to call a row and a column to the user.

    Raises:
        VireidError: NaN among the scores, or a trial without any query that has a true match.
    """
    queries = len(trials[0].query_ids)
    galleries = [TrialGallery(trial) for trial in trials]
    if chunks is None:
        chunks = Chunks.within(
            memory,
            queries=queries,
            gallery=gallery,
            matches=max(int(one.counts.max()) for one in galleries),
            identities=max(one.identity_count for one in galleries),
            cell_bytes=cell_bytes,
        )
    pieces = [slice(start, min(start + chunks.columns, gallery)) for start in range(0, gallery, chunks.columns)]
    results: list[list[PerQuery]] = [[] for _ in trials]
    for start in range(0, queries, chunks.rows):
        rows = slice(start, min(start + chunks.rows, queries))
        for collected, result in zip(results, _measure_rows(compare, rows, pieces, galleries, chunks.cells, name)):
            collected.append(result)
    return [summarise(parts, gallery=len(trial.gallery_ids)) for trial, parts in zip(trials, results)]


def _measure_rows(
    compare: Compare,
    rows: slice,
    pieces: Sequence[slice],
    galleries: Sequence[TrialGallery],
    cells: int,
    name: Callable[[int, int], str],
) -> list[PerQuery]:
    """First the scores of the matches, then who stands before them: from the same block where there is but one."""
    own = [gallery.own_images(rows) for gallery in galleries]
    known: list[Tensor] = []
    bad: list[tuple[int, int]] = []
    sortable = True
    scores = torch.empty(0)
    for piece in pieces:
        scores = compare(rows, piece)
        # NumPy where it can, which does not wake all threads for so little.
        lowest = float(scores.numpy().min() if scores.device.type == "cpu" else scores.amin())
        if np.isnan(lowest):
            row, column = scores.isnan().nonzero()[0].tolist()
            bad.append((rows.start + row, piece.start + column))
        sortable &= can_sort(scores, lowest)
        known = known or [scores.new_empty(len(images.rows)) for images in own]
        for gallery, images, values in zip(galleries, own, known):
            columns = gallery.columns_of(images.places) - piece.start
            inside = np.flatnonzero((columns >= 0) & (columns < scores.shape[1]))
            found = scores[_index(images.rows[inside], scores), _index(columns[inside], scores)]
            values[_index(inside, scores)] = found
    if bad:
        raise VireidError(
            f"scores must be numbers, but that of {name(*min(bad))} is NaN; look for NaN or infinity in the features"
        )
    make = _Sorting if sortable else _LookingUp
    counters = [make(*each, rows=rows, cells=cells) for each in zip(galleries, own, known)]
    for piece in pieces:
        if len(pieces) > 1:
            scores = compare(rows, piece)
        for counter in counters:
            counter.count(scores, piece)
    return [counter.ranks.result() for counter in counters]


def can_sort(scores: Float[Tensor, "r c"], lowest: float) -> bool:
    """Whether plain sorting on the processor will do: no score may be as low as those that mark hidden images."""
    return scores.device.type == "cpu" and scores.dtype == torch.float32 and lowest > -np.inf


class _Sorting:
    """One trial's images put to `SortedRanks` in pieces that stay in the caches."""

    def __init__(
        self, gallery: TrialGallery, own: OwnImages, known: Float32[Tensor, " k"], *, rows: slice, cells: int
    ) -> None:
        self._gallery, self._own, self._rows = gallery, own, rows
        self._cells = min(cells, _SORTED_CELLS)
        self.ranks = SortedRanks(
            own.rows[own.visible],
            own.places[own.visible],
            known.numpy()[own.visible],
            queries=rows.stop - rows.start,
            identity_count=gallery.identity_count,
        )

    def count(self, scores: Float32[Tensor, "q c"], piece: slice) -> None:
        part = self._gallery.part(piece, by_identity=self._gallery.grouped)
        width, height = len(part.places), len(scores)
        if not width:
            return
        hidden = self._gallery.hidden(self._rows, part)
        columns = min(width, _SORTED_COLUMNS, self._cells)
        rows = self._cells // columns
        table = scores.numpy()
        for top in range(0, height, rows):
            some = slice(top, min(top + rows, height))
            own = slice(*np.searchsorted(self._own.rows, (some.start, some.stop)))
            own_rows, own_at = self._own.rows[own] - top, part.positions[self._own.places[own]]
            for left in range(0, width, columns):
                these = slice(left, min(left + columns, width))
                if part.columns is None:
                    others = table[some, these].copy()
                else:
                    others = np.take(table[some], part.columns[these], axis=1)
                inside = (own_at >= these.start) & (own_at < these.stop)
                others[own_rows[inside], own_at[inside] - left] = -np.inf
                if hidden is not None:
                    others[np.ix_(hidden[0][some], hidden[1][these])] = -np.inf
                self.ranks.count(some, others, part.places[these], part.identities[these])


class _LookingUp:
    """One trial's images put to `MatchRanks`, which any device and type can do."""

    def __init__(
        self, gallery: TrialGallery, own: OwnImages, known: Float[Tensor, " k"], *, rows: slice, cells: int
    ) -> None:
        self._gallery, self._own, self._rows, self._cells = gallery, own, rows, cells
        self.ranks = MatchRanks(
            own.rows[own.visible],
            own.places[own.visible],
            known[_index(np.flatnonzero(own.visible), known)],
            queries=rows.stop - rows.start,
            identities=_index(gallery.identities, known) if gallery.identity_count else None,
            identity_count=gallery.identity_count,
        )

    def count(self, scores: Float[Tensor, "q c"], piece: slice) -> None:
        part = self._gallery.part(piece, by_identity=False)
        at = part.positions[self._own.places]
        hidden = self._gallery.hidden(self._rows, part)
        width = len(part.places)
        # Copies of columns are made a few at a time; where there is nothing to copy, all are taken at once.
        columns = max(1, width if part.columns is None else self._cells // len(scores))
        for left in range(0, width, columns):
            these = slice(left, min(left + columns, width))
            inside = (at >= these.start) & (at < these.stop)
            self.ranks.count(
                scores if part.columns is None else scores[:, _index(part.columns[these], scores)],
                _index(part.places[these], scores),
                apart=(_index(self._own.rows[inside], scores), _index(at[inside] - left, scores)),
                hidden=None if hidden is None else (_index(hidden[0], scores), _index(hidden[1][these], scores)),
                cells=self._cells,
            )


def _index(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(like.device)
