"""Which sightings are meant."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from vireid.retrieval.sighting import check_time
from vireid.types import Modality, VireidError

__all__ = ["Conditions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Which sightings are meant: all that is set must hold; within one field any of the values.

    A sighting whose field is unknown meets no condition on that field.

    Attributes:
        keys, persons, cameras, tracks: any of these.
        since: at this time or later.
        until: before this time.
        modality: this one.
        tags: at least one of these.

    Raises:
        VireidError: a time without a zone, a span of time that ends before it starts, or a value that is no text.

    >>> bool(Conditions()), bool(Conditions(cameras=("door",)))
    (False, True)
    """

    keys: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    modality: Modality | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("keys", "persons", "cameras", "tracks", "tags"):
            values = getattr(self, name)
            # One bare string is a sequence of letters: never what is meant.
            if isinstance(values, str) or not all(isinstance(value, str) for value in values):
                raise VireidError(f"the condition {name!r} is a tuple of names, got {values!r}")
        for name in ("since", "until"):
            if getattr(self, name) is not None:
                check_time(getattr(self, name), f"the condition {name!r}")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise VireidError(
                f"a span of time ends after it starts, got since {self.since.isoformat()} until "
                f"{self.until.isoformat()}; until is not part of it"
            )

    def __bool__(self) -> bool:
        return any(getattr(self, entry.name) not in (None, ()) for entry in fields(self))

    def any_of(self) -> dict[str, list[str]]:
        """Field of a sighting and the values it may have, for each condition but those on time."""
        wanted = {
            "key": self.keys,
            "person": self.persons,
            "camera": self.cameras,
            "track": self.tracks,
            "modality": (self.modality.value,) if self.modality else (),
            "tags": self.tags,
        }
        return {name: list(values) for name, values in wanted.items() if values}
