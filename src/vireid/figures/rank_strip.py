"""Ranked results as a picture: a row a query, its best gallery images beside it, right and wrong told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from vireid.data import load_image
from vireid.types import Ranking, Records, VireidError

__all__ = ["Tile", "draw_ranking", "rank_strip"]

RIGHT = (0, 90, 181)
WRONG = (220, 110, 0)
PLAIN = (90, 90, 90)
PAPER = (255, 255, 255)
GAP = 8
CAPTION = 30
BORDER = 4


@dataclass(frozen=True, eq=False, slots=True)
class Tile:
    """One image of a strip.

    Attributes:
        pixels: RGB.
        caption: up to two short lines beneath it.
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
        height: of a tile in pixels; widths follow the images.
        title: a line above it all, left out when empty.

    Raises:
        VireidError: no rows.
    """
    if not rows:
        raise VireidError("a strip of ranked results needs at least one query")
    width = max(
        round(tile.pixels.shape[1] * height / tile.pixels.shape[0]) for row in rows for tile in (row[0], *row[1])
    )
    width = max(width, 56)
    head = 34 if title else GAP
    longest = max(len(results) for _, results in rows)
    size = (3 * GAP + width + (longest * (width + GAP)) + GAP, head + len(rows) * (height + CAPTION + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    if title:
        pen.text((GAP, GAP), title, fill="black", font=ImageFont.load_default(16))
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
            found = gallery_records[row]
            results.append(
                Tile(
                    load_image(gallery_records.file(row)),
                    f"{_name(gallery_records, found.person)} cam {found.camera}\n{score:.3f}",
                    found.person == asked.person if known else None,
                )
            )
        caption = f"{_name(query_records, asked.person)} cam {asked.camera}\nquery"
        rows.append((Tile(load_image(query_records.file(query)), caption), results))
    return rank_strip(rows, height=height, title=title)


def _name(records: Records, person: int) -> str:
    return records.person_names.get(person, "?" if person < 0 else str(person))


def _draw_tile(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, left: int, top: int, width: int, height: int
) -> None:
    image = Image.fromarray(tile.pixels).resize((width, height), Image.Resampling.LANCZOS)
    sheet.paste(image, (left, top))
    colour = PLAIN if tile.correct is None else RIGHT if tile.correct else WRONG
    pen.rectangle(
        [left, top, left + width - 1, top + height - 1], outline=colour, width=1 if tile.correct is None else BORDER
    )
    if tile.correct is not None:
        _draw_mark(pen, left + width - 13, top + 13, tile.correct)
    pen.multiline_text((left, top + height + 2), tile.caption, fill=colour, font=ImageFont.load_default(11), spacing=1)


def _draw_mark(pen: ImageDraw.ImageDraw, x: int, y: int, correct: bool) -> None:
    pen.ellipse([x - 10, y - 10, x + 10, y + 10], fill=RIGHT if correct else WRONG)
    if correct:
        pen.line([(x - 5, y), (x - 1, y + 5), (x + 6, y - 5)], fill=PAPER, width=3, joint="curve")
    else:
        pen.line([(x - 4, y - 4), (x + 4, y + 4)], fill=PAPER, width=3)
        pen.line([(x - 4, y + 4), (x + 4, y - 4)], fill=PAPER, width=3)
