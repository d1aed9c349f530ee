"""What an engine must do to carry a gallery."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from vireid.retrieval.conditions import Conditions
from vireid.retrieval.ranked import Match
from vireid.retrieval.sighting import Sighting

__all__ = ["Field", "Store"]

Field = Literal["camera", "person", "track"]
"""A field whose values can be listed."""


@runtime_checkable
class Store(Protocol):
    """Sightings with features of length 1, found by dot product. One contract test suite runs on every store.

    Reading and writing may come from several threads. What the engine refuses is a `VireidError`.
    """

    dimension: int

    def put(self, sightings: Sequence[Sighting], features: Float32[np.ndarray, "n d"]) -> None:
        """Keep these, in place of what had their keys; each is on disk, whole, when it returns."""
        ...

    def known(self, keys: Collection[str]) -> set[str]:
        """Those of the keys that are there."""
        ...

    def nearest(
        self, features: Float32[np.ndarray, "q d"], *, top: int, conditions: Conditions, by_track: bool
    ) -> list[list[Match]]:
        """The best of each query, exactly, in the order of `vireid.retrieval.ranked.best_matches`."""
        ...

    def delete(self, conditions: Conditions) -> int:
        """Remove what meets the conditions and say how many; all of it is gone for good when it returns."""
        ...

    def count(self, conditions: Conditions) -> int:
        """How many meet the conditions, exactly."""
        ...

    def each(
        self, conditions: Conditions, *, batch: int = 1000
    ) -> Iterator[tuple[list[Sighting], Float32[np.ndarray, "n d"]]]:
        """All that meet the conditions, piece by piece, in the order of their keys."""
        ...

    def values(self, field: Field, conditions: Conditions) -> dict[str, int]:
        """Values of a field in their order, and how many sightings have each."""
        ...

    def compact(self) -> None:
        """Give back the room of what was deleted; in a folder no file holds it any more when this returns."""
        ...

    def close(self) -> None:
        """Let go of files and connections; a second call does nothing."""
        ...
