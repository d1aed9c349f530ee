"""The best matches in an order that does not depend on the engine, by sighting or by track."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vireid.retrieval.sighting import Sighting

__all__ = ["Match", "best_matches", "first_fetch"]

_GROWTH = 4


@dataclass(frozen=True, slots=True)
class Match:
    """A sighting that a search found.

    Attributes:
        score: cosine of query and sighting, -1 to 1.
    """

    sighting: Sighting
    score: float


def first_fetch(top: int, by_track: bool) -> int:
    """How many matches to fetch first: one more than needed shows whether equal scores lie beyond the border."""
    return top * _GROWTH + 1 if by_track else top + 1


def best_matches(
    fetched: Sequence[Match], fetch: Callable[[int], Sequence[Match]], *, top: int, by_track: bool
) -> list[Match]:
    """The ``top`` best of the whole gallery by falling score, equal scores by rising key.

    An engine cuts equal scores wherever it likes, and of a track it may return many sightings. So more are fetched
    until the last one is worse than all that are kept, or nothing is left: exact for groups too.

    Args:
        fetched: the `first_fetch` best, as an engine returned them.
        fetch: the so many best, of the same gallery.
        top: results wanted.
        by_track: keep the best sighting of each track only; a sighting without track stands for itself.
    """
    limit = first_fetch(top, by_track)
    while True:
        ordered = sorted(fetched, key=lambda match: (-match.score, match.sighting.key))
        kept = _first_of_tracks(ordered) if by_track else ordered
        if len(fetched) < limit or (len(kept) >= top and kept[top - 1].score > ordered[-1].score):
            return kept[:top]
        limit *= _GROWTH
        fetched = fetch(limit)


def _first_of_tracks(ordered: Sequence[Match]) -> list[Match]:
    best: dict[tuple[str, str], Match] = {}
    for match in ordered:
        track = match.sighting.track
        best.setdefault(("key", match.sighting.key) if track is None else ("track", track), match)
    return list(best.values())
