"""``vireid search --gallery`` on a gallery that `vireid index` filled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32
from rich.table import Table
from rich.text import Text

from vireid.cli.config import SearchConfig
from vireid.cli.console import console, printable, progress_bar, progress_console, say
from vireid.cli.device import accelerator_for, pick_device
from vireid.cli.sightings import conditions_of, shown_time
from vireid.data import load_image
from vireid.data.guarded_file import read_image_file
from vireid.data.images import decode_image
from vireid.figures import Tile, rank_strip
from vireid.retrieval import Conditions, Embedder, Gallery, Match, Sighting, fuse, open_gallery, records_of_images
from vireid.types import Modality, VireidError, write_atomically

__all__ = ["search_gallery"]

COLUMNS = ("key", "score", "modality", "camera", "time", "track", "person", "tags", "path")
_LONG = ("track", "person", "tags", "path")
_SHORT_KEY = 12
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


class _Query(NamedTuple):
    """One question: its images, what their modality is (None: both), and its feature."""

    files: list[Path]
    modality: Modality | None
    feature: Float32[np.ndarray, " d"]

    @property
    def name(self) -> str:
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{printable(str(self.files[0]))}{more}"


def search_gallery(config: SearchConfig, *, pictured: int) -> None:
    """Embed the queries, search, and show.

    Args:
        pictured: queries to draw at most.

    Raises:
        VireidError: no gallery there, one of another model, what the parts refuse.
    """
    conditions = conditions_of(config.wanted)
    with open_gallery(config.gallery) as gallery:
        # Whether the model is the gallery's is seen before anything is embedded.
        device = pick_device(accelerator_for(config.checkpoint, config.accelerator))
        embedder = Embedder.from_run(config.checkpoint, device=device)
        gallery.search(np.empty((0, embedder.dimension), dtype=np.float32), model=embedder.model, top=config.top)
        queries = _queries(config, embedder)
        found = [_found(config, gallery, embedder, query, conditions) for query in queries]
    _show(queries, found)
    if config.json is not None:
        document = _document(config, embedder, queries, found)
        with write_atomically(config.json) as draft:
            draft.write_text(json.dumps(document, indent=1))
        say(f"written to {config.json}", to=progress_console)
    if config.picture is not None:
        _draw(config, queries[:pictured], found[:pictured], len(queries))


def _queries(config: SearchConfig, embedder: Embedder) -> list[_Query]:
    records = records_of_images(config.queries, Modality.VISIBLE)
    files = [records.file(row) for row in range(len(records))]
    modality = "auto" if config.modality in (None, "auto") else Modality(config.modality)
    with progress_bar("embedding queries") as progress:
        features, modalities = embedder.embed(files, modality, progress=progress)
    if config.fuse:
        one = modalities[0] if len(set(modalities)) == 1 else None
        return [_Query(files, one, fuse(features))]
    return [_Query([file], light, feature) for file, light, feature in zip(files, modalities, features)]


def _found(
    config: SearchConfig, gallery: Gallery, embedder: Embedder, query: _Query, conditions: Conditions
) -> list[Match]:
    match config.gallery_modality:
        case "any":
            modality = None
        case None:
            modality = None if query.modality is None else query.modality.other
        case name:
            modality = Modality(name)
    [matches] = gallery.search(
        query.feature[None],
        model=embedder.model,
        top=config.top,
        conditions=replace(conditions, modality=modality),
        by_track=config.by_track,
    )
    return matches


def _show(queries: Sequence[_Query], found: Sequence[Sequence[Match]]) -> None:
    """A table for each query on a terminal; in a pipe a line for each result, all its fields apart by tabs."""
    rows = [[_row(match) for match in matches] for matches in found]
    if console.is_terminal:
        # What no result has is no column.
        names = [name for name in COLUMNS if any(row[name] for some in rows for row in some)]
        for query, some in zip(queries, rows):
            if some:
                light = "visible and infrared" if query.modality is None else query.modality.value
                say(f"{query.name} ({light})", style="bold")
                console.print(_table(some, names))
    else:
        lines = [["query", "rank", *COLUMNS]]
        for query, some in zip(queries, rows):
            lines += [[query.name, str(rank), *row.values()] for rank, row in enumerate(some, start=1)]
        # Past rich, which would make spaces of the tabs.
        console.file.writelines("\t".join(line) + "\n" for line in lines)
    for query, some in zip(queries, rows):
        if not some:
            say(f"{query.name}: no sighting meets the conditions; see --gallery-modality", to=progress_console)


def _table(rows: Sequence[dict[str, str]], names: Sequence[str]) -> Table:
    table = Table()
    table.add_column("rank", justify="right")
    for name in names:
        justify = "right" if name == "score" else "left"
        table.add_column(name, justify=justify, no_wrap=name not in _LONG, overflow="fold")
    for rank, row in enumerate(rows, start=1):
        table.add_row(str(rank), *(Text(row[name]) for name in names))
    return table


def _row(match: Match) -> dict[str, str]:
    """By the names of `COLUMNS`, in their order, each in one line and safe to print."""
    sighting = match.sighting
    row = {
        "key": sighting.key[:_SHORT_KEY],
        "score": f"{match.score:.4f}",
        "modality": sighting.modality.value,
        "camera": sighting.camera or "",
        "time": shown_time(sighting.time),
        "track": sighting.track or "",
        "person": sighting.person or "",
        "tags": ", ".join(sighting.tags),
        "path": sighting.path,
    }
    return {name: printable(value) for name, value in row.items()}


def _document(
    config: SearchConfig, embedder: Embedder, queries: Sequence[_Query], found: Sequence[Sequence[Match]]
) -> dict[str, object]:
    return {
        "gallery": config.gallery,
        "model": embedder.model,
        "queries": [
            {
                "query": [str(file) for file in query.files],
                "modality": None if query.modality is None else query.modality.value,
                "results": [match.to_json() | {"path": match.sighting.path} for match in matches],
            }
            for query, matches in zip(queries, found)
        ],
    }


def _draw(config: SearchConfig, queries: Sequence[_Query], found: Sequence[Sequence[Match]], count: int) -> None:
    assert config.picture is not None
    rows, unread = [], 0
    for query, matches in zip(queries, found):
        tiles = [_tile(config, match) for match in matches]
        unread += tiles.count(None)
        fused = f", 1 of {len(query.files)}" if len(query.files) > 1 else ""
        asked = Tile(load_image(query.files[0]), f"{query.files[0].name}\nquery{fused}")
        rows.append((asked, [tile for tile in tiles if tile is not None]))
    if not any(tiles for _, tiles in rows):
        raise VireidError(
            "none of the results can be drawn: nothing was found, or the images are not where they were; for relative "
            "paths give --gallery-root FOLDER"
        )
    with write_atomically(config.picture) as draft:
        rank_strip(rows).save(draft, format=_FORMATS[config.picture.suffix.lower()])
    said = f"drawn in {config.picture}"
    if len(queries) < count:
        said += f" (the first {len(queries)} of {count} queries)"
    if unread:
        said += f"; left out: {unread} results whose image is not where it was"
    say(said, to=progress_console)


def _tile(config: SearchConfig, match: Match) -> Tile | None:
    content = _content(config, match.sighting)
    if content is None:
        return None
    seen = " ".join(filter(None, [match.sighting.camera, f"{match.score:.3f}"]))
    named = match.sighting.person or shown_time(match.sighting.time) or Path(match.sighting.path).name
    return Tile(decode_image(content, match.sighting.path), f"{named}\n{seen}")


def _content(config: SearchConfig, sighting: Sighting) -> bytes | None:
    """What was indexed, and nothing that took its place since."""
    roots = [root for root in (config.gallery_root, Path(config.gallery)) if root is not None]
    for file in [Path(sighting.path), *(root / sighting.path for root in roots)] if sighting.path else []:
        try:
            content = read_image_file(file)
        except (OSError, ValueError, VireidError):
            continue
        if hashlib.sha256(content).hexdigest() == sighting.key:
            return content
    return None
