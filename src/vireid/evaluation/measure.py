"""Trials measured piece by piece, so that no table of all scores is ever held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vireid.evaluation.match_ranks import MatchRanks
from vireid.evaluation.per_query import PerQuery, summarise
from vireid.evaluation.rules import DISTINCT_RULES, TrialLabels, blind_cameras, dropped
from vireid.types import Score, VireidError

__all__ = ["MEMORY", "Chunks", "Compare", "check_memory", "measure"]

MEMORY = 512 << 20
"""Bytes of work space by default."""

Compare = Callable[[slice, slice], Tensor]
"""Scores (rows x columns, single or double precision, contiguous) of some queries against some of the gallery."""

_LEAST_MEMORY = 1 << 20
_BLOCK_CELLS = 1 << 22
"""Larger blocks leave the caches, and gain nothing once they have rows enough for a matrix product."""
_FEW_ROWS = 16
_MANY_ROWS = 64
_BYTES_OF_A_REACHED_CELL = 96
_BYTES_OF_A_MATCH = 160


def check_memory(memory: int) -> None:
    """Refuse work space in which nothing can be done.

    Raises:
        VireidError: less than 1 MiB.
    """
    if memory < _LEAST_MEMORY:
        raise VireidError(f"memory is in bytes and must be at least {_LEAST_MEMORY} (1 MiB), got {memory}")


@dataclass(frozen=True, kw_only=True)
class Chunks:
    """Sizes of what is held at once.

    Attributes:
        rows: queries at once.
        columns: gallery images at once. Where that is not the whole gallery each score is made twice, once to know the
            matches' and once to count who stands before them.
        cells: scores looked up at once.
    """

    rows: int
    columns: int
    cells: int

    @classmethod
    def within(
        cls, memory: int, *, queries: int, gallery: int, matches: int, identities: int, cell_bytes: int
    ) -> Chunks:
        """Chunks that need about ``memory`` bytes, or the least that one query at a time needs.

        Args:
            matches: most images of a query's own identity.
            identities: most identities of a trial whose ranks count them, else 0.
            cell_bytes: of a score and its copies.

        >>> Chunks.within(512 << 20, queries=1000, gallery=1_000_000, matches=20, identities=50_000, cell_bytes=4)
        Chunks(rows=38, columns=1000000, cells=1398101)
        """
        block = max(1, memory // 2 // (cell_bytes + 3))
        limit = memory // 8
        rows = min(queries, limit // max(1, matches * _BYTES_OF_A_MATCH), limit // max(1, identities))
        rows = max(1, min(rows, max(_MANY_ROWS, _BLOCK_CELLS // gallery)))
        cells = max(1, memory // 4 // _BYTES_OF_A_REACHED_CELL)
        if block >= gallery * min(rows, _FEW_ROWS):
            return cls(rows=min(rows, block // gallery), columns=gallery, cells=cells)
        rows = min(rows, block)
        return cls(rows=rows, columns=block // rows, cells=cells)


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
    galleries = [_Gallery(trial) for trial in trials]
    if chunks is None:
        chunks = Chunks.within(
            memory,
            queries=queries,
            gallery=gallery,
            matches=max(int(one.counts.max()) for one in galleries),
            identities=max(one.identity_count for one in galleries),
            cell_bytes=cell_bytes * (1 if all(trial.columns is None for trial in trials) else 2),
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
    galleries: Sequence[_Gallery],
    cells: int,
    name: Callable[[int, int], str],
) -> list[PerQuery]:
    own = [gallery.own_images(rows) for gallery in galleries]
    # First the scores of the matches, then who stands before them: from the same block where there is but one.
    known: list[list[Tensor]] = [[] for _ in galleries]
    found: list[list[np.ndarray]] = [[] for _ in galleries]
    bad: list[tuple[int, int]] = []
    scores = torch.empty(0)
    for piece in pieces:
        scores = compare(rows, piece)
        if bool(scores.amax().isnan()):
            row, column = scores.isnan().nonzero()[0].tolist()
            bad.append((rows.start + row, piece.start + column))
        for images, values, numbers in zip(own, known, found):
            columns = images.columns - piece.start
            inside = np.flatnonzero(images.visible & (columns >= 0) & (columns < scores.shape[1]))
            values.append(scores[_index(images.rows[inside], scores), _index(columns[inside], scores)])
            numbers.append(inside)
    if bad:
        raise VireidError(
            f"scores must be numbers, but that of {name(*min(bad))} is NaN; look for NaN or infinity in the features"
        )
    ranks = []
    for gallery, images, values, numbers in zip(galleries, own, known, found):
        visible = np.concatenate(numbers)
        ranks.append(
            MatchRanks(
                images.rows[visible],
                images.places[visible],
                torch.cat(values),
                queries=rows.stop - rows.start,
                identities=gallery.on_device(scores.device) if gallery.identity_count else None,
                identity_count=gallery.identity_count,
            )
        )
    for piece in pieces:
        if len(pieces) > 1:
            scores = compare(rows, piece)
        for gallery, images, rank in zip(galleries, own, ranks):
            places = gallery.places(piece)
            columns = gallery.columns[places] - piece.start
            seen = scores if gallery.is_whole else scores[:, _index(columns, scores)]
            local = np.searchsorted(places, images.places)
            inside = local < len(places)
            inside[inside] = places[local[inside]] == images.places[inside]
            rank.count(
                seen,
                _index(places, scores),
                apart=(_index(images.rows[inside], scores), _index(local[inside], scores)),
                hidden=gallery.hidden(rows, places, scores.device),
                cells=cells,
            )
    return [rank.result() for rank in ranks]


@dataclass(frozen=True, eq=False)
class _OwnImages:
    """Every gallery image of each query's identity: its query, place and column, and whether the query may see it."""

    rows: Int64[np.ndarray, " k"]
    places: Int64[np.ndarray, " k"]
    columns: Int64[np.ndarray, " k"]
    visible: np.ndarray


class _Gallery:
    """The gallery of one trial, sorted by identity once."""

    def __init__(self, trial: TrialLabels) -> None:
        self._trial = trial
        names, identities = np.unique(trial.gallery_ids, return_inverse=True)
        self._identities = identities.astype(np.int64)
        self._by_identity = np.argsort(identities, kind="stable")
        sizes = np.bincount(identities, minlength=len(names))
        at = np.minimum(np.searchsorted(names, trial.query_ids), len(names) - 1)
        known = names[at] == trial.query_ids
        self._starts = (np.cumsum(sizes) - sizes)[at]
        self.counts = np.where(known, sizes[at], 0)
        self.identity_count = len(names) if trial.rule in DISTINCT_RULES else 0
        self.is_whole = trial.columns is None
        self.columns = np.arange(len(identities)) if trial.columns is None else trial.columns
        self._on_device: Tensor | None = None

    def on_device(self, device: torch.device) -> Int64[Tensor, " g"]:
        """Number of each image's identity."""
        if self._on_device is None:
            self._on_device = torch.from_numpy(self._identities).to(device)
        return self._on_device

    def own_images(self, rows: slice) -> _OwnImages:
        trial, counts = self._trial, self.counts[rows]
        queries = np.repeat(np.arange(len(counts)), counts)
        offsets = self._starts[rows] - (np.cumsum(counts) - counts)
        places = self._by_identity[np.arange(len(queries)) + offsets[queries]]
        cut = dropped(
            trial.query_ids[rows][queries],
            trial.gallery_ids[places],
            trial.query_cameras[rows][queries],
            trial.gallery_cameras[places],
            trial.rule,
        )
        visible = np.ones(len(queries), dtype=bool) if cut is None else ~cut
        return _OwnImages(queries, places, self.columns[places], visible)

    def places(self, piece: slice) -> Int64[np.ndarray, " c"]:
        """Places in this gallery, ascending, whose columns are in a piece."""
        if self.is_whole:
            return self.columns[piece]
        return np.flatnonzero((self.columns >= piece.start) & (self.columns < piece.stop))

    def hidden(
        self, rows: slice, places: Int64[np.ndarray, " c"], device: torch.device
    ) -> tuple[Tensor, Tensor] | None:
        """Queries who do not see some images whatever their identity, and these images."""
        trial = self._trial
        blind = blind_cameras(trial.query_cameras[rows], trial.gallery_cameras[places], trial.rule)
        if blind is None or not blind[0].any():
            return None
        return torch.from_numpy(blind[0]).to(device), torch.from_numpy(blind[1]).to(device)


def _index(values: Int64[np.ndarray, " k"], like: Float[Tensor, "..."]) -> Int64[Tensor, " k"]:
    return torch.from_numpy(np.ascontiguousarray(values)).to(like.device)
