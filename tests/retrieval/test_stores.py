"""What every store must do, checked against plain lists."""

import hashlib
import os
import uuid
from collections import Counter
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from qdrant_client import QdrantClient

from vireid.retrieval import Conditions, Match, Sighting
from vireid.retrieval.edge_store import EdgeStore
from vireid.retrieval.server_store import ServerStore
from vireid.types import Modality, VireidError

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
DIMENSION = 4
STORES = [
    "edge",
    pytest.param("local", marks=pytest.mark.filterwarnings("ignore:(Payload indexes|Local mode)")),
    pytest.param("server", marks=pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="no QDRANT_URL")),
]


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    if request.param == "edge":
        made = EdgeStore(tmp_path / "edge", DIMENSION)
        yield made
        made.close()
    else:
        client = QdrantClient(":memory:") if request.param == "local" else QdrantClient(url=os.environ["QDRANT_URL"])
        name = f"test.{uuid.uuid4().hex}"
        yield ServerStore.create(client, name, DIMENSION, {})
        client.delete_collection(name)
        client.close()


def sighting(number: int, **fields) -> Sighting:
    key = hashlib.sha256(str(number).encode()).hexdigest()
    return Sighting(**({"key": key, "path": f"{number}.jpg", "modality": Modality.VISIBLE} | fields))


def crowd(count: int, seed: int) -> tuple[list[Sighting], np.ndarray]:
    """Every field known or unknown; directions so few that most scores are equal, and exact in any order of sums."""
    random = np.random.default_rng(seed)

    def maybe(values):
        return values[int(random.integers(len(values)))] if random.random() < 0.8 else None

    sightings = [
        sighting(
            1000 * seed + number,
            modality=list(Modality)[int(random.integers(2))],
            camera=maybe(["door", "yard", "café ☕"]),
            time=maybe([NOON + timedelta(microseconds=int(step)) for step in range(-3, 4)]),
            track=maybe([f"track {track}" for track in range(5)]),
            person=maybe(["ann", "bob"]),
            tags=tuple(str(tag) for tag in random.choice(["red", "bag", "run"], random.integers(4), replace=False)),
        )
        for number in range(count)
    ]
    features = np.eye(DIMENSION, dtype=np.float32)[random.integers(DIMENSION, size=count)]
    return sightings, features * random.choice([-1, 1], (count, 1)).astype(np.float32)


def meets(one: Sighting, conditions: Conditions) -> bool:
    lists = ((conditions.keys, one.key), (conditions.persons, one.person), (conditions.cameras, one.camera))
    if any(wanted and value not in wanted for wanted, value in (*lists, (conditions.tracks, one.track))):
        return False
    if conditions.modality is not None and one.modality is not conditions.modality:
        return False
    if conditions.tags and not set(conditions.tags) & set(one.tags):
        return False
    if (conditions.since or conditions.until) and one.time is None:
        return False
    if conditions.since is not None and one.time < conditions.since:
        return False
    return conditions.until is None or one.time < conditions.until


def slow_nearest(rows, query, top, conditions, by_track):
    found = [(-float(feature @ query), one.key, one) for one, feature in rows if meets(one, conditions)]
    kept, tracks = [], set()
    for score, _, one in sorted(found, key=lambda entry: entry[:2]):
        if by_track and one.track is not None:
            if one.track in tracks:
                continue
            tracks.add(one.track)
        kept.append(Match(one, -score))
    return kept[:top]


CONDITIONS = [
    Conditions(),
    Conditions(cameras=("door",)),
    Conditions(cameras=("door", "café ☕"), modality=Modality.INFRARED),
    Conditions(since=NOON),
    Conditions(until=NOON),
    Conditions(since=NOON - timedelta(microseconds=1), until=NOON + timedelta(microseconds=2)),
    Conditions(persons=("ann",), tags=("red", "bag")),
    Conditions(tracks=("track 1", "track 3"), cameras=("yard",)),
    Conditions(keys=(sighting(0).key, sighting(5).key, "f" * 64)),
    Conditions(cameras=("nowhere",)),
]


def test_every_answer_equals_that_of_plain_lists(store):
    sightings, features = crowd(60, seed=0)
    store.put(sightings, features)
    rows = sorted(zip(sightings, features, strict=True), key=lambda row: row[0].key)
    assert sum(any(meets(one, conditions) for one, _ in rows) for conditions in CONDITIONS) == len(CONDITIONS) - 1
    for conditions in CONDITIONS:
        check_answers(store, rows, conditions)


def check_answers(store, rows, conditions):
    expected = [one for one, _ in rows if meets(one, conditions)]

    assert store.count(conditions) == len(expected)
    pieces = list(store.each(conditions, batch=7))
    assert [one for piece, _ in pieces for one in piece] == expected
    if expected:
        np.testing.assert_array_equal(
            np.concatenate([piece for _, piece in pieces]), [feature for one, feature in rows if one in expected]
        )
    for field in ("camera", "person", "track"):
        values = Counter(getattr(one, field) for one in expected)
        values.pop(None, None)
        assert store.values(field, conditions) == values
        assert list(store.values(field, conditions)) == sorted(values)
    queries = np.array([[1, 0, 0, 0], [0.6, 0, -0.8, 0]], dtype=np.float32)
    for by_track in (False, True):
        for top in (1, 7, 100):
            found = store.nearest(queries, top=top, conditions=conditions, by_track=by_track)
            for matches, query in zip(found, queries, strict=True):
                slow = slow_nearest(rows, query, top, conditions, by_track)
                assert [match.sighting for match in matches] == [match.sighting for match in slow]
                np.testing.assert_allclose([m.score for m in matches], [m.score for m in slow], atol=1e-6)


def test_deletion_takes_what_meets_the_conditions_and_nothing_else(store):
    sightings, features = crowd(40, seed=0)
    for number, conditions in enumerate(CONDITIONS[1:]):
        store.put(sightings, features)
        gone = [one for one in sightings if meets(one, conditions)]
        assert store.delete(conditions) == len(gone)
        if number == 4:
            store.compact()
        left = sorted(one.key for one in sightings if one not in gone)
        assert [one.key for piece, _ in store.each(Conditions()) for one in piece] == left
        assert store.known([one.key for one in sightings]) == set(left)
        cameras = Counter(one.camera for one in sightings if one not in gone and one.camera)
        assert store.values("camera", Conditions()) == cameras
        assert store.count(conditions) == store.delete(conditions) == 0


def test_deletion_without_conditions_takes_all(store):
    store.put(*crowd(5, seed=0))
    assert store.delete(Conditions()) == 5
    assert store.count(Conditions()) == 0
    assert store.nearest(np.eye(DIMENSION, dtype=np.float32)[:1], top=3, conditions=Conditions(), by_track=True) == [[]]


def test_putting_a_key_again_replaces_it(store):
    features = np.eye(DIMENSION, dtype=np.float32)
    store.put([sighting(1, camera="door")], features[:1])
    store.put([sighting(1, person="ann")], features[1:2])
    [(sightings, kept)] = list(store.each(Conditions()))
    assert sightings == [sighting(1, person="ann")]
    np.testing.assert_array_equal(kept, features[1:2])
    assert store.count(Conditions(cameras=("door",))) == 0


def test_known_asks_for_the_whole_key(store):
    store.put([sighting(1)], np.eye(DIMENSION, dtype=np.float32)[:1])
    key = sighting(1).key
    alike = key[:63] + ("0" if key[63] != "0" else "1")  # the same point
    assert store.known([key, alike, sighting(2).key]) == {key}
    assert store.known([]) == set()


def test_times_are_exact_to_the_microsecond(store):
    times = [
        datetime(1, 1, 1, tzinfo=timezone.utc),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc),
        datetime(2026, 3, 29, 2, 30, 0, 123_457, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
        datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=timezone.utc),
    ]
    for earlier, time in enumerate(times):
        store.put([sighting(earlier, time=time)], np.eye(DIMENSION, dtype=np.float32)[:1])
        later = time + timedelta(microseconds=1)
        [([kept], _)] = list(store.each(Conditions(since=time, until=later)))
        assert kept.time == time
        assert store.count(Conditions(since=later)) == 0
        assert store.count(Conditions(until=time)) == earlier


def test_a_track_with_very_many_sightings_hides_no_other(store):
    crowded = [sighting(number, track="long") for number in range(300)]
    others = [sighting(1000 + number, track=f"track {number}") for number in range(3)] + [sighting(2000)]
    features = np.zeros((304, DIMENSION), dtype=np.float32)
    features[:300, 0], features[300:, 1] = 1, 1
    store.put(crowded + others, features)
    query = np.array([[0.8, 0.6, 0, 0]], dtype=np.float32)
    [matches] = store.nearest(query, top=5, conditions=Conditions(), by_track=True)
    assert matches[0].sighting.key == min(one.key for one in crowded)
    assert [match.sighting.key for match in matches[1:]] == sorted(one.key for one in others)


@pytest.mark.parametrize("top", [1, 4, 7, 20])
@pytest.mark.parametrize(
    "conditions", [Conditions(), Conditions(tracks=("a", "c", "e")), Conditions(cameras=("door",))], ids=str
)
def test_long_tracks_one_behind_the_other_equal_plain_lists(store, top, conditions):
    tracks = [*"a" * 60, *"b" * 40, None, *"c" * 90, None, None, *"dec" * 20, None]
    sightings = [sighting(n, track=track, camera=("door", "yard")[n % 2]) for n, track in enumerate(tracks)]
    # Pairs of equal scores, apart from the next by more than any order of sums could move them.
    angles = np.arange(len(tracks)) // 2 / 256
    features = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], axis=1).astype(np.float32)
    store.put(sightings, features)
    query = np.eye(DIMENSION, dtype=np.float32)[0]
    [found] = store.nearest(query[None], top=top, conditions=conditions, by_track=True)
    slow = slow_nearest(list(zip(sightings, features, strict=True)), query, top, conditions, True)
    assert [match.sighting for match in found] == [match.sighting for match in slow]


def test_a_long_row_of_changes_equals_that_of_plain_lists(store):
    random = np.random.default_rng(3)
    there: dict[str, tuple[Sighting, np.ndarray]] = {}
    for step in range(18):
        deed = "compact" if step in (7, 13) else random.choice(["put", "put", "delete"])
        if deed == "put":
            sightings, features = crowd(15, seed=int(random.integers(4)))
            store.put(sightings, features)
            there |= {one.key: (one, feature) for one, feature in zip(sightings, features, strict=True)}
        elif deed == "delete":
            conditions = CONDITIONS[int(random.integers(1, len(CONDITIONS)))]
            gone = [key for key, (one, _) in there.items() if meets(one, conditions)]
            assert store.delete(conditions) == len(gone)
            there = {key: row for key, row in there.items() if key not in gone}
        else:
            store.compact()
        query = np.array([[0, 0.6, 0, 0.8]], dtype=np.float32)
        [found] = store.nearest(query, top=9, conditions=CONDITIONS[step % 9], by_track=bool(step % 2))
        slow = slow_nearest(there.values(), query[0], 9, CONDITIONS[step % 9], bool(step % 2))
        assert [match.sighting for match in found] == [match.sighting for match in slow]


def test_a_closed_edge_store_says_so(tmp_path):
    store = EdgeStore(tmp_path, DIMENSION)
    store.close()
    with pytest.raises(VireidError, match=r"cannot read the gallery's files in .* not initialized"):
        store.count(Conditions())


def test_a_store_that_vanished_from_the_server_says_so():
    store = ServerStore(QdrantClient(":memory:"), "people", DIMENSION)
    with pytest.raises(VireidError, match=r"cannot read collection people of the Qdrant server: .*not found"):
        store.count(Conditions())
