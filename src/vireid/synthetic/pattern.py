"""Stripes, checks, dots and prints: painted on a band so that they follow the body and turn with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from vireid.synthetic.canvas import Canvas, Ribbon


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Surface:
    """A band as the visible half of a round body.

    Attributes:
        band: where it lies in the image.
        yaw: of the view, 0 when the front is seen.
        roundness: thickness over width of the cross-section.
        bow: how far the front of a level ring hangs below its ends, in pixels.
        girth: half width in metres, for the number of repeats around.
    """

    band: Ribbon
    yaw: float
    roundness: float
    bow: float
    girth: float

    def across(self, angles: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Where angles about the body (0 front, pi / 2 its left) lie across the band, and whether they are seen."""
        cos, sin, deep = np.cos(self.yaw), np.sin(self.yaw), self.roundness
        offset = np.sin(angles) * cos - deep * np.cos(angles) * sin
        nearness = deep * np.cos(angles) * cos + np.sin(angles) * sin
        return 0.5 + 0.5 * offset / np.hypot(cos, deep * sin), nearness > 0

    def span(self, start: float, end: float) -> tuple[float, float] | None:
        """The seen part across of the angles from `start` to `end`, None where none is seen."""
        places, seen = self.across(np.linspace(start, end, 9))
        if seen.sum() < 2:
            return None
        return float(places[seen].min()), float(places[seen].max())

    def ring(self, start: float, end: float) -> Float[np.ndarray, "m 2"]:
        """Outline of a level ring between two lengths."""
        left, right = self.band.at(np.array([start, end]))
        places = np.linspace(0.0, 1.0, 7)[:, None]
        hang = np.stack([np.zeros(7), self.bow * (1.0 - (2.0 * places[:, 0] - 1.0) ** 2)], axis=1)
        upper = left[0] + places * (right[0] - left[0]) + hang
        lower = left[1] + places * (right[1] - left[1]) + hang
        return np.concatenate([upper, lower[::-1]])


def paint_pattern(
    canvas: Canvas, surface: Surface, kind: str, period: float, code: int, *, start: float, end: float
) -> None:
    """Paint a pattern on a band between two lengths.

    Args:
        canvas: board to draw on.
        surface: the band.
        kind: one of `person.PATTERNS`.
        period: distance of repeats, in the unit of the band's lengths.
        code: of the second cloth.
        start: length at which the garment begins.
        end: length at which it ends.
    """
    if kind in ("horizontal", "checks"):
        width = period * (0.5 if kind == "horizontal" else 0.32)
        tops = np.arange(start + 0.5 * period, end - 0.3 * width, period)
        canvas.polygons([surface.ring(top, min(top + width, end)) for top in tops], code)
    if kind in ("vertical", "checks"):
        repeats = max(4, round(2 * np.pi * surface.girth / period))
        step = 2 * np.pi / repeats
        width = step * (0.5 if kind == "vertical" else 0.32)
        spans = [surface.span(step * index - width / 2, step * index + width / 2) for index in range(repeats)]
        canvas.polygons([surface.band.patch((start, end), span) for span in spans if span], code)
    if kind == "dots":
        _paint_dots(canvas, surface, period * 0.9, code, start, end)
    if kind == "logo":
        middle, size = start + 0.36 * (end - start), 0.17 * (end - start)
        for turn in (0.0, np.pi):
            span = surface.span(turn - 0.75, turn + 0.75)
            if span:
                canvas.polygon(surface.band.patch((middle - size, middle + size), span), code)
    if kind == "block":
        canvas.polygon(surface.ring(start + 0.52 * (end - start), end), code)


def _paint_dots(canvas: Canvas, surface: Surface, period: float, code: int, start: float, end: float) -> None:
    repeats = max(6, round(2 * np.pi * surface.girth / period))
    angles = 2 * np.pi * np.arange(repeats) / repeats
    for row, length in enumerate(np.arange(start + 0.6 * period, end - 0.3 * period, period)):
        places, seen = surface.across(angles + (row % 2) * np.pi / repeats)
        left, right = (edge[0] for edge in surface.band.at(np.array([length])))
        half = float(np.hypot(*(right - left))) / 2
        radius = 0.3 * period / surface.girth * half
        for place in places[seen]:
            offset = 2 * place - 1
            centre = left + place * (right - left)
            hang = surface.bow * (1 - offset * offset)
            squeeze = np.sqrt(max(0.05, 1 - offset * offset))
            canvas.spot((float(centre[0]), float(centre[1] + hang)), (radius * squeeze, radius), code)
