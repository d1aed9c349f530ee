"""What is known of some sightings of a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
from jaxtyping import Float32

from vireid.retrieval import Conditions, Gallery, Sighting

__all__ = ["features_of", "sightings_of", "without_time"]


def sightings_of(gallery: Gallery, conditions: Conditions) -> dict[str, Sighting]:
    """Those that meet the conditions, by key."""
    return {sighting.key: sighting for sightings, _ in gallery.each(conditions) for sighting in sightings}


def features_of(gallery: Gallery, keys: Sequence[str]) -> dict[str, Float32[np.ndarray, " d"]]:
    """Features by key, of those keys that the gallery has."""
    pieces = gallery.each(Conditions(keys=tuple(keys)))
    return {one.key: row for sightings, features in pieces for one, row in zip(sightings, features)}


def without_time(gallery: Gallery) -> int:
    """Sightings of which nobody said when they were seen: retention never deletes them."""
    timed = Conditions(since=datetime(1, 1, 2, tzinfo=timezone.utc))
    return gallery.count() - gallery.count(timed)
