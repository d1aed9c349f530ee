"""The one look of all plots: sizes for print, colours that differ in lightness too, and how a figure is written."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vireid.types import MissingExtraError, VireidError, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "DOUBLE",
    "FAINT",
    "HATCHES",
    "INK",
    "LINES",
    "MARKERS",
    "SEQUENTIAL",
    "SINGLE",
    "colour",
    "line",
    "look",
    "name_panel",
    "new_figure",
    "save_figure",
    "shorten_to_letters",
    "without_middle",
]

SINGLE, DOUBLE = 85.0, 178.0
"""Widths of one and of two columns of a journal's page, in millimetres."""

COLOURS = ("#0b4fa0", "#e09900", "#b83a00", "#8ecbef", "#009e73", "#1b1f4b")
"""For series, in this order. Hues after Okabe and Ito, moved apart in lightness, so that gray print keeps them."""

LINES = ("-", (0, (4, 1.2)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (7, 2)), (0, (2.5, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
HATCHES = ("", "//////", "......", "xxxxx", "-----", "|||||")
"""Beside the colours, so that no series is told by its colour alone."""

INK = "#222222"
FAINT = "#8a8a8a"
SEQUENTIAL = "cividis"
"""Grows evenly brighter, and looks the same to those who see no red or green."""

_DPI = 300
_LOOK: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica", "sans-serif"],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.2,
    "hatch.linewidth": 0.5,
    "patch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "vireid",
    "text.parse_math": False,
}


@contextmanager
def look() -> Iterator[None]:
    """Draw in the house's look while the block runs, or the function that this decorates; nothing global stays changed.

    Raises:
        VireidError: Matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ModuleNotFoundError as error:
        raise MissingExtraError("a plot", "matplotlib", "report") from error
    with rc_context(_LOOK):
        yield


@look()
def new_figure(width: float | int = SINGLE, height: float | int = 60) -> Figure:
    """An empty figure that fits its labels to its size by itself.

    Args:
        width: millimetres; `SINGLE` or `DOUBLE`.
        height: millimetres.

    Raises:
        VireidError: a size that is not above 0, or Matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    if not (width > 0 and height > 0):
        raise VireidError(f"a figure needs a width and a height above 0 mm, got {width} x {height}")
    return Figure(figsize=(width / 25.4, height / 25.4), dpi=_DPI, layout="constrained")


def name_panel(axes: Axes, title: str, width: int = 40) -> None:
    """Write a panel's title over its left edge, in two lines where it is longer than ``width`` letters."""
    axes.set_title(
        "\n".join(textwrap.wrap(title, width, max_lines=2, placeholder="...")), loc="left", fontweight="bold"
    )


def line(number: int) -> Any:
    """Line style of a series; once the colours begin anew, each comes with another line.

    >>> line(0) == line(len(COLOURS))
    False
    """
    return LINES[(number + number // len(COLOURS)) % len(LINES)]


def shorten_to_letters(name: str, length: int) -> str:
    """A name that leaves room for its neighbours: what is longer loses its middle, for many begin alike.

    >>> shorten_to_letters("person 12", 12), shorten_to_letters("a person without a number", 12)
    ('person 12', 'a pers…umber')
    """
    return name if len(name) <= length else without_middle(name, length - 1)


def without_middle(name: str, kept: int) -> str:
    """The first and the last letters of a name, so many together, with dots between; of an odd number one more first.

    >>> without_middle("mscmnet-seed-3", 5), without_middle("mscmnet-seed-3", 0)
    ('msc…-3', '…')
    """
    end = kept // 2
    return name[: kept - end] + "…" + name[len(name) - end :]


def colour(number: int) -> str:
    """Colour of a series; beyond the last they begin anew, so tell these apart by line, marker or hatch.

    >>> colour(0) == colour(len(COLOURS))
    True
    """
    return COLOURS[number % len(COLOURS)]


@look()
def save_figure(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write ``NAME.png`` (300 dots an inch) and ``NAME.svg`` (its text stays text), each whole or not at all.

    The same figure gives the same bytes, since no file says when it was made.

    Args:
        folder: is made where it is missing.
        name: of both files, without a suffix: letters, digits, ``-``, ``_`` and inner dots.

    Raises:
        VireidError: another name, a place that cannot be written to, or Matplotlib is not installed.
    """
    if not re.fullmatch(r"[\w-]+(\.[\w-]+)*", name):
        raise VireidError(
            f"a figure's name is made of letters, digits, '-', '_' and inner dots, got {name!r}; name the folder apart"
        )
    written = Path(folder) / f"{name}.png", Path(folder) / f"{name}.svg"
    for file, facts in zip(written, ({"Software": None}, {"Date": None, "Creator": None})):
        # Images inside an SVG are of this fineness; its lines and letters have none.
        dots = _DPI if file.suffix == ".png" else _DPI // 2
        with write_atomically(file) as draft:
            figure.savefig(draft, format=file.suffix[1:], dpi=dots, metadata=facts)
    return written
