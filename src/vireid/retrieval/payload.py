"""The form of a sighting in an engine: plain values under names that filters know."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from vireid.retrieval.sighting import Sighting
from vireid.types import Modality

__all__ = ["KEYWORDS", "TIME", "from_payload", "point_id", "time_text", "to_payload"]

KEYWORDS = ("key", "camera", "track", "person", "modality", "tags")
"""Fields with an index of exact values. A filter on a field without index is slow."""
TIME = "time"
"""The field with an index of times."""


def point_id(key: str) -> uuid.UUID:
    """The point of a key: its first 16 bytes, so that points stand in the order of their keys.

    >>> point_id("0123456789abcdef" * 4)
    UUID('01234567-89ab-cdef-0123-456789abcdef')
    """
    return uuid.UUID(key[:32])


def time_text(time: datetime) -> str:
    """A moment in UTC, always with six digits after the second: engines parse it to the microsecond."""
    return time.astimezone(timezone.utc).isoformat(timespec="microseconds")


def to_payload(sighting: Sighting) -> dict[str, Any]:
    """Plain values; what is unknown is left out."""
    values = {
        "key": sighting.key,
        "path": sighting.path,
        "modality": sighting.modality.value,
        "camera": sighting.camera,
        "time": None if sighting.time is None else time_text(sighting.time),
        "track": sighting.track,
        "person": sighting.person,
        "tags": list(sighting.tags) or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def from_payload(payload: Mapping[str, Any]) -> Sighting:
    """The sighting again; its time is in UTC."""
    time = payload.get("time")
    return Sighting(
        key=payload["key"],
        path=payload["path"],
        modality=Modality(payload["modality"]),
        camera=payload.get("camera"),
        time=None if time is None else datetime.fromisoformat(time),
        track=payload.get("track"),
        person=payload.get("person"),
        tags=tuple(payload.get("tags", ())),
    )
