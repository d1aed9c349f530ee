"""Ranked lists of two models for the same queries, side by side (MSCMNet, Fig. 8c)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vireid.data import load_image
from vireid.figures.image_sheet import SMALL, ImageSheet, fit, shorten_to_width
from vireid.figures.rank_strip import PLAIN, RIGHT, WRONG
from vireid.figures.style import DOUBLE
from vireid.types import Ranking, Records, VireidError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_side_by_side"]

_MARGIN = 1.0
_FRAME = 0.45
_GAP = 2 * _FRAME + 0.35
_BETWEEN = 3.0
_HEAD = 6.0
_CAPTION = 5.6
_FOOT = 5.0


def draw_side_by_side(
    query_records: Records,
    gallery_records: Records,
    rankings: Mapping[str, Ranking],
    *,
    query_rows: Sequence[int],
    top: int = 10,
    known: bool = True,
    width: float = DOUBLE,
) -> Figure:
    """Draw a row a query: its image, the best results of the first model, and beside them those of the second.

    A result of the query's person has a blue frame and a tick, one of another person an orange frame and a cross, so
    that they are told apart in gray print too. Beneath each image stand its person and its camera.

    Whom a query may not see is the caller's affair: rankings are drawn as they come. For SYSU-MM01 infrared queries of
    camera 3 must not meet the gallery's images of camera 2, and the protocol's gallery has one image of each person and
    camera; a list over all images looks better than the numbers that are published.

    Args:
        query_records: entry i asked for row i of every ranking.
        gallery_records: what the rankings' rows count in.
        rankings: one or two models by their names, the left one first.
        query_rows: which queries to draw.
        top: results to draw of each query; fewer where a ranking has fewer.
        known: whether persons of both tables can be compared, so that results can be marked right or wrong.
        width: of the figure in millimetres.

    Raises:
        VireidError: no query or one that is not there, other than one or two rankings, a ranking of other queries or of
            another gallery, an image that cannot be read, or Matplotlib is not installed.
    """
    _check(query_records, gallery_records, rankings, query_rows, top)
    results = min(top, max(ranking.rows.shape[1] for ranking in rankings.values()))
    free = width - 2 * (_MARGIN + _FRAME) - len(rankings) * (_BETWEEN - _GAP + results * _GAP)
    wide = min(16.0, free / (1 + results * len(rankings)))
    high = 2 * wide
    step = high + _CAPTION + _GAP
    sheet = ImageSheet(width, _HEAD + len(query_rows) * step + _FOOT)
    first = _MARGIN + _FRAME
    starts = {
        name: first + wide + _BETWEEN + number * (results * (wide + _GAP) - _GAP + _BETWEEN)
        for number, name in enumerate(rankings)
    }
    sheet.write("query", first + wide / 2, _HEAD - 1.5, size=7, across="center", upright="bottom")
    for name, start in starts.items():
        end = start + results * (wide + _GAP) - _GAP
        sheet.write(
            shorten_to_width(name, 8, end - start, bold=True), start, _HEAD - 1.5, size=8, upright="bottom", bold=True
        )
        sheet.line([start - _BETWEEN / 2] * 2, [_HEAD - 3, _HEAD + len(query_rows) * step - _GAP], colour="#bbbbbb")
    for number, query in enumerate(query_rows):
        place = _HEAD + number * step
        _draw(sheet, query_records, query, None, (first, place, wide, high))
        for name, ranking in rankings.items():
            for rank, row in enumerate(ranking.rows[query, :top].tolist()):
                asked, found = int(query_records.persons[query]), int(gallery_records.persons[row])
                correct = asked == found if known and min(asked, found) >= 0 else None
                left = starts[name] + rank * (wide + _GAP)
                _draw(sheet, gallery_records, row, correct, (left, place, wide, high))
    _explain(sheet, first, _HEAD + len(query_rows) * step + 1.5)
    return sheet.figure


def _check(
    query_records: Records,
    gallery_records: Records,
    rankings: Mapping[str, Ranking],
    query_rows: Sequence[int],
    top: int,
) -> None:
    if len(rankings) not in (1, 2):
        raise VireidError(f"one or two models are drawn side by side, got {list(rankings)}; draw more in pairs")
    if top < 1 or not query_rows or not all(0 <= row < len(query_records) for row in query_rows):
        raise VireidError(
            f"ranked lists need at least 1 result and queries from 0 to {len(query_records) - 1}, got top {top} and "
            f"queries {list(query_rows)}"
        )
    for name, ranking in rankings.items():
        if len(ranking.rows) != len(query_records) or ranking.rows.max(initial=0) >= len(gallery_records):
            raise VireidError(
                f"the ranking of {name!r} must have a row for each of {len(query_records)} queries and count in a "
                f"gallery of {len(gallery_records)} images, got {len(ranking.rows)} rows up to image "
                f"{int(ranking.rows.max(initial=0))}; rank these tables"
            )


def _draw(
    sheet: ImageSheet, records: Records, row: int, correct: bool | None, box: tuple[float, float, float, float]
) -> None:
    pixels = load_image(records.file(row))
    left, top, wide, high = fit(pixels, *box)
    sheet.place(pixels, left, top, wide, high)
    colour = _unit(PLAIN if correct is None else RIGHT if correct else WRONG)
    sheet.frame(left, top, wide, high, colour=colour, line=0.15 if correct is None else _FRAME)
    if correct is not None:
        _mark(sheet, left + wide - 1.15, top + 1.15, correct)
    person, camera = records[row].person, records[row].camera
    names = (
        records.person_names.get(person, str(person) if person >= 0 else "unknown"),
        f"cam {records.camera_names.get(camera, str(camera))}" if camera >= 0 else "",
    )
    lines = "\n".join(shorten_to_width(name, SMALL, box[2] + _GAP / 2) for name in names)
    sheet.write(lines, box[0] + box[2] / 2, box[1] + box[3] + _FRAME + 0.5, across="center")


def _mark(sheet: ImageSheet, x: float, y: float, correct: bool) -> None:
    sheet.disc(x, y, 1.05, colour=_unit(RIGHT if correct else WRONG))
    if correct:
        sheet.line([x - 0.55, x - 0.12, x + 0.6], [y, y + 0.5, y - 0.5], colour="white", width=0.28)
    else:
        sheet.line([x - 0.42, x + 0.42], [y - 0.42, y + 0.42], colour="white", width=0.28)
        sheet.line([x - 0.42, x + 0.42], [y + 0.42, y - 0.42], colour="white", width=0.28)


def _explain(sheet: ImageSheet, left: float, top: float) -> None:
    for number, (correct, meaning) in enumerate(((True, "the query's person"), (False, "another person"))):
        _mark(sheet, left + 1.1 + 28 * number, top + 1.1, correct)
        sheet.write(meaning, left + 3 + 28 * number, top + 1.1, upright="center")
    sheet.write("best result first; beneath each image: person, camera", left + 58, top + 1.1, upright="center")


def _unit(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    return colour[0] / 255, colour[1] / 255, colour[2] / 255
