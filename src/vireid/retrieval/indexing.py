"""Images on disk into a gallery: a stream, so that their number does not matter."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import timezone, tzinfo
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float32
from torch.utils.data import Dataset

from vireid.data.guarded_file import read_image_file
from vireid.data.load_ahead import load_ahead
from vireid.retrieval.gallery import Added, Gallery
from vireid.retrieval.image_embedder import Embedder, Prepared
from vireid.retrieval.sighting import Sighting
from vireid.retrieval.sources import Level, Source, TimeFrom, sources_of_folder
from vireid.types import Modality, VireidError

__all__ = ["index_folder", "index_sources"]

_CHUNK = 16  # images that a thread reads at a time
_AT_ONCE = 512  # sightings that are added at a time: each time waits for the disk
_SECONDS = 1.0  # after which they are added though they are fewer
_Item = TypeVar("_Item")


def index_folder(
    embedder: Embedder,
    gallery: Gallery,
    folder: Path,
    *,
    modality: Modality | None = None,
    levels: Sequence[Level] = ("camera",),
    camera: str | None = None,
    time_from: TimeFrom = "name",
    zone: tzinfo = timezone.utc,
    tags: tuple[str, ...] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    on_broken: Callable[[Path, VireidError], None] | None = None,
) -> Added:
    """Add all images of a folder to a gallery; see `sources_of_folder` and `index_sources`.

    Raises:
        VireidError: what these refuse, or a folder without images.
    """
    options: dict[str, Any] = {"levels": levels, "camera": camera, "time_from": time_from, "zone": zone}
    total = sum(1 for _ in sources_of_folder(folder, levels=levels, time_from="none"))
    if not total:
        raise VireidError(f"there are no images in {folder}")
    sources = sources_of_folder(folder, modality=modality, **options)
    return index_sources(embedder, gallery, sources, total=total, tags=tags, progress=progress, on_broken=on_broken)


def index_sources(
    embedder: Embedder,
    gallery: Gallery,
    sources: Iterable[Source],
    *,
    total: int,
    tags: tuple[str, ...] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    on_broken: Callable[[Path, VireidError], None] | None = None,
) -> Added:
    """Embed images and add them to a gallery, but those that it knows: these are read and hashed, nothing more.

    Killed at any moment, a second call goes on: at most some seconds of work are done again. Memory does not grow with
    the number of images.

    Args:
        embedder: of the gallery's model.
        sources: asked for one by one.
        total: how many there are, for ``progress``.
        tags: of all of them.
        progress: called with images done (added, known or broken) and ``total``.
        on_broken: called with the path of an image that cannot be read, and the reason; the others go on. Without it
            the first such image ends the work.

    Returns:
        How many are new, and how many the gallery knew or stood twice among the sources. Broken ones are in neither.

    Raises:
        VireidError: an image that cannot be read, without ``on_broken``; or what the gallery refuses.
    """
    new = known = broken = 0

    def unknown() -> Iterator[tuple[Sighting, Prepared]]:
        nonlocal known, broken
        reader = _Reader(embedder, gallery, tags)
        chunks = _chunks(sources, _CHUNK)
        with closing(load_ahead(reader, chunks, workers=0, threads=embedder.reading_threads)) as ahead:
            for chunk in ahead:
                for look in chunk:
                    if look.fault is not None:
                        if on_broken is None:
                            raise look.fault
                        on_broken(look.path, look.fault)
                        broken += 1
                    elif look.unknown is None:
                        known += 1
                    else:
                        yield look.unknown
                progress(new + known + broken, total)

    rows: list[tuple[Sighting, Float32[np.ndarray, " d"]]] = []
    last = time.monotonic()

    def add() -> None:
        nonlocal new, known, last
        if rows:
            added = gallery.add(
                [sighting for sighting, _ in rows], np.stack([row for _, row in rows]), model=embedder.model
            )
            new, known = new + added.new, known + added.known
            rows.clear()
            progress(new + known + broken, total)
        last = time.monotonic()

    for sightings, vectors in embedder.embed_prepared(unknown()):
        rows.extend(zip(sightings, vectors))
        if len(rows) >= _AT_ONCE or time.monotonic() - last > _SECONDS:
            add()
    add()
    return Added(new=new, known=known)


class _Look(NamedTuple):
    """What a look at an image showed: a fault, something unknown to embed, or neither where the gallery knows it."""

    path: Path
    fault: VireidError | None = None
    unknown: tuple[Sighting, Prepared] | None = None


class _Reader(Dataset[Any]):
    """Items are looks at the sources of a chunk."""

    def __init__(self, embedder: Embedder, gallery: Gallery, tags: tuple[str, ...]) -> None:
        self._embedder, self._gallery, self._tags = embedder, gallery, tags

    def __getitem__(self, chunk: Sequence[Source]) -> list[_Look]:
        return [self._look(source) for source in chunk]

    def _look(self, source: Source) -> _Look:
        try:
            content = _content(source.path)
        except VireidError as fault:
            return _Look(source.path, fault=fault)
        key = hashlib.sha256(content).hexdigest()
        if self._gallery.known([key]):
            return _Look(source.path)
        try:
            prepared = self._embedder.prepare(content, source.modality or "auto", str(source.path))
            sighting = Sighting(
                key=key,
                path=str(source.path),
                modality=prepared.modality,
                camera=source.camera,
                time=source.time,
                track=source.track,
                person=source.person,
                tags=self._tags,
            )
        except VireidError as fault:
            return _Look(source.path, fault=fault)
        return _Look(source.path, unknown=(sighting, prepared))


def _content(path: Path) -> bytes:
    try:
        return read_image_file(path)
    except OSError as error:
        raise VireidError(f"{path} cannot be read: {error.strerror or error}") from error


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
