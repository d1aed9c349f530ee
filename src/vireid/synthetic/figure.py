"""One person drawn on a canvas: every part in the order of its depth."""

from __future__ import annotations

import numpy as np

from vireid.synthetic.baggage import bag_box, draw_bag
from vireid.synthetic.canvas import Canvas
from vireid.synthetic.head import Head
from vireid.synthetic.limbs import draw_arm, draw_leg
from vireid.synthetic.person import Person
from vireid.synthetic.pose import Gait, View, pose
from vireid.synthetic.trunk import draw_hips, draw_upper


def draw_figure(canvas: Canvas, person: Person, gait: Gait, view: View, *, turn: float, base: int = 0) -> None:
    """Draw a person.

    Args:
        canvas: board to draw on.
        person: who.
        gait: moment of standing or walking.
        view: the projection.
        turn: of the head against the body, in radians.
        base: added to every code: 0, or `canvas.STRANGER` for someone who is not the subject.
    """
    skeleton = pose(person.body, gait)
    head = Head(person, view, lift=skeleton.shift, lean=gait.lean, turn=turn, base=base)
    reach = [float(view.depth(arm).mean()) for arm in skeleton.arms]
    behind = [depth < -0.05 for depth in reach]
    from_behind = np.cos(view.yaw) < 0
    box = bag_box(person, skeleton, gait.lean)
    bag_depth = 0.0 if box is None else float(view.depth(box[0][None])[0])

    if not from_behind:
        head.draw_long_hair(canvas)
    for side in (0, 1):
        if behind[side]:
            draw_arm(canvas, person, skeleton, view, side, base)
    if bag_depth <= 0:
        draw_bag(canvas, person, skeleton, view, gait.lean, base)
    legs = sorted((0, 1), key=lambda side: float(view.depth(skeleton.legs[side]).mean()))
    for side in legs:
        draw_leg(canvas, person, skeleton, view, side, base)
    draw_hips(canvas, person, skeleton, view, gait.lean, base)
    head.draw_neck(canvas)
    draw_upper(canvas, person, skeleton, view, gait.lean, base)
    head.draw(canvas)
    if from_behind:
        head.draw_long_hair(canvas)
    in_front = bag_depth > 0
    if in_front and person.bag == "backpack":
        draw_bag(canvas, person, skeleton, view, gait.lean, base)
    for side in sorted((0, 1), key=lambda side: reach[side]):
        if not behind[side]:
            draw_arm(canvas, person, skeleton, view, side, base)
    if in_front and person.bag != "backpack":
        draw_bag(canvas, person, skeleton, view, gait.lean, base)
