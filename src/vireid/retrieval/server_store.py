"""A gallery on a Qdrant server or cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float32
from qdrant_client import QdrantClient, models

from vireid.retrieval.conditions import Conditions
from vireid.retrieval.payload import KEYWORDS, TIME, from_payload, point_id, to_payload
from vireid.retrieval.ranked import Match, Seen, best_of_each
from vireid.retrieval.sighting import Sighting
from vireid.retrieval.store import Field
from vireid.types import VireidError

__all__ = ["ServerStore"]

_POINTS = 250  # a request of 2,048 numbers each stays under the server's limit of 32 MB
_Result = TypeVar("_Result")


class ServerStore:
    """A `vireid.retrieval.store.Store` in a collection of a server: same points, same filters as in a folder.

    What is acknowledged is as safe as the server makes it: every write waits until the server has applied it.

    Args:
        client: connected to a server, or the client's own local mode.
        collection: name of the collection, no alias, which another process may point elsewhere.
        dimension: numbers in a feature.
    """

    def __init__(self, client: QdrantClient, collection: str, dimension: int) -> None:
        self.dimension = dimension
        self._client = client
        self._collection = collection

    @classmethod
    def create(cls, client: QdrantClient, collection: str, dimension: int, facts: dict[str, object]) -> ServerStore:
        """A new collection with its indexes.

        Args:
            facts: kept with the collection: what its model is.

        Raises:
            VireidError: the server refuses.
        """
        store = cls(client, collection, dimension)
        store._call(
            lambda: client.create_collection(
                collection,
                vectors_config=models.VectorParams(size=dimension, distance=models.Distance.DOT),
                hnsw_config=models.HnswConfigDiff(m=0, payload_m=0),  # search is exact: no graph is needed
                metadata=facts,
            ),
            "create",
        )
        for name in KEYWORDS:
            store._index(name, models.PayloadSchemaType.KEYWORD)
        store._index(TIME, models.PayloadSchemaType.DATETIME)
        return store

    def put(self, sightings: Sequence[Sighting], features: Float32[np.ndarray, "n d"]) -> None:
        """See `Store.put`."""
        for start in range(0, len(sightings), _POINTS):
            rows = slice(start, start + _POINTS)
            points = [
                models.PointStruct(id=str(point_id(sighting.key)), vector=row.tolist(), payload=to_payload(sighting))
                for sighting, row in zip(sightings[rows], features[rows], strict=True)
            ]
            self._call(lambda new=points: self._client.upsert(self._collection, points=new, wait=True), "write to")

    def known(self, keys: Collection[str]) -> set[str]:
        """See `Store.known`."""
        points = [str(point_id(key)) for key in keys]
        records = self._call(
            lambda: self._client.retrieve(self._collection, ids=points, with_payload=["key"], with_vectors=False),
            "read",
        )
        return {record.payload["key"] for record in records if record.payload} & set(keys)

    def nearest(
        self, features: Float32[np.ndarray, "q d"], *, top: int, conditions: Conditions, by_track: bool
    ) -> list[list[Match]]:
        """See `Store.nearest`."""

        def fetch(rows: Float32[np.ndarray, "r d"], limit: int, seen: Seen) -> list[list[Match]]:
            wanted = _filter(conditions, seen)
            requests = [
                models.QueryRequest(
                    query=row.tolist(),
                    limit=limit,
                    filter=wanted,
                    with_payload=True,
                    params=models.SearchParams(exact=True),
                )
                for row in rows
            ]
            found = self._call(lambda: self._client.query_batch_points(self._collection, requests=requests), "read")
            return [[_match(point) for point in answer.points] for answer in found]

        return best_of_each(features, fetch, top=top, by_track=by_track)

    def delete(self, conditions: Conditions) -> int:
        """See `Store.delete`."""
        removed = self.count(conditions)
        if removed:
            chosen = models.FilterSelector(filter=_filter(conditions) or models.Filter())
            self._call(lambda: self._client.delete(self._collection, points_selector=chosen, wait=True), "write to")
        return removed

    def count(self, conditions: Conditions) -> int:
        """See `Store.count`."""
        return self._call(
            lambda: self._client.count(self._collection, count_filter=_filter(conditions), exact=True), "read"
        ).count

    def each(
        self, conditions: Conditions, *, batch: int = 1000
    ) -> Iterator[tuple[list[Sighting], Float32[np.ndarray, "n d"]]]:
        """See `Store.each`."""
        offset = None
        while True:
            records, offset = self._call(
                lambda start=offset: self._client.scroll(
                    self._collection,
                    scroll_filter=_filter(conditions),
                    limit=batch,
                    offset=start,
                    with_payload=True,
                    with_vectors=True,
                ),
                "read",
            )
            if records:
                yield (
                    [from_payload(record.payload or {}) for record in records],
                    np.array([record.vector for record in records], dtype=np.float32),
                )
            if offset is None:
                return

    def values(self, field: Field, conditions: Conditions) -> dict[str, int]:
        """See `Store.values`."""
        limit = max(1, self.count(conditions))
        hits = self._call(
            lambda: self._client.facet(
                self._collection, key=field, facet_filter=_filter(conditions), limit=limit, exact=True
            ),
            "read",
        ).hits
        # See EdgeStore.values for counts of 0.
        return {value: count for value, count in sorted((str(hit.value), hit.count) for hit in hits) if count}

    def compact(self) -> None:
        """Nothing to do: a server gives back room by itself, in the background."""

    def close(self) -> None:
        """Nothing to do: the client belongs to whoever made it."""

    def _index(self, name: str, kind: models.PayloadSchemaType) -> None:
        self._call(
            lambda: self._client.create_payload_index(self._collection, field_name=name, field_schema=kind, wait=True),
            "create",
        )

    def _call(self, call: Callable[[], _Result], verb: str) -> _Result:
        try:
            return call()
        except Exception as error:
            raise VireidError(f"cannot {verb} collection {self._collection} of the Qdrant server: {error}") from error


def _filter(conditions: Conditions, without: Seen | None = None) -> models.Filter | None:
    must = _any_of(conditions.any_of())
    must_not = _any_of(without.any_of()) if without else []
    if conditions.since is not None or conditions.until is not None:
        span = models.DatetimeRange(gte=conditions.since, lt=conditions.until)
        must.append(models.FieldCondition(key=TIME, range=span))
    return models.Filter(must=must, must_not=must_not) if must or must_not else None


def _any_of(values: Mapping[str, list[str]]) -> list[models.Condition]:
    return [models.FieldCondition(key=name, match=models.MatchAny(any=each)) for name, each in values.items()]


def _match(point: models.ScoredPoint) -> Match:
    return Match(from_payload(point.payload or {}), min(1.0, max(-1.0, point.score)))
