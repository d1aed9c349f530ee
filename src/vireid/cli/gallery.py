"""``vireid gallery``: look at a gallery, delete from it, export it, compact it."""

from __future__ import annotations

import dataclasses
import re
import sys
from datetime import datetime
from pathlib import Path

from rich.prompt import Confirm

from vireid.cli.config import FilterConfig
from vireid.cli.console import console, printable, progress_console, say
from vireid.cli.gallery_config import GalleryCompactConfig, GalleryDeleteConfig, GalleryExportConfig, GalleryInfoConfig
from vireid.cli.sightings import conditions_of, shown_time
from vireid.retrieval import Conditions, Gallery, open_gallery
from vireid.service.uncompacted import UNCOMPACTED, note_uncompacted
from vireid.types import VireidError

__all__ = ["gallery"]

_KEPT = re.compile(r"([0-9a-f]{64})\.[a-z]+")
_CAMERAS = 20


def gallery(config: GalleryInfoConfig | GalleryDeleteConfig | GalleryExportConfig | GalleryCompactConfig) -> None:
    """Do what the subcommand asks.

    Raises:
        VireidError: no gallery there, a deletion of nothing or of everything that nobody confirmed, what it refuses.
    """
    if isinstance(config, GalleryDeleteConfig):
        _check_deletion(config)
    with open_gallery(config.gallery) as opened:
        match config:
            case GalleryInfoConfig():
                _info(opened)
            case GalleryDeleteConfig():
                _delete(config, opened)
            case GalleryExportConfig():
                conditions = conditions_of(config.wanted, modality=config.modality)
                count = opened.export(config.out, conditions)
                say(f"{count:,} sightings in {config.out} and {config.out.with_suffix('.parquet')}")
            case GalleryCompactConfig():
                _compact(opened)
                _note_uncompacted(config.gallery, False)


def _info(opened: Gallery) -> None:
    info = opened.info()
    facts = {
        "gallery": info.place,
        "sightings": f"{info.sightings:,}",
        "cameras": f"{info.cameras:,}",
        "tracks": f"{info.tracks:,}",
        "named persons": f"{info.persons:,}",
        "model": info.model,
        "dimension": f"{info.dimension:,}",
        "created": shown_time(info.created),
    }
    if info.bytes is not None:
        facts["on disk"] = _size(info.bytes)
    for name, value in facts.items():
        say(f"{name:<14}{printable(value)}")
    cameras = sorted(opened.cameras().items(), key=lambda item: -item[1])
    for name, count in cameras[:_CAMERAS]:
        say(f"  camera {printable(name)}: {count:,}")
    if len(cameras) > _CAMERAS:
        say(f"  and {len(cameras) - _CAMERAS:,} more cameras")


def _check_deletion(config: GalleryDeleteConfig) -> None:
    conditioned = config.wanted != FilterConfig() or config.keys or config.modality
    if config.everything and conditioned:
        raise VireidError("--everything deletes all that the gallery holds; give it without other conditions")
    if not (config.everything or conditioned):
        raise VireidError(
            "say what to delete: --person, --track, --camera, --tag, --since, --until, --modality, --key or "
            "--everything"
        )


def _delete(config: GalleryDeleteConfig, opened: Gallery) -> None:
    conditions = conditions_of(config.wanted, modality=config.modality, keys=config.keys)
    count, total = opened.count(conditions), opened.count()
    say(f"{count:,} of {total:,} sightings {_told(conditions)}")
    if not count:
        return
    if not config.yes:
        if not (sys.stdin.isatty() and console.is_terminal):
            raise VireidError(
                f"{count:,} sightings would be deleted, and nobody can be asked; add --yes to delete them"
            )
        if not Confirm.ask(f"Delete {count:,} sightings for good?", default=False, console=progress_console):
            say("nothing was deleted")
            return
    _note_uncompacted(config.gallery, True)
    deleted = opened.delete(conditions, everything=config.everything)
    say(f"{deleted:,} deleted; `vireid gallery compact` gives back their room and wipes their bytes")
    images = _forget_images(config.gallery, opened)
    if images:
        say(f"{images:,} uploaded images of deleted sightings removed")


def _told(conditions: Conditions) -> str:
    if not conditions:
        return "in all"
    told = []
    for entry in dataclasses.fields(conditions):
        value = getattr(conditions, entry.name)
        if value:
            match value:
                case tuple():
                    shown = " or ".join(value)
                case datetime():
                    shown = shown_time(value)
                case _:
                    shown = value.value
            told.append(f"{entry.name.removesuffix('s')} {shown}")
    return f"meet: {'; '.join(told)}"


def _forget_images(place: str, opened: Gallery) -> int:
    """Remove uploaded images that the service kept and whose sighting is gone."""
    removed = 0
    for file in Path(place).glob("images/??/*"):
        named = _KEPT.fullmatch(file.name)
        if named and not opened.count(Conditions(keys=(named[1],))):
            file.unlink(missing_ok=True)
            removed += 1
    return removed


def _note_uncompacted(place: str, uncompacted: bool) -> None:
    """Let the service know at its next start whether it has to compact."""
    if "://" not in place:
        note_uncompacted(Path(place) / UNCOMPACTED, uncompacted)


def _compact(opened: Gallery) -> None:
    before = opened.info().bytes
    opened.compact()
    after = opened.info().bytes
    if before is None or after is None:
        say("a server gives back room by itself; there was nothing to do")
    elif after < before:
        say(f"{_size(before)} before, {_size(after)} now")
    else:
        say(f"there was nothing to give back: {_size(before)} before, {_size(after)} now")


def _size(count: int) -> str:
    return f"{count / (1 << 20):,.1f} MiB"
