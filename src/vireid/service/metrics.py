"""What Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of one service: none is shared with another in the same process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vireid_requests",
            "Requests answered, by route and status",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "vireid_request_seconds",
            "From the first byte of a request to the last of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "vireid_batch_images",
            "Images that the network took at a time",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self._registry,
        )
        self._at_once = Gauge("vireid_requests_at_once", "Requests being worked on", registry=self._registry)
        self._waiting = Gauge("vireid_images_waiting", "Images that wait for the network", registry=self._registry)
        self._sightings = Gauge("vireid_gallery_sightings", "Sightings of the gallery", registry=self._registry)
        self._timeless = Gauge(
            "vireid_gallery_sightings_without_time", "Sightings that retention never deletes", registry=self._registry
        )
        self._retired = Counter(
            "vireid_retention_deleted", "Sightings deleted because of their age", registry=self._registry
        )
        self._retention_failed = Counter(
            "vireid_retention_failures", "Failed attempts to delete old ones", registry=self._registry
        )

    def answered(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, images: int) -> None:
        """Count a batch."""
        self._batches.observe(images)

    def at_once(self, read: Callable[[], float]) -> None:
        """Where to read how many requests are being worked on."""
        self._at_once.set_function(read)

    def waiting(self, read: Callable[[], float]) -> None:
        """Where to read how many images wait."""
        self._waiting.set_function(read)

    def retired(self, sightings: int) -> None:
        """Count what retention deleted."""
        self._retired.inc(sightings)

    def retention_failed(self) -> None:
        """Count an attempt that failed."""
        self._retention_failed.inc()

    def text(self, *, sightings: int, without_time: int) -> bytes:
        """All of it, as Prometheus reads it."""
        self._sightings.set(sightings)
        self._timeless.set(without_time)
        return generate_latest(self._registry)
