"""How little is fetched for results that are exact."""

import hashlib

import pytest

from vireid.retrieval import Match, Sighting
from vireid.retrieval.ranked import Seen, best_matches, first_fetch
from vireid.types import Modality


def match(number: int, score: float, track: str | None) -> Match:
    key = hashlib.sha256(str(number).encode()).hexdigest()
    return Match(Sighting(key=key, path="", modality=Modality.VISIBLE, track=track), score)


def searched(rows, top, by_track=True):
    """The best of some rows, which stand best first, and how many were fetched each time."""
    fetched = []

    def fetch(limit: int, seen: Seen):
        left = [row for row in rows if row.sighting.track not in seen.tracks and row.sighting.key not in seen.keys]
        fetched.append(len(left[:limit]))
        return left[:limit]

    best = best_matches(fetch(first_fetch(top, by_track), Seen()), fetch, top=top, by_track=by_track)
    return best, fetched


def test_a_track_of_very_many_sightings_costs_one_more_fetch():
    long = [match(number, 1 - number / 1e6, "long") for number in range(30_000)]
    others = [match(30_000 + number, 0.5 - number / 100, f"t{number}") for number in range(40)]
    best, fetched = searched(long + others, 10)
    assert best == [long[0], *others[:9]]
    assert fetched == [41, 40]


def test_many_long_tracks_take_few_fetches():
    rows = [match(number, 1 - number / 1e6, f"t{number // 1000}") for number in range(20_000)]
    best, fetched = searched(rows, 10)
    assert best == rows[:10_000:1000]
    assert len(fetched) <= 8
    assert sum(fetched) < 10_000


@pytest.mark.parametrize("by_track", [False, True])
def test_equal_scores_are_fetched_until_their_order_is_sure(by_track):
    rows = [match(0, 0.9, None)] + [match(number, 0.5, "same" if number % 2 else None) for number in range(1, 300)]
    best, _ = searched(rows, 3, by_track)
    after = sorted(rows[1:], key=lambda row: row.sighting.key)
    if by_track:
        first = next(row for row in after if row.sighting.track)
        after = [row for row in after if row is first or row.sighting.track is None]
    assert best == [rows[0], *after[:2]]


def test_without_tracks_equal_scores_beyond_the_border_are_seen():
    rows = [match(number, 0.5, None) for number in range(50)]
    best, _ = searched(rows, 5, by_track=False)
    assert best == sorted(rows, key=lambda row: row.sighting.key)[:5]
