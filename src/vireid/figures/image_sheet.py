"""A page measured in millimetres, with images at exact places: what plots of photographs are laid out on."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

from vireid.figures.evidence import overlay_evidence
from vireid.figures.picture import check_image
from vireid.figures.style import INK, look, new_figure, without_middle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SMALL", "ImageSheet", "fit", "shorten_to_width", "text_width"]

SMALL = 5.5
"""Points of the smallest print."""

Length = float | int
"""Millimetres, or points of print."""

_DOTS = 300 / 25.4
_LINE = 1.25
_RAMP = 96


class ImageSheet:
    """An empty figure to place images, lines and words on; x to the right and y downwards, in millimetres.

    Args:
        width, height: of the page.

    Attributes:
        figure: what is drawn on.

    Raises:
        VireidError: Matplotlib is not installed.
    """

    def __init__(self, width: Length, height: Length) -> None:
        self.figure: Figure = new_figure(float(width), float(height))
        self.figure.set_layout_engine("none")
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._limits = (width, height)
        self._axes.set(xlim=(0, width), ylim=(height, 0))

    def place(
        self, pixels: UInt8[np.ndarray, "h w 3"], left: Length, top: Length, width: Length, height: Length
    ) -> None:
        """Fit an image into a box, whole and in its proportions, in the middle of it.

        Raises:
            VireidError: an image that is not RGB bytes.
        """
        left, top, width, height = fit(pixels, left, top, width, height)
        # In print size, by a better filter than the drawing's own, and the same in PNG and SVG.
        size = max(1, round(width * _DOTS)), max(1, round(height * _DOTS))
        printed = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
        # The upper edge is the smaller y of a page that counts downwards.
        self._axes.imshow(
            np.asarray(printed),
            extent=(left, left + width, top + height, top),
            aspect="auto",
            interpolation="none",
            origin="upper",
        )
        self._axes.set(xlim=(0, self._limits[0]), ylim=(self._limits[1], 0))

    def place_heat(
        self,
        pixels: UInt8[np.ndarray, "h w 3"],
        values: Float32[np.ndarray, "rows columns"],
        left: Length,
        top: Length,
        width: Length,
        height: Length,
    ) -> None:
        """Fit an image with numbers over it as `vireid.figures.overlay_evidence` lays them, a line at half the most.

        In gray print a bright place may be heat or a white shirt: the line tells.
        """
        self.place(overlay_evidence(pixels, values), left, top, width, height)
        if values.max() <= 0:
            return
        left, top, width, height = fit(pixels, left, top, width, height)
        size = max(2, round(width * _DOTS / 2)), max(2, round(height * _DOTS / 2))
        smooth = cv2.resize(values.clip(min=0) / values.max(), size, interpolation=cv2.INTER_CUBIC)
        xs = left + (np.arange(size[0]) + 0.5) * width / size[0]
        ys = top + (np.arange(size[1]) + 0.5) * height / size[1]
        # A border of zeros closes the line where heat reaches the edge.
        closed = np.pad(smooth, 1)
        xs, ys = np.r_[left, xs, left + width], np.r_[top, ys, top + height]
        for colour, line in (("black", 0.34), ("white", 0.14)):
            self._axes.contour(xs, ys, closed, levels=[0.5], colors=colour, linewidths=line * 72 / 25.4, zorder=3)
        self._axes.set(xlim=(0, self._limits[0]), ylim=(self._limits[1], 0))

    @look()
    def write(
        self,
        words: str,
        x: Length,
        y: Length,
        *,
        size: Length = SMALL,
        colour: str | tuple[float, float, float] = INK,
        across: Literal["left", "center", "right"] = "left",
        upright: Literal["top", "center", "bottom"] = "top",
        bold: bool = False,
        turned: bool = False,
    ) -> None:
        """Put words at a point; ``turned`` reads from below to above."""
        self._axes.text(
            x,
            y,
            words,
            fontsize=size,
            color=colour,
            ha=across,
            va=upright,
            fontweight="bold" if bold else "normal",
            rotation=90 if turned else 0,
            linespacing=_LINE,
        )

    def line(
        self,
        xs: Sequence[Length],
        ys: Sequence[Length],
        *,
        colour: str | tuple[float, float, float] = INK,
        width: Length = 0.2,
    ) -> None:
        """Draw through points, a width of millimetres wide."""
        self._axes.plot(xs, ys, color=colour, linewidth=width * 72 / 25.4, solid_capstyle="round", zorder=3)

    def frame(
        self,
        left: Length,
        top: Length,
        width: Length,
        height: Length,
        *,
        colour: tuple[float, float, float],
        line: Length,
    ) -> None:
        """Draw around a box, so that nothing in it is hidden."""
        from matplotlib.patches import Rectangle

        box = Rectangle((left - line / 2, top - line / 2), width + line, height + line)
        box.set(fill=False, edgecolor=colour, linewidth=line * 72 / 25.4, joinstyle="miter")
        self._axes.add_patch(box)

    def disc(self, x: Length, y: Length, radius: Length, *, colour: tuple[float, float, float]) -> None:
        """Fill a circle."""
        from matplotlib.patches import Circle

        self._axes.add_patch(Circle((x, y), radius, facecolor=colour, edgecolor="white", linewidth=0.3, zorder=2.5))

    def heat_bar(self, left: Length, top: Length, *, low: str, high: str, width: Length = 30) -> None:
        """The colours that `vireid.figures.overlay_evidence` lays over a middle gray, and what their ends mean."""
        ramp: Float[np.ndarray, "1 n"] = np.linspace(0, 1, _RAMP, dtype=np.float32)[None]
        gray = np.full((6, _RAMP, 3), 128, dtype=np.uint8)
        inset = left + text_width(low, SMALL) + 1
        middle = top + width * 3 / _RAMP
        self.write(low, left, middle, upright="center")
        self.place(overlay_evidence(gray, ramp), inset, top, width, width * 6 / _RAMP)
        for colour, line in (("black", 0.34), ("white", 0.14)):
            self.line([inset + width / 2] * 2, [top, 2 * middle - top], colour=colour, width=line)
        self.write(f"{high}; the line is at half of it", inset + width + 1, middle, upright="center")


def fit(
    pixels: UInt8[np.ndarray, "h w 3"], left: Length, top: Length, width: Length, height: Length
) -> tuple[float, float, float, float]:
    """The largest box of an image's proportions in the middle of a box: left, top, width, height.

    >>> fit(np.zeros((10, 10, 3), dtype=np.uint8), 0, 0, 10, 20)
    (0.0, 5.0, 10.0, 10.0)

    Raises:
        VireidError: an image that is not RGB bytes.
    """
    check_image(pixels)
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    wide, high = pixels.shape[1] * scale, pixels.shape[0] * scale
    return left + (width - wide) / 2, top + (height - high) / 2, wide, high


@look()
def text_width(words: str, size: Length, *, bold: bool = False) -> float:
    """Millimetres that a line takes in print."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not words.strip():
        return 0.0
    properties = FontProperties(weight="bold" if bold else "normal")
    return float(TextPath((0, 0), words, size=size, prop=properties).get_extents().width) / 72 * 25.4


def shorten_to_width(words: str, size: Length, width: Length, *, bold: bool = False) -> str:
    """A line that takes no more than a width of millimetres; what is longer loses its middle."""
    if text_width(words, size, bold=bold) <= width:
        return words
    # The most letters that fit: the more are kept, the wider it is.
    kept = bisect.bisect_right(
        range(1, len(words)), width, key=lambda count: text_width(without_middle(words, count), size, bold=bold)
    )
    return without_middle(words, kept)
