"""A gallery in a folder: the engine of Qdrant inside this process."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import qdrant_edge as engine
from jaxtyping import Float32

from vireid.retrieval.conditions import Conditions
from vireid.retrieval.holes import copy_with_holes
from vireid.retrieval.payload import KEYWORDS, TIME, from_payload, point_id, time_text, to_payload
from vireid.retrieval.ranked import Match, Seen, best_of_each
from vireid.retrieval.room import require_room
from vireid.retrieval.sighting import Sighting
from vireid.retrieval.store import Field
from vireid.types import VireidError, write_atomically

__all__ = ["EdgeStore"]

_NUMBERS = 1 << 22  # of a piece that is written at once: its entry in the log takes about 20 MB
_MIB = 1 << 20
_LOG_FILE = 32 * _MIB  # what a file of the log holds
# Two of the large entries fit into no file, and neither the small one beside a large one: each begins a new file.
_LARGE, _SMALL = _LOG_FILE - (_MIB >> 4), _MIB >> 3
_ROOM = 64 * _MIB  # the log's files, and replaying one piece after a kill
_ROOM_TO_GROW = 192 * _MIB  # more than to open and to delete, so that a gallery that filled its disk still can be
_DRAFTS = "temp_segments"  # the engine's name for where a compaction works
_Result = TypeVar("_Result")


class EdgeStore:
    """A `vireid.retrieval.store.Store` in files of its own.

    Search is exact, whatever the size and the filter: recall 1 by construction. HNSW is not built: under
    conditions its recall was 0.89 to 0.97, and an exact search of 100,000 takes tens of milliseconds (docs/gallery.md).

    A change is written to the engine's log and flushed (``fsync``) before it is acknowledged. The engine keeps
    Python's lock while it works, so threads wait for each other: for a search milliseconds, for `compact` seconds.

    Args:
        folder: of the engine's files; made where it is not there.
        dimension: numbers in a feature.

    Raises:
        VireidError: the folder cannot be opened as a store of this dimension.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self.dimension = dimension
        self._folder = folder
        self._writing = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)
        require_room(folder, _ROOM, "open the gallery")
        self._shard = self._call(lambda: _opened(folder, dimension), "open")

    def put(self, sightings: Sequence[Sighting], features: Float32[np.ndarray, "n d"]) -> None:
        """See `Store.put`."""
        with self._writing:
            at_once = max(1, _NUMBERS // self.dimension)
            for start in range(0, len(sightings), at_once):
                rows = slice(start, start + at_once)
                require_room(self._folder, _ROOM_TO_GROW + 4 * features[rows].nbytes, "add to the gallery")
                points = [
                    engine.Point(id=point_id(sighting.key), vector=feature, payload=to_payload(sighting))
                    for sighting, feature in zip(sightings[rows], features[rows], strict=True)
                ]
                self._update(engine.UpdateOperation.upsert_points(points))

    def known(self, keys: Collection[str]) -> set[str]:
        """See `Store.known`."""
        points: list[engine.PointId] = [point_id(key) for key in keys]
        records = self._read(lambda shard: shard.retrieve(points, with_payload=["key"], with_vector=False))
        return {record.payload["key"] for record in records if record.payload} & set(keys)

    def nearest(
        self, features: Float32[np.ndarray, "q d"], *, top: int, conditions: Conditions, by_track: bool
    ) -> list[list[Match]]:
        """See `Store.nearest`."""

        def fetch(rows: Float32[np.ndarray, "r d"], limit: int, seen: Seen) -> list[list[Match]]:
            wanted = _filter(conditions, seen)
            requests = [
                engine.QueryRequest(
                    query=engine.Query.Nearest(row.tolist()),
                    limit=limit,
                    filter=wanted,
                    with_payload=True,
                    params=engine.SearchParams(exact=True),
                )
                for row in rows
            ]
            found = self._read(lambda shard: shard.query_batch(engine.QueryBatchRequest(requests)))
            return [[_match(point) for point in points] for points in found]

        return best_of_each(features, fetch, top=top, by_track=by_track)

    def delete(self, conditions: Conditions) -> int:
        """See `Store.delete`."""
        with self._writing:
            removed = self.count(conditions)
            if removed:
                require_room(self._folder, _ROOM, "delete from the gallery")
                self._update(engine.UpdateOperation.delete_points_by_filter(_filter(conditions) or engine.Filter()))
            return removed

    def count(self, conditions: Conditions) -> int:
        """See `Store.count`."""
        return self._read(lambda shard: shard.count(engine.CountRequest(exact=True, filter=_filter(conditions))))

    def each(
        self, conditions: Conditions, *, batch: int = 1000
    ) -> Iterator[tuple[list[Sighting], Float32[np.ndarray, "n d"]]]:
        """See `Store.each`."""
        offset = None
        while True:
            request = engine.ScrollRequest(
                offset=offset, limit=batch, filter=_filter(conditions), with_payload=True, with_vector=True
            )
            records, offset = self._read(lambda shard, page=request: shard.scroll(page))
            if records:
                yield (
                    [from_payload(record.payload or {}) for record in records],
                    np.array([record.vector for record in records], dtype=np.float32),
                )
            if offset is None:
                return

    def values(self, field: Field, conditions: Conditions) -> dict[str, int]:
        """See `Store.values`."""
        request = engine.FacetRequest(
            key=field, limit=max(1, self.count(conditions)), exact=True, filter=_filter(conditions)
        )
        hits = self._read(lambda shard: shard.facet(request)).hits
        # A value whose last sighting was deleted stays in the index until the next compaction, with a count of 0.
        return {str(value): count for value, count in sorted((hit.value, hit.count) for hit in hits) if count}

    def compact(self) -> None:
        """See `Store.compact`."""
        with self._writing:
            # It writes what stays anew, in another place, and removes the old afterwards.
            size = self.count(Conditions()) * self.dimension * 4
            require_room(self._folder, _ROOM_TO_GROW + 2 * size, "compact the gallery")
            self._call(self._shard.optimize, "compact")
            self._call(self._shard.flush, "write to")
            # The log keeps its last two files, and with them what was deleted, until as much again was written. So
            # entries that change nothing push them out. They are zeros, which need no room once they are holes.
            for size in (_LARGE, _LARGE, _SMALL):
                self._update(engine.UpdateOperation.set_payload([], {"-": "\0" * size}))
            self._make_holes_in_log()

    def close(self) -> None:
        """See `Store.close`."""
        with self._writing:
            self._call(self._shard.close, "close")

    def _make_holes_in_log(self) -> None:
        """Give back the room of zeros in files of the log that nothing is written to any more."""
        for file in (self._folder / "wal").glob("closed-*"):
            # The engine looks at all that lies in its own folder of logs, so the draft must not lie there.
            with write_atomically(self._folder / _DRAFTS / file.name) as draft:
                copy_with_holes(file, draft)
            with contextlib.suppress(PermissionError):  # Windows, while the engine has it open: then it stays large
                (self._folder / _DRAFTS / file.name).replace(file)

    def _update(self, operation: engine.UpdateOperation) -> None:
        # The log survives the end of the process without flush, a power cut with it only.
        self._call(lambda: self._shard.update(operation), "write to")
        self._call(self._shard.flush, "write to")

    def _read(self, call: Callable[[engine.EdgeShard], _Result]) -> _Result:
        return self._call(lambda: call(self._shard), "read")

    def _call(self, call: Callable[[], _Result], verb: str) -> _Result:
        try:
            return call()
        except Exception as error:
            raise VireidError(f"cannot {verb} the gallery's files in {self._folder}: {error}") from error
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a panic of the engine, which is no Exception
            raise VireidError(
                f"cannot {verb} the gallery's files in {self._folder}, which seem damaged: {error}; put them back "
                "from a backup, or index the images again into a new folder"
            ) from error


def _opened(folder: Path, dimension: int) -> engine.EdgeShard:
    if (folder / "edge_config.json").exists():
        # A compaction that was killed leaves its draft, which the engine would never look at again.
        shutil.rmtree(folder / _DRAFTS, ignore_errors=True)
        return engine.EdgeShard.load(str(folder))
    vectors = engine.EdgeVectorParams(size=dimension, distance=engine.Distance.Dot)
    # 0 builds no HNSW; the rest is what makes a compaction give back room after the first deletion.
    optimizers = engine.EdgeOptimizersConfig(indexing_threshold=0, deleted_threshold=0.0, vacuum_min_vector_number=1)
    shard = engine.EdgeShard.create(str(folder), engine.EdgeConfig(vectors=vectors, optimizers=optimizers))
    for name in KEYWORDS:
        shard.update(engine.UpdateOperation.create_field_index(name, engine.PayloadSchemaType.Keyword))
    shard.update(engine.UpdateOperation.create_field_index(TIME, engine.PayloadSchemaType.Datetime))
    shard.flush()
    return shard


def _filter(conditions: Conditions, without: Seen | None = None) -> engine.Filter | None:
    must = _any_of(conditions.any_of())
    must_not = _any_of(without.any_of()) if without else []
    if conditions.since is not None or conditions.until is not None:
        span = engine.RangeDateTime(
            gte=None if conditions.since is None else time_text(conditions.since),
            lt=None if conditions.until is None else time_text(conditions.until),
        )
        must.append(engine.FieldCondition(key=TIME, range=span))
    return engine.Filter(must=must, must_not=must_not) if must or must_not else None


def _any_of(values: Mapping[str, list[str]]) -> list[engine.ConditionType]:
    return [engine.FieldCondition(key=name, match=engine.MatchAny(any=each)) for name, each in values.items()]


def _match(point: engine.ScoredPoint) -> Match:
    return Match(from_payload(point.payload or {}), min(1.0, max(-1.0, point.score)))
