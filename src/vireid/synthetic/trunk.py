"""The trunk of a figure: what is worn above, skirts, and how they hang over the legs."""

from __future__ import annotations

import numpy as np

from vireid.synthetic.baggage import draw_straps
from vireid.synthetic.canvas import Canvas, Ribbon, code
from vireid.synthetic.pattern import Surface, paint_pattern
from vireid.synthetic.person import Body, Person
from vireid.synthetic.pose import Skeleton, View

_TOP = 0.836


def _half_width(body: Body, heights: np.ndarray) -> np.ndarray:
    """Half width of the bare body at heights over the person's height."""
    knots = np.array([0.40, body.crotch, 0.53, 0.61, 0.70, 0.755, 0.790, 0.808, 0.823, _TOP])
    widths = [body.hip * 0.95, body.hip, body.hip, body.waist, body.chest, body.chest * 1.06]
    widths += [body.shoulder - 0.012, body.shoulder - 0.03, 0.064, 0.04]
    return np.interp(heights, knots, np.array(widths))


def trunk_band(
    person: Person,
    skeleton: Skeleton,
    view: View,
    *,
    top: float,
    bottom: float,
    loose: float,
    flare: float,
    lean: float,
) -> Ribbon:
    """The band of a garment around the trunk, wide enough to hold the legs that it hangs over.

    Args:
        person: who wears it.
        skeleton: the pose.
        view: the projection.
        top: height of its upper end over the person's height.
        bottom: height of its hem.
        loose: width over that of the body, below the shoulders.
        flare: further half width at the hem, over the person's height.
        lean: of the trunk, forward.
    """
    body = person.body
    tall = body.height
    heights = np.unique(np.concatenate([np.linspace(bottom, top, 13), [h for h in (0.790, 0.808, 0.823) if h < top]]))
    heights = heights[::-1]
    bare = _half_width(body, heights)
    ease = np.where(heights < 0.76, loose, 1.0 + 0.25 * (loose - 1.0))
    skirt = np.clip((0.6 - heights) / max(0.6 - bottom, 0.05), 0.0, 1.0)
    side = (bare * ease + flare * skirt) * tall
    front = (np.minimum(bare, body.chest * 1.05) * body.depth * ease + flare * skirt) * tall
    half = np.hypot(side * np.cos(view.yaw), front * np.sin(view.yaw)) * view.scale[0]
    half = half * (1.0 + view.perspective * (heights * tall - 0.9))
    forward = lean * (heights - 0.5) * tall
    points = np.stack([np.zeros_like(heights), forward, heights * tall + skeleton.shift], axis=1)
    centre = view.project(points)
    left, right = centre[:, 0] - half, centre[:, 0] + half
    if bottom < body.crotch:
        left, right = _hold_legs(body, skeleton, view, points[:, 2], left, right)
    return Ribbon(
        np.stack([left, centre[:, 1]], axis=1), np.stack([right, centre[:, 1]], axis=1), (top - heights) * tall
    )


def _hold_legs(
    body: Body, skeleton: Skeleton, view: View, up: np.ndarray, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    radius = 0.042 * body.limb * body.height * view.scale[0]
    for leg in skeleton.legs:
        pixels = view.project(leg)
        across = np.interp(up[::-1], leg[::-1, 2], pixels[::-1, 0])[::-1]
        below = up < leg[0, 2]
        left = np.where(below, np.minimum(left, across - radius), left)
        right = np.where(below, np.maximum(right, across + radius), right)
    # Cloth hangs: once spread by a leg it does not draw in again further down.
    low = up < body.crotch * body.height
    left[low] = np.minimum.accumulate(left[low])
    right[low] = np.maximum.accumulate(right[low])
    return left, right


def _surface(person: Person, view: View, band: Ribbon) -> Surface:
    body = person.body
    bow = (0.25 + np.sin(view.elevation)) * 0.05 * body.height * view.scale[1]
    return Surface(band=band, yaw=view.yaw, roundness=body.depth, bow=float(bow), girth=body.chest * body.height)


def draw_hips(canvas: Canvas, person: Person, skeleton: Skeleton, view: View, lean: float, base: int) -> None:
    """Draw trousers or shorts around the hips, or a skirt."""
    lower = person.lower
    if lower.kind == "none":
        return
    tall = person.body.height
    dress = lower.kind == "skirt"
    bottom = person.body.crotch * (1.0 - 0.9 * lower.hem) + 0.02 if dress else person.body.crotch - 0.012
    band = trunk_band(
        person,
        skeleton,
        view,
        top=0.60,
        bottom=bottom,
        loose=1.05,
        flare=0.045 * lower.flare if dress else 0.0,
        lean=lean,
    )
    canvas.ribbon(band, base + code("lower", "lower"), seam=0.55 if dress else 1.0)
    if dress:
        surface = _surface(person, view, band)
        second = base + code("lower", "lower_second")
        length = float(band.length[-1])
        paint_pattern(canvas, surface, lower.pattern, lower.period * tall, second, start=0.0, end=length)
        for place in (0.3, 0.52, 0.74):
            left, right = band.at(np.array([0.45, 1.0]) * length)
            canvas.darken(left + place * (right - left), 0.62)


def draw_upper(canvas: Canvas, person: Person, skeleton: Skeleton, view: View, lean: float, base: int) -> None:
    """Draw what is worn above: shirt, hoodie, jacket, coat or dress, with its pattern, opening, collar and straps."""
    upper, tall = person.upper, person.body.height
    band = trunk_band(
        person, skeleton, view, top=_TOP, bottom=upper.hem, loose=upper.loose, flare=upper.flare, lean=lean
    )
    length = float(band.length[-1])
    canvas.ribbon(band, base + code("upper", "upper"))
    surface = _surface(person, view, band)
    start = 0.03 * tall
    second = base + code("upper", "upper_second")
    paint_pattern(canvas, surface, upper.pattern, upper.period * tall, second, start=start, end=length)
    if upper.opening:
        span = surface.span(-upper.opening, upper.opening)
        if span:
            canvas.polygon(band.patch((0.0, length), span, 9), base + code("upper", "inner"))
            for place in span:
                left, right = band.at(np.linspace(0.0, length, 6))
                canvas.darken(left + place * (right - left), 0.55)
    elif upper.kind in ("shirt", "coat"):
        span = surface.span(-0.12, 0.12)
        if span:
            left, right = band.at(np.linspace(0.02 * tall, length, 6))
            canvas.darken(left + span[0] * (right - left), 0.6)
    if upper.kind == "hoodie" and np.cos(view.yaw) > 0.3:
        span = surface.span(-0.55, 0.55)
        if span:
            canvas.darken(band.patch((length * 0.66, length * 0.86), span), 0.62)
    if upper.kind == "dress":
        # The skirt of a dress covers the legs: only the part above the waist is the upper part.
        split = band.between((_TOP - 0.60) * tall, length)
        region = np.concatenate([split.left, split.right[::-1]])
        canvas.rename(region, {"upper": "lower"}, base)
    _draw_creases(canvas, band, length)
    _draw_neckline(canvas, person, band, surface, base)
    draw_straps(canvas, person, surface, base)


def _draw_creases(canvas: Canvas, band: Ribbon, length: float) -> None:
    for start, end, down in ((0.12, 0.34, 0.06), (0.88, 0.62, 0.08), (0.1, 0.4, 0.0)):
        left, right = band.at(np.array([0.62 - down, 0.70 + down]) * min(length, 0.7))
        line = np.stack([left[0] + start * (right[0] - left[0]), left[1] + end * (right[1] - left[1])])
        canvas.darken(line, 0.74)


def _draw_neckline(canvas: Canvas, person: Person, band: Ribbon, surface: Surface, base: int) -> None:
    tall, kind = person.body.height, person.upper.kind
    span = surface.span(-0.42, 0.42)
    if span is None:
        return
    deep = {"tank": 0.075, "t-shirt": 0.045, "dress": 0.06, "shirt": 0.05}.get(kind, 0.035)
    left, right = band.at(np.array([0.0, deep * tall]))
    middle = 0.5 * (span[0] + span[1])
    corner = [left[0] + place * (right[0] - left[0]) for place in (max(0.0, middle - 0.45), min(1.0, middle + 0.45))]
    tip = left[1] + middle * (right[1] - left[1])
    canvas.polygon(np.stack([corner[0], corner[1], tip]), base + code("head", "skin"))
    if kind in ("shirt", "coat", "jacket"):
        slot = "upper_second" if person.upper.pattern == "block" else "upper"
        for edge in corner:
            flap = np.stack([edge, tip, 0.55 * edge + 0.45 * tip + np.array((0.0, 0.03 * tall * canvas.unit))])
            canvas.polygon(flap, base + code("upper", slot))
            canvas.darken(flap, 0.6)
