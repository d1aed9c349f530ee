"""Places: a wide strip of background with structure, in red, green, blue and near infrared."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from vireid.synthetic.stream import Topic, stream

Colour = tuple[float, float, float, float]


def _surface(rng: np.random.Generator, hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return (255 * red, 255 * green, 255 * blue, float(rng.uniform(60, 200)))


def _leaves(rng: np.random.Generator, value: float) -> Colour:
    """Leaves and grass: green to the eye and bright in the near infrared."""
    red, green, blue = colorsys.hsv_to_rgb(rng.uniform(0.22, 0.34), rng.uniform(0.35, 0.6), value)
    return (255 * red, 255 * green, 255 * blue, float(rng.uniform(170, 230)))


def _shift(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor, colour[3] * factor)


class _Strip:
    """Four channels to draw on, in units of its own height."""

    def __init__(self, height: int, width: int) -> None:
        self.pixels = np.zeros((height, width, 4), dtype=np.uint8)
        self.unit, self.wide = height, width / height

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        fixed = np.rint(np.array(points) * self.unit * 16).astype(np.int32)
        cv2.fillPoly(self.pixels, [fixed], colour, lineType=cv2.LINE_AA, shift=4)

    def oval(self, x: float, y: float, across: float, down: float, colour: Colour) -> None:
        centre, axes = (
            (round(x * self.unit), round(y * self.unit)),
            (round(across * self.unit), round(down * self.unit)),
        )
        cv2.ellipse(self.pixels, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    def gradient(self, top: float, bottom: float, first: float, last: float) -> None:
        """Multiply the light between two heights by factors that change from the first to the last."""
        rows = self.pixels[round(top * self.unit) : round(bottom * self.unit)]
        factors = np.linspace(first, last, len(rows))[:, None, None]
        rows[:] = np.clip(rows * factors, 0, 255).astype(np.uint8)


def _floor(strip: _Strip, rng: np.random.Generator, horizon: float, tiles: bool) -> None:
    base = _surface(rng, rng.random(), rng.uniform(0.02, 0.2), rng.uniform(0.35, 0.65))
    strip.box(0.0, horizon, strip.wide, 1.0, base)
    strip.gradient(horizon, 1.0, 0.8, 1.12)
    if not tiles:
        return
    line = _shift(base, 0.72)
    for step in range(1, 7):
        y = horizon + (1 - horizon) * (step / 6.5) ** 1.7
        strip.box(0.0, y, strip.wide, y + 0.003, line)
    middle = strip.wide / 2
    for x in np.linspace(-2 * strip.wide, 3 * strip.wide, 36):
        top = middle + (x - middle) * 0.45
        strip.polygon([(top, horizon), (top + 0.003, horizon), (x + 0.006, 1.0), (x, 1.0)], line)


def _corridor(strip: _Strip, rng: np.random.Generator, horizon: float) -> None:
    wall = _surface(rng, rng.random(), rng.uniform(0.03, 0.25), rng.uniform(0.55, 0.85))
    strip.box(0.0, 0.0, strip.wide, horizon, wall)
    strip.gradient(0.0, horizon, 1.1, 0.85)
    if rng.random() < 0.6:
        strip.box(0.0, horizon * 0.62, strip.wide, horizon, _surface(rng, rng.random(), 0.2, rng.uniform(0.35, 0.7)))
    strip.box(0.0, horizon - 0.035, strip.wide, horizon, _shift(wall, 0.5))
    x = float(rng.uniform(0.0, 0.3))
    door = _surface(rng, rng.uniform(0.02, 0.12), rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.6))
    while x < strip.wide:
        if rng.random() < 0.6:
            strip.box(x - 0.02, horizon - 0.64, x + 0.34, horizon, _shift(door, 0.6))
            strip.box(x, horizon - 0.62, x + 0.32, horizon, door)
            strip.box(x + 0.07, horizon - 0.54, x + 0.25, horizon - 0.34, _shift(door, 0.55))
            strip.oval(x + 0.29, horizon - 0.28, 0.012, 0.012, _surface(rng, 0.1, 0.1, 0.9))
        else:
            board = _surface(rng, rng.random(), rng.uniform(0.1, 0.7), rng.uniform(0.4, 0.9))
            strip.box(x, horizon - 0.55, x + 0.3, horizon - 0.3, _shift(board, 0.55))
            strip.box(x + 0.012, horizon - 0.538, x + 0.288, horizon - 0.312, board)
        x += float(rng.uniform(0.5, 0.8))
    _floor(strip, rng, horizon, tiles=True)


def _hall(strip: _Strip, rng: np.random.Generator, horizon: float) -> None:
    strip.box(0.0, 0.0, strip.wide, horizon, _surface(rng, 0.58, rng.uniform(0.05, 0.25), rng.uniform(0.65, 0.9)))
    frame = _surface(rng, rng.random(), 0.1, rng.uniform(0.2, 0.5))
    for x in np.arange(float(rng.uniform(0, 0.2)), strip.wide, float(rng.uniform(0.24, 0.4))):
        strip.box(x, 0.0, x + 0.022, horizon, frame)
    for y in np.linspace(0.12, horizon, 4):
        strip.box(0.0, y - 0.014, strip.wide, y, frame)
    pillar = _surface(rng, rng.random(), 0.1, rng.uniform(0.5, 0.85))
    for x in np.arange(float(rng.uniform(0, 0.6)), strip.wide, float(rng.uniform(0.8, 1.2))):
        for share in range(6):
            shade = 0.7 + 0.35 * np.sin(np.pi * (share + 0.5) / 6)
            strip.box(x + 0.025 * share, 0.0, x + 0.025 * (share + 1.0), horizon + 0.02, _shift(pillar, float(shade)))
    _floor(strip, rng, horizon, tiles=True)


def _street(strip: _Strip, rng: np.random.Generator, horizon: float) -> None:
    x = 0.0
    while x < strip.wide:
        wide = float(rng.uniform(0.6, 1.1))
        house = _surface(rng, rng.uniform(0.0, 0.15), rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.8))
        strip.box(x, 0.0, x + wide, horizon, house)
        glass = _surface(rng, 0.58, 0.2, rng.uniform(0.2, 0.45))
        for y in np.arange(0.05, horizon - 0.3, 0.24):
            for offset in np.arange(0.08, wide - 0.15, 0.25):
                strip.box(x + offset - 0.01, y - 0.01, x + offset + 0.14, y + 0.17, _shift(house, 1.2))
                strip.box(x + offset, y, x + offset + 0.13, y + 0.16, glass)
        awning = _surface(rng, rng.random(), 0.6, rng.uniform(0.4, 0.8))
        strip.box(x + 0.05, horizon - 0.3, x + wide - 0.05, horizon, _shift(glass, 1.2))
        strip.box(x + 0.03, horizon - 0.35, x + wide - 0.03, horizon - 0.29, awning)
        x += wide
    _floor(strip, rng, horizon, tiles=bool(rng.random() < 0.5))
    strip.box(0.0, horizon, strip.wide, horizon + 0.05, _surface(rng, 0.1, 0.03, 0.6))
    for x in np.arange(float(rng.uniform(0, 0.8)), strip.wide, float(rng.uniform(1.3, 2.0))):
        paint = _surface(rng, rng.random(), rng.uniform(0.1, 0.8), rng.uniform(0.3, 0.8))
        strip.polygon(
            [
                (x + 0.1, horizon - 0.16),
                (x + 0.2, horizon - 0.27),
                (x + 0.52, horizon - 0.27),
                (x + 0.66, horizon - 0.16),
            ],
            _shift(paint, 0.45),
        )
        strip.box(x, horizon - 0.16, x + 0.8, horizon - 0.01, paint)
        for wheel in (0.16, 0.62):
            strip.oval(x + wheel, horizon, 0.065, 0.065, (25.0, 25.0, 25.0, 40.0))
            strip.oval(x + wheel, horizon, 0.03, 0.03, (130.0, 130.0, 135.0, 120.0))


def _park(strip: _Strip, rng: np.random.Generator, horizon: float) -> None:
    sky = _surface(rng, 0.57, rng.uniform(0.1, 0.35), 0.92)
    strip.box(0.0, 0.0, strip.wide, horizon, (*sky[:3], 45.0))
    for _ in range(70):
        x, y = float(rng.uniform(0, strip.wide)), float(rng.uniform(0.0, horizon - 0.1))
        size = float(rng.uniform(0.05, 0.16))
        strip.oval(x, y, size, size * 0.8, _leaves(rng, float(rng.uniform(0.2, 0.55))))
    bark = _surface(rng, 0.07, 0.4, rng.uniform(0.2, 0.4))
    for x in np.arange(float(rng.uniform(0, 0.4)), strip.wide, float(rng.uniform(0.5, 0.8))):
        strip.polygon([(x, 0.1), (x + 0.05, 0.1), (x + 0.075, horizon), (x - 0.02, horizon)], bark)
    hedge = _leaves(rng, float(rng.uniform(0.25, 0.4)))
    strip.box(0.0, horizon - 0.16, strip.wide, horizon, hedge)
    for _ in range(150):
        x, y = float(rng.uniform(0, strip.wide)), float(rng.uniform(horizon - 0.18, horizon))
        strip.oval(x, y, 0.03, 0.02, _shift(hedge, float(rng.uniform(0.7, 1.3))))
    strip.box(0.0, horizon, strip.wide, 1.0, _leaves(rng, float(rng.uniform(0.3, 0.5))))
    path = _surface(rng, 0.09, rng.uniform(0.08, 0.25), rng.uniform(0.5, 0.75))
    strip.polygon([(0.0, horizon + 0.09), (strip.wide, horizon + 0.06), (strip.wide, 1.0), (0.0, 1.0)], path)


def _bricks(strip: _Strip, rng: np.random.Generator, horizon: float) -> None:
    brick = _surface(rng, rng.uniform(0.0, 0.08), rng.uniform(0.25, 0.6), rng.uniform(0.4, 0.65))
    strip.box(0.0, 0.0, strip.wide, horizon, _shift(brick, 1.35))
    for row, y in enumerate(np.arange(0, horizon - 0.02, 0.045)):
        for x in np.arange(-0.1 + 0.055 * (row % 2), strip.wide, 0.11):
            strip.box(x, y, x + 0.103, y + 0.039, _shift(brick, float(rng.uniform(0.85, 1.12))))
    for x in np.arange(float(rng.uniform(0, 0.5)), strip.wide, float(rng.uniform(0.7, 1.2))):
        door = _surface(rng, rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.25, 0.8))
        strip.box(x, horizon - 0.55, x + 0.34, horizon, _shift(door, 0.5))
        for y in np.arange(horizon - 0.53, horizon, 0.05):
            strip.box(x + 0.015, y, x + 0.325, y + 0.042, door)
    _floor(strip, rng, horizon, tiles=True)


_INDOOR: tuple[Callable[[_Strip, np.random.Generator, float], None], ...] = (_corridor, _hall)
_OUTDOOR: tuple[Callable[[_Strip, np.random.Generator, float], None], ...] = (_street, _park, _bricks)


@lru_cache(maxsize=16)
def strip(seed: int, place: int, indoor: bool, height: int) -> UInt8[np.ndarray, "h w 4"]:
    """The background of a place: three times as wide as high; the last channel is the near infrared.

    The kinds of place take turns, so that neighbouring numbers look different.

    Args:
        seed: of the world.
        place: number of the place.
        indoor: whether it is a building's inside.
        height: pixels down.
    """
    rng = stream(seed, Topic.PLACE, place, 1)
    kinds = _INDOOR if indoor else _OUTDOOR
    board = _Strip(height, 3 * height)
    kinds[(place + seed) % len(kinds)](board, rng, float(rng.uniform(0.6, 0.72)))
    coarse = rng.normal(0.0, 1.0, (24, 72)).astype(np.float32)
    stains = cv2.resize(coarse, (3 * height, height), interpolation=cv2.INTER_CUBIC) * 6
    grain = rng.standard_normal((height, 3 * height), dtype=np.float32) * 5
    drawn = board.pixels.astype(np.float32) + (stains + grain)[..., None]
    drawn = cv2.GaussianBlur(drawn, (0, 0), height / 300)
    return np.clip(drawn, 0, 255).astype(np.uint8)
