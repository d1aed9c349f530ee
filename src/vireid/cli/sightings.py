"""What the commands on galleries share: places, conditions, and how times are read and shown."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from vireid.cli.config import FilterConfig
from vireid.retrieval import Conditions
from vireid.types import Modality, VireidError

__all__ = ["conditions_of", "is_gallery", "shown_time"]


def is_gallery(place: str) -> bool:
    """Whether it is the folder or URL of a gallery, and no folder of images."""
    return "://" in place or (Path(place) / "gallery.json").is_file()


def conditions_of(wanted: FilterConfig, *, modality: str | None = None, keys: tuple[str, ...] = ()) -> Conditions:
    """The conditions that flags set.

    Raises:
        VireidError: a time that is none or has no zone, a key that is no SHA-256.
    """
    for key in keys:
        if not re.fullmatch("[0-9a-f]{64}", key):
            raise VireidError(
                f"--key takes whole keys, 64 hexadecimal digits as `vireid search --json` writes them, got {key!r}"
            )
    return Conditions(
        keys=keys,
        persons=wanted.persons,
        cameras=wanted.cameras,
        tracks=wanted.tracks,
        since=_moment(wanted.since, "--since"),
        until=_moment(wanted.until, "--until"),
        modality=None if modality is None else Modality(modality),
        tags=wanted.tags,
    )


def shown_time(time: datetime | None) -> str:
    """To the second, in UTC; empty where unknown."""
    return "" if time is None else f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M:%SZ}"


def _moment(text: str | None, flag: str) -> datetime | None:
    if text is None:
        return None
    try:
        # Python 3.10 reads the zone as +00:00 only.
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("z", "Z") else text)
    except ValueError:
        raise VireidError(f"{flag} takes ISO 8601 with a zone, like 2026-11-21T08:00+01:00, got {text!r}") from None
    if moment.utcoffset() is None:
        raise VireidError(f"{flag} needs a time zone, got {text!r}; {moment.isoformat()}+00:00 is UTC")
    return moment
