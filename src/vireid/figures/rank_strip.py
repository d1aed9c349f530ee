"""Ranked results as a picture: a row a query, its best gallery images beside it, right and wrong told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont, ImageOps

from vireid.data import load_image
from vireid.types import Ranking, Records, VireidError

__all__ = ["Tile", "draw_ranking", "rank_strip"]

RIGHT = (0, 90, 181)
WRONG = (220, 110, 0)
PLAIN = (90, 90, 90)
PAPER = (255, 255, 255)
MOUNT = (236, 236, 236)
GAP = 12
CAPTION = 32
BORDER = 4
NARROWEST = 56


@dataclass(frozen=True, eq=False, slots=True)
class Tile:
    """One image of a strip.

    Attributes:
        pixels: RGB.
        caption: up to two short lines beneath it; what is wider than the tile ends in dots.
        correct: frames the tile and marks it right or wrong; None leaves it plain (a query, or no identities known).
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    caption: str
    correct: bool | None = None


def rank_strip(rows: Sequence[tuple[Tile, Sequence[Tile]]], *, height: int = 160, title: str = "") -> Image.Image:
    """Draw one row a query: the query, a gap, its results best first.

    Right is blue with a tick, wrong is orange with a cross: told apart without colour, too.

    Args:
        rows: each query with its results; rows may differ in length.
        height: of a tile in pixels. All tiles are as wide as the widest image at that height, but at most 3/4 of the
            height; images keep their proportions.
        title: a line above it all, left out when empty.

    Raises:
        VireidError: no rows, or tiles of less than 16 pixels.
    """
    if not rows or height < 16:
        raise VireidError(
            f"a strip of ranked results needs at least one query and tiles 16 pixels high, got {len(rows)} queries and "
            f"height {height}"
        )
    widest = max(tile.pixels.shape[1] / tile.pixels.shape[0] for row in rows for tile in (row[0], *row[1]))
    width = max(NARROWEST, round(height * min(widest, 0.75)))
    title_font = ImageFont.load_default(16)
    head = 38 if title else GAP
    longest = max(len(results) for _, results in rows)
    needed = max(4 * GAP + width + longest * (width + GAP), 2 * GAP + math.ceil(title_font.getlength(title)))
    sheet = Image.new("RGB", (needed, head + len(rows) * (height + CAPTION + GAP)), PAPER)
    pen = ImageDraw.Draw(sheet)
    if title:
        pen.text((GAP, 10), title, fill="black", font=title_font)
    for number, (query, results) in enumerate(rows):
        top = head + number * (height + CAPTION + GAP)
        _draw_tile(sheet, pen, query, GAP, top, width, height)
        rule = 2 * GAP + width + GAP // 2
        pen.line([(rule, top), (rule, top + height)], fill=PLAIN, width=2)
        for place, result in enumerate(results):
            _draw_tile(sheet, pen, result, 4 * GAP + width + place * (width + GAP), top, width, height)
    return sheet


def draw_ranking(
    query_records: Records,
    gallery_records: Records,
    ranking: Ranking,
    *,
    query_rows: Sequence[int],
    known: bool,
    height: int = 160,
    title: str = "",
) -> Image.Image:
    """The strip of some queries of a ranking.

    Args:
        query_records: entry i asked for row i of the ranking.
        gallery_records: what the ranking's rows count in.
        query_rows: which queries to draw.
        known: whether persons of both tables can be compared, so that results can be marked right or wrong.

    Raises:
        VireidError: an image that cannot be read.
    """
    rows = []
    for query in query_rows:
        asked = query_records[query]
        results = []
        for row, score in zip(ranking.rows[query].tolist(), ranking.scores[query].tolist()):
            correct = gallery_records[row].person == asked.person if known else None
            pixels = load_image(gallery_records.file(row))
            results.append(Tile(pixels, _caption(gallery_records, row, f"{score:.3f}"), correct))
        rows.append((Tile(load_image(query_records.file(query)), _caption(query_records, query, "query")), results))
    return rank_strip(rows, height=height, title=title)


def _caption(records: Records, row: int, role: str) -> str:
    record = records[row]
    # A file name alone is often a running number: its folder says more.
    unnamed = "/".join(Path(record.path).parts[-2:]) if record.person < 0 else f"person {record.person}"
    camera = records.camera_names.get(record.camera, str(record.camera) if record.camera >= 0 else "")
    return f"{records.person_names.get(record.person, unnamed)}\n" + (f"cam {camera}, {role}" if camera else role)


def _draw_tile(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, left: int, top: int, width: int, height: int
) -> None:
    mounted = ImageOps.pad(Image.fromarray(tile.pixels), (width, height), Image.Resampling.LANCZOS, color=MOUNT)
    sheet.paste(mounted, (left, top))
    colour = PLAIN if tile.correct is None else RIGHT if tile.correct else WRONG
    # Around the image, so that the frame hides none of it.
    border = 1 if tile.correct is None else BORDER
    box = [left - border, top - border, left + width - 1 + border, top + height - 1 + border]
    pen.rectangle(box, outline=colour, width=border)
    if tile.correct is not None:
        _draw_mark(pen, left + width - 11, top + 11, tile.correct)
    font = ImageFont.load_default(11)
    caption = "\n".join(_shorten_to_pixels(line, font, width) for line in tile.caption.splitlines()[:2])
    pen.multiline_text((left, top + height + BORDER + 2), caption, fill=colour, font=font, spacing=1)


def _shorten_to_pixels(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    kept = line
    while kept and font.getlength(line if kept == line else kept + "...") > width:
        kept = kept[:-1]
    return line if kept == line else kept + "..."


def _draw_mark(pen: ImageDraw.ImageDraw, x: int, y: int, correct: bool) -> None:
    pen.ellipse([x - 10, y - 10, x + 10, y + 10], fill=RIGHT if correct else WRONG)
    if correct:
        pen.line([(x - 5, y), (x - 1, y + 5), (x + 6, y - 5)], fill=PAPER, width=3, joint="curve")
    else:
        pen.line([(x - 4, y - 4), (x + 4, y + 4)], fill=PAPER, width=3)
        pen.line([(x - 4, y + 4), (x + 4, y - 4)], fill=PAPER, width=3)
