"""Images to index, one by one, and what is known of each before it is read."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Literal

from vireid.data import PART_MAP_FOLDER
from vireid.data.listing import IMAGE_SUFFIXES, check_root, walk_images
from vireid.retrieval.file_times import time_in_name
from vireid.types import Modality, Records, VireidError

__all__ = ["Level", "Source", "TimeFrom", "sources_of_folder", "sources_of_records"]

Level = Literal["camera", "track", "person", "-"]
"""What the name of a folder says; ``-`` says nothing."""
TimeFrom = Literal["name", "mtime", "none"]
"""Where the time of an image is from."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An image file to index and what is known of it; see `vireid.retrieval.Sighting`.

    Attributes:
        path: absolute.
        modality: None to find it from the pixels.
    """

    path: Path
    modality: Modality | None = None
    camera: str | None = None
    time: datetime | None = None
    track: str | None = None
    person: str | None = None


def sources_of_folder(
    folder: Path,
    *,
    modality: Modality | None = None,
    levels: Sequence[Level] = ("camera",),
    camera: str | None = None,
    time_from: TimeFrom = "name",
    zone: tzinfo = timezone.utc,
) -> Iterator[Source]:
    """The images of a folder, at any depth, in the order of their names; part maps are passed over.

    Args:
        folder: of crops.
        modality: of all of them, None to find it from the pixels.
        levels: what the folders below it are named after, from the outermost; an image that lies less deep lacks what
            the missing folders would say.
        camera: of all of them, whatever the folders say.
        time_from: ``name`` reads the time in the name of the file (`time_in_name`), ``mtime`` also takes the time of
            last change where the name has none, ``none`` leaves the time unknown.
        zone: of times in names that name no zone.

    Raises:
        VireidError: no such folder, one that cannot be read, a link that leads out of it, or a level that stands twice.
    """
    named = [level for level in levels if level != "-"]
    if len(set(named)) != len(named):
        raise VireidError(f"each level of folders says something else, got {' '.join(levels)}; use - for a folder")
    root = Path(os.path.abspath(check_root(folder)))  # noqa: PTH100 - resolve() would follow links
    for path in walk_images(root):
        if _is_part_map(root, path):
            continue
        file = root / path
        said = dict(zip(levels, path.split("/")[:-1]))
        yield Source(
            path=file,
            modality=modality,
            camera=camera or said.get("camera"),
            time=_time_of(file, time_from, zone),
            track=said.get("track"),
            person=said.get("person"),
        )


def sources_of_records(records: Records) -> Iterator[Source]:
    """The images of a table; times are seconds since 1970 in UTC, as times with a date become in a manifest."""
    for row, record in enumerate(records):
        yield Source(
            path=Path(os.path.abspath(records.file(row))),  # noqa: PTH100 - resolve() would follow links
            modality=record.modality,
            camera=_name(record.camera, records.camera_names),
            time=None if math.isnan(record.time) else _EPOCH + timedelta(seconds=record.time),
            track=record.track or None,
            person=_name(record.person, records.person_names),
        )


def _name(number: int, names: dict[int, str]) -> str | None:
    return None if number < 0 else names.get(number, str(number))


def _is_part_map(root: Path, path: str) -> bool:
    """A part map has the path of its image, below the folder of part maps."""
    below = f"{PART_MAP_FOLDER}/"
    if not path.startswith(below):
        return False
    image = root / path.removeprefix(below)
    return any(image.with_suffix(suffix).exists() for suffix in IMAGE_SUFFIXES)


def _time_of(file: Path, time_from: TimeFrom, zone: tzinfo) -> datetime | None:
    if time_from == "none":
        return None
    named = time_in_name(file.stem, zone)
    if named is not None or time_from == "name":
        return named
    try:
        return datetime.fromtimestamp(file.stat().st_mtime, timezone.utc)
    except OSError:  # whoever reads the image says what is wrong with it
        return None
