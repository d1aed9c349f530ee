"""What is known of some sightings of a gallery, through nothing but what a gallery offers to all."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from vireid.retrieval import Conditions, Gallery, Sighting
from vireid.types import Embeddings

__all__ = ["features_of", "sightings_of", "tracks_of", "without_time"]


def sightings_of(gallery: Gallery, conditions: Conditions) -> dict[str, Sighting]:
    """Those that meet the conditions, by key: a search for as many as there are, whatever their scores."""
    count = gallery.count(conditions)
    if not count:
        return {}
    anything = np.ones((1, gallery.dimension), dtype=np.float32)
    [matches] = gallery.search(anything, model=gallery.model, top=count, conditions=conditions)
    return {match.sighting.key: match.sighting for match in matches}


def features_of(gallery: Gallery, keys: Sequence[str]) -> dict[str, Float32[np.ndarray, " d"]]:
    """Features by key, of those keys that the gallery has."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.npz"
        conditions = Conditions(keys=tuple(keys))
        if not gallery.export(file, conditions):
            return {}
        # An export is in the order of keys.
        return dict(zip(sorted(sightings_of(gallery, conditions)), Embeddings.load(file).features))


def tracks_of(gallery: Gallery) -> dict[str, int]:
    """Sightings of each track, by name."""
    everything = sightings_of(gallery, Conditions()).values()
    return dict(sorted(Counter(one.track for one in everything if one.track is not None).items()))


def without_time(gallery: Gallery) -> int:
    """Sightings of which nobody said when they were seen: retention never deletes them."""
    timed = Conditions(since=datetime(1, 1, 2, tzinfo=timezone.utc))
    return gallery.count() - gallery.count(timed)
