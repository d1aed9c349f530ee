"""A gallery: sightings that stay, with the features to find them by."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float, Float32

from vireid.retrieval.conditions import Conditions
from vireid.retrieval.exporting import export
from vireid.retrieval.fusing import unit
from vireid.retrieval.gallery_facts import GalleryFacts
from vireid.retrieval.ranked import Match
from vireid.retrieval.sighting import Sighting
from vireid.retrieval.store import Store
from vireid.types import VireidError

__all__ = ["Added", "Gallery", "GalleryInfo", "Match"]

_EVERYTHING = Conditions()


@dataclass(frozen=True, slots=True)
class Added:
    """How many sightings were new, and how many the gallery had already."""

    new: int
    known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryInfo:
    """What a gallery holds.

    Attributes:
        place: folder or URL.
        sightings: how many.
        dimension: numbers in a feature.
        model: fingerprint of the model.
        created: when its collection was made.
        bytes: on disk; None on a server.
        cameras, persons, tracks: how many different ones.
    """

    place: str
    sightings: int
    dimension: int
    model: str
    created: datetime
    bytes: int | None
    cameras: int
    persons: int
    tracks: int


class Gallery:
    """Sightings that stay, with the features to find them by; made by `vireid.retrieval.open_gallery`.

    A context manager; several threads may use one gallery. When `add` or `delete` has returned, the change has been
    written and the system has brought it to the disk (``fsync``): it survives the end of the process at any moment,
    and a power cut as far as the disk keeps what it confirms.

    Args:
        store: what carries it.
        facts: what it says of itself.
        place: folder or URL, as messages name it.
        release: called once when the gallery is closed.
        folder: of the engine's files, None on a server.
    """

    def __init__(
        self,
        store: Store,
        facts: GalleryFacts,
        place: str,
        *,
        release: Callable[[], None] = lambda: None,
        folder: Path | None = None,
    ) -> None:
        self._opened: Store | None = store
        self._facts = facts
        self._place = place
        self._release = release
        self._folder = folder
        self._changing = threading.RLock()

    @property
    def model(self) -> str:
        """Fingerprint of the model whose features it holds."""
        return self._facts.model

    @property
    def dimension(self) -> int:
        """Numbers in a feature."""
        return self._facts.dimension

    def info(self) -> GalleryInfo:
        """What it holds."""
        store = self._store()
        return GalleryInfo(
            place=self._place,
            sightings=store.count(_EVERYTHING),
            dimension=self._facts.dimension,
            model=self._facts.model,
            created=datetime.fromisoformat(self._facts.created),
            bytes=None if self._folder is None else _bytes_on_disk(self._folder),
            cameras=len(store.values("camera", _EVERYTHING)),
            persons=len(store.values("person", _EVERYTHING)),
            tracks=len(store.values("track", _EVERYTHING)),
        )

    def add(self, sightings: Sequence[Sighting], features: Float[np.ndarray, "n d"], *, model: str) -> Added:
        """Add what is not there yet; a key that the gallery has, or that came before in this call, is left as it is.

        Args:
            sightings: what is known of each image.
            features: a row for each, of any length but zero; kept as unit vectors.
            model: fingerprint of the model that made the features.

        Raises:
            VireidError: another model, another dimension, features that are not finite or zero (nothing is added
                then), or the disk refuses (what was added before stays, nothing acknowledged is lost).
        """
        features = self._checked(features, model)
        if len(sightings) != len(features):
            raise VireidError(f"each sighting needs one feature, got {len(sightings)} and {len(features)}")
        features = unit(features, [f"sighting {sighting.key}" for sighting in sightings])
        rows: dict[str, int] = {}
        for row, sighting in enumerate(sightings):
            rows.setdefault(sighting.key, row)
        with self._changing:
            store = self._store()
            there = store.known(rows.keys())
            new = [row for key, row in rows.items() if key not in there]
            if new:
                store.put([sightings[row] for row in new], features[new])
        return Added(new=len(new), known=len(sightings) - len(new))

    def search(
        self,
        features: Float[np.ndarray, "q d"],
        *,
        model: str,
        top: int = 10,
        conditions: Conditions = _EVERYTHING,
        by_track: bool = False,
    ) -> list[list[Match]]:
        """The best matches of each query by cosine, best first, equal scores in the order of their keys; exact.

        Args:
            features: a row a query, of any length but zero; several images of one person make one query with `fuse`.
            model: fingerprint of the model that made the features.
            top: results of each query, fewer only where the gallery has fewer.
            conditions: which sightings may be found.
            by_track: the best sighting of each track only; a sighting without track is a track of its own.

        Raises:
            VireidError: another model, another dimension, features that are not finite or zero, or top below 1.
        """
        if not isinstance(top, int | np.integer) or top < 1:
            raise VireidError(f"a search returns at least 1 result a query, got top {top!r}")
        features = self._checked(features, model)
        store = self._store()
        if not len(features):
            return []
        queries = unit(features, [f"query {number}" for number in range(len(features))])
        return store.nearest(queries, top=int(top), conditions=conditions, by_track=by_track)

    def count(self, conditions: Conditions = _EVERYTHING) -> int:
        """How many sightings meet the conditions: what `delete` would remove."""
        return self._store().count(conditions)

    def delete(self, conditions: Conditions, *, everything: bool = False) -> int:
        """Remove what meets the conditions and say how many; see `count` to show it first.

        Args:
            conditions: by person, track, camera, age (``until``) or whatever else.
            everything: allow conditions that set nothing, which all sightings meet.

        Raises:
            VireidError: conditions that set nothing, without ``everything``.
        """
        if not conditions and not everything:
            raise VireidError(
                f"conditions that set nothing would delete all of gallery {self._place}; set some, or pass "
                "everything=True"
            )
        with self._changing:
            return self._store().delete(conditions)

    def export(self, file: Path, conditions: Conditions = _EVERYTHING) -> int:
        """Write features and sightings for other tools, see `vireid.retrieval.exporting.export`; how many."""
        with self._changing:  # else a row could come or go between the two files
            return export(self._store(), file, conditions, maker=self._facts.model)

    def compact(self) -> None:
        """Give back the room of what was deleted.

        In a folder no file of the gallery holds what was deleted any more when this returns; until then the engine
        may keep its bytes, though no search finds them. Searches wait meanwhile.
        """
        with self._changing:
            self._store().compact()

    def cameras(self) -> dict[str, int]:
        """Sightings of each camera, by name."""
        return self._store().values("camera", _EVERYTHING)

    def persons(self) -> dict[str, int]:
        """Sightings of each person that somebody named, by name."""
        return self._store().values("person", _EVERYTHING)

    def tracks(self) -> dict[str, int]:
        """Sightings of each track, by name."""
        return self._store().values("track", _EVERYTHING)

    def known(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that the gallery has."""
        return self._store().known(keys)

    def each(self, conditions: Conditions = _EVERYTHING) -> Iterator[tuple[list[Sighting], Float32[np.ndarray, "n d"]]]:
        """Sightings that meet the conditions with their features, piece by piece, in the order of their keys.

        What is added or deleted meanwhile may or may not be seen.
        """
        return self._store().each(conditions)

    def close(self) -> None:
        """Let go of files and lock; a second call does nothing."""
        with self._changing:
            store, self._opened = self._opened, None
            if store is not None:
                try:
                    store.close()
                finally:
                    self._release()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _store(self) -> Store:
        store = self._opened
        if store is None:
            raise VireidError(f"gallery {self._place} was closed; open it again")
        return store

    def _checked(self, features: Float[np.ndarray, "n d"], model: str) -> Float[np.ndarray, "n d"]:
        if features.ndim != 2 or features.dtype.kind != "f":
            raise VireidError(f"features are floats, one row an image, got {features.dtype} of shape {features.shape}")
        self._facts.require(model=model, dimension=features.shape[1], place=self._place)
        return features


def _bytes_on_disk(folder: Path) -> int:
    """Blocks that are really used: the engine's files are larger than what is in them."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_blocks * 512
        except FileNotFoundError:  # a search goes on while the engine tidies up
            continue
    return total
