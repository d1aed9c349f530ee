"""Legs and arms of a figure, bare and dressed."""

from __future__ import annotations

import numpy as np

from vireid.synthetic.canvas import Canvas, Ribbon, code, tube
from vireid.synthetic.pattern import Surface, paint_pattern
from vireid.synthetic.person import Person
from vireid.synthetic.pose import Skeleton, View

_LEG_PLACES = np.array([0.0, 0.12, 0.25, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0])
_LEG_RADII = np.array([0.050, 0.050, 0.046, 0.038, 0.033, 0.034, 0.034, 0.026, 0.020])
_ARM_PLACES = np.array([-0.09, -0.05, 0.0, 0.15, 0.35, 0.53, 0.7, 0.85, 1.0])
_ARM_RADII = np.array([0.006, 0.018, 0.0255, 0.0275, 0.026, 0.022, 0.022, 0.019, 0.015])


def _line(joints: np.ndarray, places: np.ndarray, middle: float) -> np.ndarray:
    """Points of a limb of three joints; the middle joint stands at the place `middle`, its corner rounded."""
    knots = np.array([0.0, middle, 1.0])
    points = np.stack([np.interp(places, knots, joints[:, axis]) for axis in range(3)], axis=1)
    before = places < 0
    if before.any():
        points[before] = joints[0] + places[before, None] * (joints[1] - joints[0]) / middle
    near = np.abs(places - middle) < 0.02
    points[near] += 0.12 * ((joints[0] + joints[2]) / 2 - joints[1])
    return points


def _limb(view: View, points: np.ndarray, radii: np.ndarray, places: np.ndarray) -> Ribbon:
    return tube(view.project(points), radii * view.scale[0], places)


def draw_leg(canvas: Canvas, person: Person, skeleton: Skeleton, view: View, side: int, base: int) -> None:
    """Draw a leg with sock, shoe and what covers it.

    Args:
        canvas: board to draw on.
        person: whose leg.
        skeleton: the pose.
        view: the projection.
        side: 0 left, 1 right.
        base: added to every code.
    """
    body, lower = person.body, person.lower
    tall = body.height
    points = _line(skeleton.legs[side], _LEG_PLACES, 0.5)
    radii = _LEG_RADII * body.limb * tall
    leg = _limb(view, points, radii, _LEG_PLACES)
    canvas.ribbon(leg, base + code("lower", "skin"))
    if person.socks:
        sock = _limb(view, points, radii * 1.04, _LEG_PLACES).between(1.0 - 0.5 * person.socks, 1.0)
        canvas.ribbon(sock, base + code("lower", "sock"))
    over = person.boots > 0.5 and lower.loose < 1.18
    if not over:
        _draw_shoe(canvas, person, skeleton, view, side, base)
    if lower.kind in ("trousers", "shorts"):
        cloth = np.maximum(radii * lower.loose, (0.026 * lower.loose + 0.012) * tall * np.ones_like(radii))
        cloth = cloth + lower.flare * 0.03 * tall * np.clip(_LEG_PLACES / lower.hem, 0, 1) ** 2
        full = _limb(view, points, cloth, _LEG_PLACES)
        band = full.between(0.0, lower.hem)
        canvas.ribbon(band, base + code("lower", "lower"))
        surface = Surface(band=full, yaw=view.yaw, roundness=1.0, bow=0.0, girth=0.045 * tall)
        second = base + code("lower", "lower_second")
        if lower.pattern == "vertical":
            outside = np.pi / 2 * (1 - 2 * side)
            span = surface.span(outside - 0.55, outside + 0.55)
            if span:
                canvas.polygon(full.patch((0.0, lower.hem), span, 9), second)
        else:
            paint_pattern(canvas, surface, lower.pattern, lower.period * 2, second, start=0.0, end=lower.hem)
        if lower.hem > 0.55:
            _draw_folds(canvas, full, (0.44, 0.5, 0.93))
    if over:
        _draw_shoe(canvas, person, skeleton, view, side, base)


def _draw_folds(canvas: Canvas, band: Ribbon, places: tuple[float, ...]) -> None:
    for place in places:
        left, right = band.at(np.array([place, place + 0.035]))
        canvas.darken(np.stack([left[0] * 0.85 + right[0] * 0.15, left[1] * 0.4 + right[1] * 0.6]), 0.66)


def _draw_shoe(canvas: Canvas, person: Person, skeleton: Skeleton, view: View, side: int, base: int) -> None:
    tall = person.body.height
    across = tall * view.scale[0]
    foot = view.project(skeleton.feet[side])
    ankle = view.project(skeleton.legs[side, 2:3])
    down = np.array((0.0, 0.008 * tall * view.scale[1]))
    canvas.hull(foot + down, np.array([0.021, 0.0225, 0.015]) * across, base + code("feet", "sole"), tone=0.9)
    points = np.concatenate([ankle, foot])
    canvas.hull(points, np.array([0.022, 0.021, 0.0225, 0.014]) * across, base + code("feet", "shoe"), tone=1.0)
    if person.boots:
        places = _LEG_PLACES[4:]
        line = _line(skeleton.legs[side], places, 0.5)
        radii = np.maximum(_LEG_RADII[4:] * person.body.limb * 1.12, 0.027) * tall
        boot = _limb(view, line, radii, places).between(1.0 - 0.5 * person.boots, 1.0)
        canvas.ribbon(boot, base + code("feet", "shoe"))


def draw_arm(canvas: Canvas, person: Person, skeleton: Skeleton, view: View, side: int, base: int) -> None:
    """Draw an arm with hand and sleeve; arguments as in `draw_leg`."""
    body, upper = person.body, person.upper
    tall = body.height
    joints = skeleton.arms[side]
    points = _line(joints[:3], _ARM_PLACES, 0.53)
    radii = _ARM_RADII * (0.5 + 0.5 * body.limb) * tall
    hand = view.project(np.stack([joints[2], 0.55 * joints[2] + 0.45 * joints[3], joints[3]]))
    thick = np.array([0.013, 0.018, 0.010]) * tall * view.scale[0]
    canvas.hull(hand, thick, base + code("arms", "skin"), tone=1.0)
    arm = _limb(view, points, radii, _ARM_PLACES)
    canvas.ribbon(arm, base + code("arms", "skin"))
    if not upper.sleeve:
        return
    cloth = radii * (1.08 + 0.9 * (upper.loose - 1.0)) + 0.003 * tall
    full = _limb(view, points, cloth, _ARM_PLACES)
    sleeve = full.between(-0.09, upper.sleeve)
    # The seam begins below the shoulder, where the sleeve grows out of the trunk.
    for edge in (sleeve.left, sleeve.right):
        canvas.darken(edge[sleeve.length > 0.12], 0.55, 3.0)
    canvas.ribbon(sleeve, base + code("arms", "upper"), seam=1.0)
    surface = Surface(band=full, yaw=view.yaw, roundness=1.0, bow=0.0, girth=0.03 * tall)
    second = base + code("arms", "upper_second")
    if upper.pattern in ("horizontal", "vertical", "checks", "dots"):
        period = upper.period * tall / (0.31 * tall)
        if upper.pattern in ("vertical", "checks", "dots"):
            surface = Surface(band=full, yaw=view.yaw, roundness=1.0, bow=0.0, girth=0.03 / 0.31)
        paint_pattern(canvas, surface, upper.pattern, period, second, start=0.0, end=upper.sleeve)
    if upper.sleeve > 0.6:
        _draw_folds(canvas, full, (0.47, 0.53))
