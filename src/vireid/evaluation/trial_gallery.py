"""The gallery of one trial as scoring walks through it: who is whose, and where in a table of scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from vireid.evaluation.rules import DISTINCT_RULES, TrialLabels, blind_cameras, dropped

__all__ = ["OwnImages", "Part", "TrialGallery", "by_identity"]


def by_identity(identities: Int64[np.ndarray, " g"]) -> tuple[Int64[np.ndarray, " g"], Int64[np.ndarray, " g"]]:
    """Images sorted by identity, as scoring walks through them without jumps, and where each of them is then.

    >>> by_identity(np.array([7, 4, 7, 4]))
    (array([1, 3, 0, 2]), array([2, 0, 3, 1]))
    """
    order = np.argsort(identities, kind="stable")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return order, places


@dataclass(frozen=True, eq=False)
class OwnImages:
    """Every gallery image of each query's identity: its query (ascending), place, and whether the query may see it."""

    rows: Int64[np.ndarray, " k"]
    places: Int64[np.ndarray, " k"]
    visible: Bool[np.ndarray, " k"]


@dataclass(frozen=True, eq=False)
class Part:
    """Images of a gallery whose scores are among some columns of the table.

    Attributes:
        columns: of the images, from the first of these columns; None where they are these columns as they stand.
        places: of the images in the gallery.
        positions: of each image of the gallery among these images, -1 where it is not among them.
        identities: number of each image's identity.
    """

    columns: Int64[np.ndarray, " c"] | None
    places: Int64[np.ndarray, " c"]
    positions: Int64[np.ndarray, " g"]
    identities: Int64[np.ndarray, " c"]


class TrialGallery:
    """The gallery of one trial, sorted by identity once.

    Args:
        trial: its labels.
    """

    def __init__(self, trial: TrialLabels) -> None:
        self._trial = trial
        names, identities = np.unique(trial.gallery_ids, return_inverse=True)
        self.identities = identities.astype(np.int64)
        self._by_identity = np.argsort(identities, kind="stable")
        sizes = np.bincount(identities, minlength=len(names))
        at = np.minimum(np.searchsorted(names, trial.query_ids), len(names) - 1)
        known = names[at] == trial.query_ids
        self._starts = (np.cumsum(sizes) - sizes)[at]
        self.counts = np.where(known, sizes[at], 0)
        self.identity_count = len(names) if trial.rule in DISTINCT_RULES else 0
        self._last: tuple[tuple[slice, bool], Part] | None = None

    def own_images(self, rows: slice) -> OwnImages:
        """All images of these queries' identities, the queries numbered from the first of them."""
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
        return OwnImages(queries, places, np.ones(len(queries), dtype=bool) if cut is None else ~cut)

    def columns_of(self, places: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, " k"]:
        """Columns of some images in the table of scores."""
        return places if self._trial.columns is None else self._trial.columns[places]

    def part(self, piece: slice, *, by_identity: bool) -> Part:
        """The images whose columns are in a piece of the table, in the gallery's order or sorted by identity first."""
        if self._last is None or self._last[0] != (piece, by_identity):
            self._last = (piece, by_identity), self._make_part(piece, by_identity)
        return self._last[1]

    @property
    def grouped(self) -> bool:
        """Whether images are best taken sorted by identity: to count identities, or where columns stand that way."""
        return self.identity_count > 0 or self._trial.columns is not None

    def _make_part(self, piece: slice, by_identity: bool) -> Part:
        places = self._by_identity if by_identity else np.arange(len(self.identities))
        columns = self.columns_of(places)
        inside = (columns >= piece.start) & (columns < piece.stop)
        if not inside.all():
            places, columns = places[inside], columns[inside]
        positions = np.full(len(self.identities), -1)
        positions[places] = np.arange(len(places))
        return Part(
            columns=None if np.array_equal(columns, np.arange(piece.start, piece.stop)) else columns - piece.start,
            places=places,
            positions=positions,
            identities=self.identities[places],
        )

    def hidden(self, rows: slice, part: Part) -> tuple[Bool[np.ndarray, " q"], Bool[np.ndarray, " c"]] | None:
        """Queries who do not see some images whatever their identity, and these images; None where all see all."""
        trial = self._trial
        blind = blind_cameras(trial.query_cameras[rows], trial.gallery_cameras[part.places], trial.rule)
        return None if blind is None or not blind[0].any() else blind
