"""Old sightings go, at the start and every hour, and of what was deleted no bytes are left."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta, timezone
from itertools import count, islice

from vireid.retrieval import Conditions
from vireid.service.changing import delete_with_images
from vireid.service.service import Service

__all__ = ["Retention", "compact", "delete_old", "forget_orphans"]

_HOUR = 3600.0
_ROUNDS_TO_COMPACT = 24  # searches wait for it, of a million sightings for minutes
_PIECE = 500
_LOG = logging.getLogger("vireid.service")


class Retention:
    """A thread that deletes what is too old, uploaded images whose sighting is gone.

    What the engine still keeps is compacted away at the start and every 24th round, so that of what was deleted no
    bytes are left after a day. A failure is logged and counted, and tried again in the next round.

    Args:
        service: whose gallery.
        every: seconds between two rounds.
    """

    def __init__(self, service: Service, *, every: float = _HOUR) -> None:
        self._service = service
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="vireid-retention", daemon=True)

    def start(self) -> None:
        """Begin with a round at once."""
        self._thread.start()

    def close(self) -> None:
        """End after what is being done; a second call does nothing."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        for number in count():
            try:
                delete_old(self._service, datetime.now(timezone.utc))
                forget_orphans(self._service, self._stop)
                if number % _ROUNDS_TO_COMPACT == 0:
                    compact(self._service)
            except Exception:
                self._service.metrics.retention_failed()
                _LOG.exception("retention failed and is tried again in %.0f s", self._every)
            if self._stop.wait(self._every):
                return


def delete_old(service: Service, now: datetime) -> int:
    """Delete the sightings of more than ``keep_days`` before now and say how many; those without a time stay.

    Raises:
        VireidError: disk, engine or audit log refuse.
    """
    days = service.settings.keep_days
    if days is None:
        return 0
    until = now - timedelta(days=days)
    conditions = Conditions(until=until)
    if not service.gallery.count(conditions):
        return 0
    facts = {"who": "the service", "conditions": {"until": until.isoformat()}, "keep_days": days}
    service.audit.write("retention", stage="begun", **facts)
    removed = delete_with_images(service, conditions)
    service.audit.write("retention", stage="done", sightings=removed, **facts)
    service.metrics.retired(removed)
    return removed


def compact(service: Service) -> None:
    """Let the engine forget what was deleted since the last time; searches wait for it.

    Raises:
        VireidError: disk or engine refuse.
    """
    if service.uncompacted:
        with service.changing:  # what is deleted meanwhile would not be noted
            service.gallery.compact()
            service.note_uncompacted(False)


def forget_orphans(service: Service, stop: threading.Event) -> int:
    """Remove uploaded images that no sighting has: a kill or `vireid gallery delete` may leave such.

    Args:
        stop: set to end before all are looked at.

    Raises:
        VireidError: an image cannot be removed.
    """
    keys = service.shelf.kept_keys()
    removed = 0
    while (piece := tuple(islice(keys, _PIECE))) and not stop.is_set():
        with service.changing:  # an image that is being added has no sighting yet
            gone = set(piece) - service.gallery.known(piece)
            service.shelf.forget(gone)
        removed += len(gone)
    return removed
