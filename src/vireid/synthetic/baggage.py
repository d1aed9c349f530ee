"""Backpacks, crossbody bags and handbags."""

from __future__ import annotations

from itertools import product

import numpy as np

from vireid.synthetic.canvas import Canvas, code
from vireid.synthetic.pattern import Surface
from vireid.synthetic.person import Person
from vireid.synthetic.pose import Skeleton, View


def bag_box(person: Person, skeleton: Skeleton, lean: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Middle and half sizes in metres of the bag that a person carries, None where there is none."""
    tall, size = person.body.height, person.bag_size
    depth = person.body.depth * person.body.chest * person.upper.loose
    if person.bag == "backpack":
        middle = np.array((0.0, -depth - 0.035 * size + lean * 0.2, 0.685)) * tall
        half = np.array((0.082, 0.036, 0.098)) * size * tall
    elif person.bag == "crossbody":
        middle = np.array((person.bag_side * (person.body.hip + 0.03), 0.01, 0.50)) * tall
        half = np.array((0.022, 0.058, 0.048)) * size * tall
    elif person.bag == "handbag":
        hand = skeleton.arms[0 if person.bag_side > 0 else 1, 3]
        middle = hand + np.array((0.01 * person.bag_side, 0.0, -0.085 * size)) * tall
        return middle, np.array((0.03, 0.072, 0.058)) * size * tall
    else:
        return None
    middle[2] += skeleton.shift
    return middle, half


def draw_bag(canvas: Canvas, person: Person, skeleton: Skeleton, view: View, lean: float, base: int) -> None:
    """Draw the body of the bag, its flap or pocket, and the handles of a handbag."""
    box = bag_box(person, skeleton, lean)
    if box is None:
        return
    middle, half = box
    corners = np.array(list(product((-1, 1), (-1, 1), (-1, 1)))) * 0.82
    round_off = 0.17 * float(half.max()) * view.scale[0]
    canvas.hull(view.project(middle + corners * half), np.full(8, round_off), base + code("bag", "bag"), tone=1.02)
    if person.bag == "handbag":
        hand = skeleton.arms[0 if person.bag_side > 0 else 1, 3]
        handle = view.project(np.stack([middle + half * (0, -0.5, 0.95), hand, middle + half * (0, 0.5, 0.95)]))
        canvas.stroke(handle, base + code("bag", "bag_second"), 0.012 * person.body.height)
    face = {"backpack": (0, -1), "crossbody": (person.bag_side, 0), "handbag": (person.bag_side, 0)}[person.bag]
    outward = np.array((*face, 0.0))
    if float(view.depth(outward[None])[0]) < 0.15:
        return
    level = (-0.75, -0.12) if person.bag == "backpack" else (0.15, 0.85)
    along = np.array((abs(face[1]), abs(face[0]), 0.0)) * 0.72
    plate = [
        middle + half * (outward + sign * along + np.array((0, 0, up)))
        for sign, up in ((-1, level[0]), (1, level[0]), (1, level[1]), (-1, level[1]))
    ]
    canvas.polygon(view.project(np.stack(plate)), base + code("bag", "bag_second"))


def draw_straps(canvas: Canvas, person: Person, surface: Surface, base: int) -> None:
    """Draw the straps over the trunk: of a backpack in front, of a crossbody bag around."""
    tall, band = person.body.height, surface.band
    strap = base + code("bag", "bag_second" if person.bag == "crossbody" else "bag")
    if person.bag == "backpack":
        for side in (-1, 1):
            span = surface.span(side * 0.62 - 0.13, side * 0.62 + 0.13)
            if span:
                canvas.polygon(band.patch((0.012 * tall, 0.2 * tall), span), strap)
    if person.bag == "crossbody":
        seen = np.cos(surface.yaw) >= 0
        side = person.bag_side if seen else -person.bag_side
        width = 0.05
        left, right = band.at(np.array([0.015, 0.3]) * tall)
        places = (0.5 - 0.26 * side, 0.5 + 0.46 * side)
        ends = [left[0] + places[0] * (right[0] - left[0]), left[1] + places[1] * (right[1] - left[1])]
        offset = np.array((width * 0.5 * float(np.hypot(*(right[1] - left[1]))), 0.0))
        canvas.polygon(np.stack([ends[0] - offset, ends[0] + offset, ends[1] + offset, ends[1] - offset]), strap)
