"""Things that stand between the camera and the person: a pole, a bin, a railing, or the edge of a wall."""

from __future__ import annotations

import numpy as np

from vireid.synthetic.canvas import Canvas
from vireid.synthetic.material import Material, fabric

BODY, TRIM = 1, 2


def draw_prop(canvas: Canvas, rng: np.random.Generator) -> dict[int, Material]:
    """Draw one thing in front of all else and say what its codes are made of.

    Args:
        canvas: board that the person is drawn on already.
        rng: source of the draw.
    """
    height, width = canvas.codes.shape
    materials = {BODY: fabric(rng), TRIM: fabric(rng)}
    kind = int(rng.integers(4))
    if kind == 0:
        x, thick = rng.uniform(0.15, 0.85) * width, rng.uniform(0.05, 0.1) * width
        _block(canvas, (x, -2.0, x + thick, height + 2.0), BODY)
    elif kind == 1:
        side = rng.choice((0.0, 0.62))
        left, top = (side + rng.uniform(-0.08, 0.08)) * width, rng.uniform(0.68, 0.8) * height
        _block(canvas, (left, top, left + 0.4 * width, height + 2.0), BODY)
        _block(canvas, (left - 0.02 * width, top, left + 0.42 * width, top + 0.035 * height), TRIM)
    elif kind == 2:
        top = rng.uniform(0.66, 0.78) * height
        for share in (0.0, 0.11, 0.22):
            _block(canvas, (-2.0, top + share * height, width + 2.0, top + (share + 0.02) * height), BODY)
        x = rng.uniform(0.1, 0.9) * width
        _block(canvas, (x, top, x + 0.04 * width, height + 2.0), TRIM)
    else:
        cut = rng.uniform(0.1, 0.27) * width
        left = 0.0 if rng.random() < 0.5 else width - cut
        _block(canvas, (left - 2.0, -2.0, left + cut + 2.0, height + 2.0), BODY)
    return materials


def _block(canvas: Canvas, box: tuple[float, float, float, float], code: int) -> None:
    left, top, right, bottom = box
    upright = np.array([[left, top], [left, bottom]])
    canvas.dome(upright, upright + np.array((right - left, 0.0)), code)
