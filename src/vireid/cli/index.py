"""``vireid index``: a folder of crops, a data set or a manifest into a gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from vireid.cli.console import printable, progress_bar, progress_console, say
from vireid.cli.device import accelerator_for, pick_device
from vireid.cli.gallery_config import IndexConfig
from vireid.cli.termination import telling_what_is_kept
from vireid.data import read, read_folder
from vireid.retrieval import (
    Added,
    Embedder,
    Gallery,
    Source,
    index_sources,
    open_gallery,
    rebuilding,
    sources_of_folder,
    sources_of_records,
)
from vireid.types import Modality, Records, VireidError

__all__ = ["index"]

_MANIFESTS = (".csv", ".parquet")
_LISTED = 50


def index(config: IndexConfig) -> int:
    """Embed and add what the gallery has not, list what could not be read; the exit code, 1 if there was such.

    Raises:
        VireidError: no images, flags that contradict what a data set says, what the parts refuse.
    """
    total, sources = _sources(config)
    if not total:
        raise VireidError(f"there are no images in {config.images}")
    device = pick_device(accelerator_for(config.checkpoint, config.accelerator))
    embedder = Embedder.from_run(config.checkpoint, device=device, precision=config.precision)
    broken: list[str] = []
    count = 0

    def note(path: Path, fault: VireidError) -> None:
        nonlocal count
        count += 1
        if len(broken) < _LISTED:
            broken.append(str(fault))

    kept = "what was added stays: start the same command again to go on"
    with telling_what_is_kept(kept), _opened(config, embedder) as gallery:
        with progress_bar("indexing") as progress:
            added = index_sources(
                embedder, gallery, sources(), total=total, tags=config.tags, progress=progress, on_broken=note
            )
        sightings = gallery.count()
    say(_summary(config, added, count, sightings))
    for fault in broken:
        say(f"  {printable(fault)}", to=progress_console, indent="  ")
    if count > len(broken):
        say(f"  and {count - len(broken):,} more", to=progress_console)
    return 1 if count else 0


def _summary(config: IndexConfig, added: Added, broken: int, sightings: int) -> str:
    parts = [f"{added.new:,} added", f"{added.known:,} known already"]
    if broken:
        parts.append(f"{broken:,} could not be read")
    return f"{', '.join(parts)}; {sightings:,} sightings in {config.gallery}"


def _opened(config: IndexConfig, embedder: Embedder) -> AbstractContextManager[Gallery]:
    facts = {"model": embedder.model, "dimension": embedder.dimension}
    if config.rebuild:
        return rebuilding(config.gallery, **facts)
    return open_gallery(config.gallery, create=True, **facts)


def _sources(config: IndexConfig) -> tuple[int, Callable[[], Iterable[Source]]]:
    """How many images there are, and what lists them."""
    if not config.images.exists():
        raise VireidError(f"there is no folder of images, data set or manifest {config.images}")
    records = _records(config)
    if records is not None:
        return len(records), lambda: sources_of_records(records)
    modality = None if config.modality == "auto" else Modality(config.modality)
    zone = _zone(config.time_zone)

    def sources() -> Iterable[Source]:
        return sources_of_folder(
            config.images,
            modality=modality,
            levels=config.levels,
            camera=config.camera,
            time_from=config.time_from,
            zone=zone,
        )

    return sum(1 for _ in sources_of_folder(config.images, levels=config.levels, time_from="none")), sources


def _records(config: IndexConfig) -> Records | None:
    """The table of a data set or of a manifest; None for a plain folder."""
    manifest = config.images.suffix.lower() in _MANIFESTS and not config.images.is_dir()
    if config.dataset is None and not manifest:
        _refuse_manifest(config)
        return None
    defaults = {"modality": "auto", "levels": ("camera",), "camera": None, "time_from": "name", "time_zone": "UTC"}
    for name, default in defaults.items():
        if getattr(config, name) != default:
            raise VireidError(
                f"a {'manifest' if manifest else 'data set'} says camera, time and modality itself, got "
                f"--{name.replace('_', '-')} too; leave it out"
            )
    splits = ("train", "test") if config.split == "all" else (config.split,)
    if manifest:
        return read_folder(config.images.parent, manifest=config.images, splits=splits)
    return read(str(config.dataset), config.images, trial=config.trial, splits=splits)


def _refuse_manifest(config: IndexConfig) -> None:
    """What a manifest says would be lost."""
    for suffix in _MANIFESTS:
        file = config.images / f"manifest{suffix}"
        if file.is_file():
            raise VireidError(
                f"{config.images} holds a manifest; index {file} to use it, or the folders beside it one by one"
            )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise VireidError(f"--time-zone takes a name like Europe/Berlin or UTC, got {name!r}") from error
