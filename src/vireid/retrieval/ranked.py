"""The best matches in an order that does not depend on the engine, by sighting or by track."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from vireid.retrieval.sighting import Sighting

__all__ = ["Match", "Seen", "best_matches", "best_of_each", "first_fetch"]

_SIGHTINGS_OF_A_TRACK = 4
_GROWTH = 2


@dataclass(frozen=True, slots=True)
class Match:
    """A sighting that a search found.

    Attributes:
        score: cosine of query and sighting, -1 to 1.
    """

    sighting: Sighting
    score: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, but for where the image lies, which not everybody may know."""
        sighting = self.sighting
        return {
            "key": sighting.key,
            "score": self.score,
            "camera": sighting.camera,
            "time": None if sighting.time is None else sighting.time.isoformat(),
            "track": sighting.track,
            "person": sighting.person,
            "modality": sighting.modality.value,
            "tags": list(sighting.tags),
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """What a further fetch leaves out.

    Attributes:
        tracks: all sightings of these.
        keys: these sightings.
    """

    tracks: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def any_of(self) -> dict[str, list[str]]:
        """Field of a sighting and the values it may not have."""
        return {name: list(values) for name, values in (("track", self.tracks), ("key", self.keys)) if values}


def first_fetch(top: int, by_track: bool) -> int:
    """How many matches to fetch first: one more than needed shows whether equal scores lie beyond the border."""
    return top * _SIGHTINGS_OF_A_TRACK + 1 if by_track else top + 1


def best_of_each(
    queries: Float32[np.ndarray, "q d"],
    fetch: Callable[[Float32[np.ndarray, "r d"], int, Seen], list[list[Match]]],
    *,
    top: int,
    by_track: bool,
) -> list[list[Match]]:
    """`best_matches` of each query: all are fetched together first, then one by one where that was not enough.

    Args:
        queries: of length 1.
        fetch: for each of some queries the so many best of the gallery without what was seen.
        top, by_track: see `best_matches`.
    """
    first = fetch(queries, first_fetch(top, by_track), Seen())
    return [
        best_matches(
            matches,
            lambda limit, seen, row=number: fetch(queries[row : row + 1], limit, seen)[0],
            top=top,
            by_track=by_track,
        )
        for number, matches in enumerate(first)
    ]


def best_matches(
    fetched: Sequence[Match], fetch: Callable[[int, Seen], Sequence[Match]], *, top: int, by_track: bool
) -> list[Match]:
    """The ``top`` best of the whole gallery by falling score, equal scores by rising key.

    An engine cuts equal scores wherever it likes, and of a track it may return many sightings. What is better than the
    last one fetched is complete, so it is kept; then more of the others is fetched, until there are enough or nothing
    is left: exact for groups too. A track with very many sightings costs one fetch, for the next leaves it out.

    Args:
        fetched: the `first_fetch` best, as an engine returned them.
        fetch: the so many best of the same gallery without what was seen.
        top: results wanted.
        by_track: keep the best sighting of each track only; a sighting without track stands for itself.
    """
    limit = first_fetch(top, by_track)
    kept: list[Match] = []
    while True:
        ordered = sorted(fetched, key=lambda match: (-match.score, match.sighting.key))
        ended = len(fetched) < limit
        complete = [match for match in ordered if ended or match.score > ordered[-1].score]
        kept += _first_of_tracks(complete) if by_track else complete
        if ended or len(kept) >= top:
            return kept[:top]
        # Growing too, so that a thousand tracks of a thousand sightings do not take a thousand fetches.
        limit *= _GROWTH
        fetched = fetch(limit, _seen(kept, by_track))


def _seen(kept: Sequence[Match], by_track: bool) -> Seen:
    tracks = tuple(match.sighting.track for match in kept if by_track and match.sighting.track is not None)
    return Seen(tracks, tuple(match.sighting.key for match in kept if not by_track or match.sighting.track is None))


def _first_of_tracks(ordered: Sequence[Match]) -> list[Match]:
    best: dict[tuple[str, str], Match] = {}
    for match in ordered:
        track = match.sighting.track
        best.setdefault(("key", match.sighting.key) if track is None else ("track", track), match)
    return list(best.values())
