"""The drawing board: what is where (a code a pixel) and how much light it gets, both apart from any colour.

A code is ``128 * stranger + 16 * part + slot``: `PART_NAMES` numbers the parts, `SLOTS` the materials. A camera turns
codes into colour or into infrared, so that one drawing is the same shape in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

PART_NAMES = ("background", "head", "upper", "lower", "arms", "feet", "bag")
SLOTS = (
    "background",
    "skin",
    "lips",
    "eye",
    "hair",
    "upper",
    "upper_second",
    "inner",
    "lower",
    "lower_second",
    "shoe",
    "sole",
    "sock",
    "bag",
    "bag_second",
    "hat",
)
STRANGER = 128
NEUTRAL_SHADE = 170
_SHIFT = 4


def code(part: str, slot: str) -> int:
    """The code of a material on a part of the body.

    >>> code("head", "skin")
    17
    """
    return 16 * PART_NAMES.index(part) + SLOTS.index(slot)


@dataclass(frozen=True, slots=True, eq=False)
class Ribbon:
    """A band between two edges: an arm, a trouser leg, a trunk.

    Attributes:
        left: edge on the left of the image, in pixels, from top to bottom.
        right: the other edge.
        length: how far along the band each point lies, rising.
    """

    left: Float[np.ndarray, "n 2"]
    right: Float[np.ndarray, "n 2"]
    length: Float[np.ndarray, " n"]

    def at(self, lengths: Float[np.ndarray, " m"]) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, "m 2"]]:
        """Both edges at other lengths."""
        edges = []
        for edge in (self.left, self.right):
            columns = [np.interp(lengths, self.length, edge[:, axis]) for axis in (0, 1)]
            edges.append(np.stack(columns, axis=1))
        return edges[0], edges[1]

    def between(self, start: float, end: float) -> Ribbon:
        """The piece between two lengths."""
        inside = self.length[(self.length > start) & (self.length < end)]
        lengths = np.concatenate([[start], inside, [end]])
        left, right = self.at(lengths)
        return Ribbon(left, right, lengths)

    def patch(
        self, lengths: tuple[float, float], across: tuple[float, float], steps: int = 5
    ) -> Float[np.ndarray, "m 2"]:
        """Outline of a piece between two lengths and two places across, 0 at the left edge and 1 at the right."""
        left, right = self.at(np.linspace(*lengths, steps))
        start = left + across[0] * (right - left)
        end = left + across[1] * (right - left)
        return np.concatenate([start, end[::-1]])


def tube(centre: Float[np.ndarray, "n 2"], radius: Float[np.ndarray, " n"], length: Float[np.ndarray, " n"]) -> Ribbon:
    """The ribbon around a bent line.

    Args:
        centre: pixels of the line, from top to bottom.
        radius: half width at each point, in pixels.
        length: how far along the limb each point lies.
    """
    along = np.gradient(centre, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    normal = np.stack([along[:, 1], -along[:, 0]], axis=1)
    offset = normal * radius[:, None]
    return Ribbon(centre - offset, centre + offset, length)


class Canvas:
    """The board of one figure.

    Args:
        height: pixels down.
        width: pixels across.
        light: where light comes from across the image, -1 left to 1 right.
        ambient: share of the light that comes from everywhere, in [0, 1].
        unit: pixels of a metre.
    """

    def __init__(self, height: int, width: int, *, light: float, ambient: float, unit: float) -> None:
        self.unit = unit
        self.codes: UInt8[np.ndarray, "h w"] = np.zeros((height, width), dtype=np.uint8)
        self.shade: UInt8[np.ndarray, "h w"] = np.full((height, width), NEUTRAL_SHADE, dtype=np.uint8)
        angles = np.arcsin(np.linspace(-1.0, 1.0, 8))
        middle = (angles[1:] + angles[:-1]) / 2
        facing = np.sqrt(max(0.0, 1.0 - 0.6 * light * light))
        lit = np.maximum(0.0, np.sin(middle) * light + np.cos(middle) * facing)
        self._strips = NEUTRAL_SHADE * (ambient + (1.0 - ambient) * lit)
        self.light = light
        self._edge = max(1, round(height / 260))

    def polygon(self, outline: Float[np.ndarray, "n 2"], code: int) -> None:
        """Fill an outline with a code; its light stays."""
        cv2.fillPoly(self.codes, [_fixed(outline)], code, shift=_SHIFT)

    def polygons(self, outlines: list[Float[np.ndarray, "n 2"]], code: int) -> None:
        """Fill several outlines that do not overlap."""
        if outlines:
            cv2.fillPoly(self.codes, [_fixed(outline) for outline in outlines], code, shift=_SHIFT)

    def darken(self, line: Float[np.ndarray, "n 2"], amount: float, thickness: float = 1.0) -> None:
        """Draw a fold or a seam: a line with less light."""
        value = round(NEUTRAL_SHADE * amount)
        cv2.polylines(self.shade, [_fixed(line)], False, value, max(1, round(self._edge * thickness)), shift=_SHIFT)

    def ribbon(self, band: Ribbon, code: int, *, tone: float = 1.0, seam: float = 0.55) -> None:
        """Fill a band with a code and light it as a cylinder.

        Args:
            band: where.
            code: what.
            tone: light over the usual.
            seam: light that is left where the band's edge lies on something else; 1 for no seam.
        """
        outline = np.concatenate([band.left, band.right[::-1]])
        if seam < 1:
            value = round(NEUTRAL_SHADE * seam)
            cv2.polylines(self.shade, [_fixed(outline)], True, value, 1 + 2 * self._edge, shift=_SHIFT)
        self.polygon(outline, code)
        count = len(self._strips)
        places = np.linspace(0.0, 1.0, count + 1)[:, None, None]
        edges = band.left + places * (band.right - band.left)
        strips = _fixed(np.concatenate([edges[:-1], edges[1:, ::-1]], axis=1))
        for strip, value in zip(strips, self._strips):
            cv2.fillPoly(self.shade, [strip], float(min(255.0, value * tone)), shift=_SHIFT)

    def ellipse(
        self,
        centre: tuple[float, float],
        axes: tuple[float, float],
        code: int,
        *,
        tone: float = 1.0,
        angle: float = 0.0,
    ) -> None:
        """Fill an ellipse with a code and light it as a ball."""
        self._oval(self.codes, centre, axes, angle, code)
        for share, level in ((1.0, 0.62), (0.86, 0.8), (0.68, 0.94), (0.45, 1.02)):
            shifted = (centre[0] + self.light * axes[0] * (1 - share) * 0.8, centre[1] - axes[1] * (1 - share) * 0.4)
            scaled = (axes[0] * share, axes[1] * share)
            self._oval(self.shade, shifted, scaled, angle, min(255, round(NEUTRAL_SHADE * level * tone)))

    def spot(self, centre: tuple[float, float], axes: tuple[float, float], code: int) -> None:
        """Fill an ellipse with a code; its light stays."""
        self._oval(self.codes, centre, axes, 0.0, code)

    def hull(self, points: Float[np.ndarray, "n 2"], radii: Float[np.ndarray, " n"], code: int, *, tone: float) -> None:
        """Fill the convex hull of circles (a shoe, a bag) with a code, lighter above than below."""
        turns = np.linspace(0.0, 2 * np.pi, 12, endpoint=False)
        ring = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        cloud = (points[:, None, :] + radii[:, None, None] * ring).reshape(-1, 2).astype(np.float32)
        outline = cv2.convexHull(cloud)[:, 0].astype(np.float64)
        self.polygon(outline, code)
        middle = outline.mean(axis=0)
        for share, level in ((1.0, 0.68), (0.75, 0.85), (0.5, 1.0)):
            inner = middle + (outline - middle) * share
            inner[:, 1] -= (1 - share) * 0.3 * np.ptp(outline[:, 1])
            cv2.fillPoly(self.shade, [_fixed(inner)], round(NEUTRAL_SHADE * level * tone), shift=_SHIFT)

    def dome(self, left: Float[np.ndarray, "n 2"], right: Float[np.ndarray, "n 2"], code: int) -> None:
        """Fill a band between two edges given from top to bottom, lit as a cylinder."""
        self.ribbon(Ribbon(left, right, np.arange(float(len(left)))), code)

    def brim(
        self, points: Float[np.ndarray, "2 2"], half_widths: Float[np.ndarray, " 2"], thickness: float, code: int
    ) -> None:
        """Fill a flat peak from its root to its edge."""
        ends = [point + np.array((sign * half, 0.0)) for point, half in zip(points, half_widths) for sign in (-1, 1)]
        self.hull(np.stack(ends), np.full(4, thickness), code, tone=0.85)

    def stroke(self, line: Float[np.ndarray, "n 2"], code: int, width: float) -> None:
        """Draw a line of a width in metres with a code."""
        cv2.polylines(self.codes, [_fixed(line)], False, code, max(1, round(width * self.unit)), shift=_SHIFT)

    def rename(self, outline: Float[np.ndarray, "n 2"], parts: dict[str, str], base: int) -> None:
        """Give pixels within an outline to another part, whatever their material."""
        inside = np.zeros_like(self.codes)
        cv2.fillPoly(inside, [_fixed(outline)], 1, shift=_SHIFT)
        table = np.arange(256, dtype=np.uint8)
        for old, new in parts.items():
            first, other = base + 16 * PART_NAMES.index(old), base + 16 * PART_NAMES.index(new)
            table[first : first + 16] = np.arange(other, other + 16)
        cv2.copyTo(cv2.LUT(self.codes, table), inside, self.codes)

    def _oval(
        self, board: np.ndarray, centre: tuple[float, float], axes: tuple[float, float], angle: float, value: int
    ):
        scale = 1 << _SHIFT
        cv2.ellipse(
            board,
            (round(centre[0] * scale), round(centre[1] * scale)),
            (max(1, round(axes[0] * scale)), max(1, round(axes[1] * scale))),
            angle,
            0.0,
            360.0,
            value,
            -1,
            shift=_SHIFT,
        )


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)
