"""A report as one HTML file that needs nothing else: tables, pictures inside it, no script, no address outside."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import jinja2
from PIL import Image

from vireid.figures.report_folder import GENERATOR

__all__ = ["Picture", "Report", "Section", "Table", "render_report"]

TEMPLATE = "report.html.jinja"

_LARGEST_SVG = 400_000
_WIDEST = 1800
_QUALITY = 90
_PRINTED = 155
"""Pixels of a screen for an inch in print: what is two columns wide there fills the page, one column about half."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of a report.

    Attributes:
        png, svg: its files; both of the same drawing.
        alt: what it is, for who does not see it.
        caption: what is seen, of what data and how made.
        photographs: whether it shows images of people, which are kept as pixels.
    """

    png: Path
    svg: Path
    alt: str
    caption: str
    photographs: bool = False

    @property
    def name(self) -> str:
        """Of its files, without what tells PNG from SVG."""
        return self.png.stem


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        caption: what it shows.
        header: a word for each column.
        rows: cells of each row, as many as the header has.
        marked: numbers of the rows that stand out.
        note: a line beneath it.
        numbers: whether the columns after the first hold numbers, which stand right.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[int] = frozenset()
    note: str = ""
    numbers: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report under a heading of its own, which must be the only one of its words.

    Attributes:
        text: paragraphs before the rest.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()

    @property
    def anchor(self) -> str:
        """The heading as part of an address.

        >>> Section(title="Where it looks: Grad-CAM").anchor
        'where-it-looks-grad-cam'
        """
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole report.

    Attributes:
        title: heading of the page.
        summary: facts above all else, by name.
        notices: what a reader must know first: who may see the page, what is missing.
        sections: in order.
    """

    title: str
    summary: Sequence[tuple[str, str]] = ()
    notices: Sequence[str] = ()
    sections: Sequence[Section] = field(default_factory=tuple)


def render_report(report: Report) -> str:
    """The page, with every picture inside it.

    All words are escaped, so names of runs, cameras and people may hold anything. The page loads nothing and runs
    nothing: its own content security policy forbids it.

    Raises:
        OSError: a picture that cannot be read.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("vireid.figures").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(report=report, address=_address, size=_size, generator=GENERATOR)


def _address(picture: Picture) -> str:
    """The picture as an address that holds it: a drawing as SVG where that is small, photographs as JPEG, else PNG.

    An SVG inside an address cannot run anything, and its names cannot clash with another's.
    """
    if not picture.photographs and picture.svg.stat().st_size <= _LARGEST_SVG:
        return _data("image/svg+xml", picture.svg.read_bytes())
    with Image.open(picture.png) as image:
        drawn = image.convert("RGB")
    if drawn.width > _WIDEST:
        drawn = drawn.resize((_WIDEST, round(drawn.height * _WIDEST / drawn.width)), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    if picture.photographs:
        drawn.save(content, format="JPEG", quality=_QUALITY, subsampling=0)
        return _data("image/jpeg", content.getvalue())
    drawn.save(content, format="PNG")
    return _data("image/png", content.getvalue())


def _size(picture: Picture) -> tuple[int, int]:
    """Width and height on a screen, so that the page does not move while it is read."""
    with Image.open(picture.png) as image:
        width, height = image.size
        scale = _PRINTED / image.info.get("dpi", (300, 300))[0]
    return round(width * scale), round(height * scale)


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
