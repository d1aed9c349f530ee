"""How a person stands or walks: a skeleton in metres, and the view that projects it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from vireid.synthetic.person import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Gait:
    """A moment of standing or walking; angles in radians.

    Attributes:
        phase: of the step, 0 to 2 pi.
        stride: largest angle of the thigh, 0 when standing.
        swing: angle of the arms over that of the legs.
        elbows: bend of the left and the right elbow.
        lean: of the trunk, forward.
    """

    phase: float
    stride: float
    swing: float
    elbows: tuple[float, float]
    lean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """An orthographic view with a little perspective.

    Attributes:
        yaw: 0 when the person faces the camera, pi when seen from behind.
        elevation: of the camera above the horizon, in radians.
        perspective: growth of the width for a metre of height: a high camera sees large heads.
        scale: pixels a metre, across and down.
        origin: pixel of the point on the ground between the feet.
    """

    yaw: float
    elevation: float
    perspective: float
    scale: tuple[float, float]
    origin: tuple[float, float]

    def depth(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        """Nearness to the camera in metres: larger is nearer."""
        return points[:, 1] * np.cos(self.yaw) + points[:, 0] * np.sin(self.yaw)

    def project(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        """Pixels of points given as left, forward and up of the person, in metres."""
        across = points[:, 0] * np.cos(self.yaw) - points[:, 1] * np.sin(self.yaw)
        across = across * (1.0 + self.perspective * (points[:, 2] - 0.9))
        up = points[:, 2] * np.cos(self.elevation) - self.depth(points) * np.sin(self.elevation)
        return np.stack(
            [self.origin[0] + across * self.scale[0], self.origin[1] - up * self.scale[1]],
            axis=1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """Joints in metres: left, forward, up. First axis of the limbs: left, right.

    Attributes:
        arms: shoulder, elbow, wrist, tip of the hand.
        legs: hip, knee, ankle.
        feet: heel, ball, toe.
        shift: what was added to the heights so that the lower foot stands on the ground.
    """

    arms: Float[np.ndarray, "2 4 3"]
    legs: Float[np.ndarray, "2 3 3"]
    feet: Float[np.ndarray, "2 3 3"]
    shift: float


def _chain(start: np.ndarray, angles: list[float], lengths: list[float], outward: float) -> np.ndarray:
    points = [start]
    for angle, length in zip(angles, lengths):
        step = np.array((outward, np.sin(angle), -np.cos(angle)))
        points.append(points[-1] + length * step)
    return np.stack(points)


def pose(body: Body, gait: Gait) -> Skeleton:
    """Joints of a body at a moment of its gait.

    Args:
        body: proportions.
        gait: the moment.
    """
    tall = body.height
    arms, legs, feet = [], [], []
    for side, sign in ((0, 1.0), (1, -1.0)):
        phase = gait.phase + side * np.pi
        thigh = gait.stride * np.sin(phase)
        bend = 0.06 + gait.stride * (0.45 + 0.9 * max(0.0, np.cos(phase)))
        hip = np.array((sign * body.hip * 0.52, 0.0, body.crotch + 0.03)) * tall
        leg = _chain(hip, [thigh, thigh - bend], [0.245 * tall, hip[2] - (0.245 + 0.04) * tall], sign * 0.015)
        toe = thigh - bend + np.pi / 2 + 0.25 * gait.stride
        toe = np.clip(toe, np.pi / 2 - 0.55, np.pi / 2 + 0.35)
        forward = np.array((sign * 0.18, np.sin(toe), -np.cos(toe)))
        heel = leg[2] + np.array((0.0, -0.022, -0.026)) * tall
        foot = np.stack([heel, heel + forward * 0.085 * tall, heel + forward * 0.118 * tall])
        shoulder = np.array((sign * (body.shoulder - 0.022), gait.lean * 0.25, 0.789)) * tall
        arm = -gait.swing * thigh + 0.03
        elbow = gait.elbows[side]
        reach = _chain(
            shoulder,
            [arm, arm + elbow, arm + elbow * 1.1],
            [0.165 * tall, 0.145 * tall, 0.075 * tall],
            sign * (0.1 + 0.08 * max(0.0, body.limb - 1.0)),
        )
        arms.append(reach)
        legs.append(leg)
        feet.append(foot)
    arms, legs, feet = np.stack(arms), np.stack(legs), np.stack(feet)
    shift = 0.014 * tall - float(feet[:, :, 2].min())
    for joints in (arms, legs, feet):
        joints[..., 2] += shift
    return Skeleton(arms=arms, legs=legs, feet=feet, shift=shift)
