"""The head of a figure: face, hair and hat, turned with the body."""

from __future__ import annotations

import numpy as np

from vireid.synthetic.canvas import Canvas, code, tube
from vireid.synthetic.person import Person
from vireid.synthetic.pose import View


class Head:
    """Where the head of a person is, with what is drawn before and after the trunk.

    Args:
        person: whose head.
        view: the projection.
        lift: height added by the pose, in metres.
        lean: of the trunk, forward.
        turn: of the head against the body, in radians.
        base: added to every code.
    """

    def __init__(self, person: Person, view: View, *, lift: float, lean: float, turn: float, base: int) -> None:
        self.person, self.view, self.base = person, view, base
        self.tall = person.body.height
        self.size = person.body.head * self.tall
        self.yaw = view.yaw + turn
        self.lift, self.forward = lift, lean * 0.42 * self.tall
        self.half_width = float(np.hypot(0.046 * np.cos(self.yaw), 0.055 * np.sin(self.yaw))) * self.size
        self.half_height = 0.065 * self.size
        self.middle = 0.932 * self.tall

    def _pixel(self, side: float, forward: float, up: float) -> tuple[tuple[float, float], float]:
        """Pixel of a point of the turned head (in units of its size, from its middle) and its nearness."""
        cos, sin = np.cos(self.yaw - self.view.yaw), np.sin(self.yaw - self.view.yaw)
        point = np.array(
            [
                [
                    (side * cos - forward * sin) * self.size,
                    (side * sin + forward * cos) * self.size + self.forward,
                    self.middle + up * self.size + self.lift,
                ]
            ]
        )
        near = side * np.sin(self.yaw) + forward * np.cos(self.yaw)
        pixel = self.view.project(point)[0]
        return (float(pixel[0]), float(pixel[1])), float(near)

    def _axes(self, across: float, down: float) -> tuple[float, float]:
        return across * self.view.scale[0], down * self.view.scale[1]

    def draw_neck(self, canvas: Canvas) -> None:
        """Draw the neck, down into the collar."""
        top, _ = self._pixel(0.0, -0.008, -0.035)
        bottom = self.view.project(np.array([[0.0, self.forward * 0.8, 0.825 * self.tall + self.lift]]))[0]
        centre = np.stack([np.asarray(top), bottom])
        radius = np.array([0.027, 0.036]) * self.tall * (0.6 + 0.4 * self.person.body.limb) * self.view.scale[0]
        canvas.ribbon(tube(centre, radius, np.array([0.0, 1.0])), self.base + code("head", "skin"), tone=0.82)

    def draw_long_hair(self, canvas: Canvas) -> None:
        """Draw hair that falls behind the shoulders: before the trunk when seen from the front, else after it."""
        drop = {"bob": 0.11, "long": 0.23, "ponytail": 0.2}.get(self.person.hair_style)
        if drop is None:
            return
        tail = self.person.hair_style == "ponytail"
        heights = np.array([0.03 if not tail else 0.02, -0.03, -0.07, -drop * 0.75, -drop])
        backs = (
            np.array([-0.02, -0.035, -0.045, -0.05, -0.045]) if not tail else np.array([-0.05, -0.07] + 3 * [-0.065])
        )
        centre = np.stack([np.asarray(self._pixel(0.0, back, up)[0]) for back, up in zip(backs, heights)])
        wide = (
            np.array([0.045, 0.056, 0.058, 0.056, 0.04]) if not tail else np.array([0.012, 0.024, 0.026, 0.022, 0.008])
        )
        side = 0.6 + 0.4 * abs(np.cos(self.yaw)) if not tail else 1.0
        radius = wide * side * self.size * self.view.scale[0]
        canvas.ribbon(tube(centre, radius, -heights), self.base + code("head", "hair"), tone=0.95)

    def draw(self, canvas: Canvas) -> None:
        """Draw skull, face, hair and hat."""
        person, base = self.person, self.base
        style = person.hair_style
        skull, _ = self._pixel(0.0, 0.0, 0.0)
        axes = self._axes(self.half_width, self.half_height)
        hair, skin = base + code("head", "hair"), base + code("head", "skin")
        if style == "shaved":
            canvas.ellipse(skull, axes, skin)
            self._draw_ears(canvas)
            self._draw_features(canvas)
        else:
            if style in ("bun", "afro"):
                grown = {"bun": (0.03, -0.04, 0.062, 0.028), "afro": (0.0, -0.012, 0.03, 0.078)}[style]
                centre, _ = self._pixel(0.0, grown[1], grown[2])
                canvas.ellipse(centre, self._axes(grown[3] * self.size, grown[3] * self.size * 0.92), hair)
            crown, _ = self._pixel(0.0, -0.008, 0.01)
            canvas.ellipse(crown, (axes[0] * 1.09, axes[1] * (0.98 if style == "short" else 1.04)), hair)
            if np.cos(self.yaw) < 0.25:
                self._draw_nape(canvas, skin)
            if style in ("short", "bun", "ponytail"):
                self._draw_ears(canvas)
            self._draw_face(canvas, skin)
        if person.beard and np.cos(self.yaw) > -0.35:
            chin, near = self._pixel(0.0, 0.03, -0.043)
            if near > -0.01:
                canvas.ellipse(chin, self._axes(0.62 * self.half_width, 0.3 * self.half_height), hair, tone=0.9)
                mouth, _ = self._pixel(0.0, 0.042, -0.032)
                canvas.spot(
                    mouth, self._axes(0.22 * self.half_width, 0.05 * self.half_height), base + code("head", "lips")
                )
        self._draw_hat(canvas)

    def _draw_nape(self, canvas: Canvas, skin: int) -> None:
        if self.person.hair_style in ("short", "bun", "ponytail", "afro"):
            nape, _ = self._pixel(0.0, -0.012, -0.05)
            canvas.ellipse(nape, self._axes(0.62 * self.half_width, 0.3 * self.half_height), skin, tone=0.85)

    def _draw_face(self, canvas: Canvas, skin: int) -> None:
        front = np.cos(self.yaw)
        if front < -0.45:
            return
        face, _ = self._pixel(0.0, 0.016 + 0.014 * abs(np.sin(self.yaw)), -0.012)
        across = (
            self.half_width * (0.9 if front > 0.5 else 0.62 + 0.56 * max(0.0, front)) * (1.0 if front > 0 else 0.75)
        )
        canvas.ellipse(face, self._axes(across, self.half_height * 0.83), skin)
        if self.person.hair_style in ("bob", "long"):
            fringe, _ = self._pixel(0.0, 0.016, 0.038)
            canvas.ellipse(fringe, self._axes(across * 0.8, self.half_height * 0.24), self.base + code("head", "hair"))
        self._draw_features(canvas)

    def _draw_features(self, canvas: Canvas) -> None:
        eye, lips = self.base + code("head", "eye"), self.base + code("head", "lips")
        hair = self.base + code("head", "hair")
        for side in (-0.018, 0.018):
            spot, near = self._pixel(side, 0.044, 0.0)
            if near > 0.012:
                canvas.spot(spot, self._axes(0.0065 * self.size, 0.0042 * self.size), eye)
                brow, _ = self._pixel(side, 0.044, 0.0155)
                canvas.spot(brow, self._axes(0.009 * self.size, 0.002 * self.size), hair)
        mouth, near = self._pixel(0.0, 0.046, -0.036)
        if near > 0.008:
            canvas.spot(mouth, self._axes(0.013 * self.size * max(0.4, np.cos(self.yaw)), 0.004 * self.size), lips)
            nose = [self._pixel(0.003, 0.05, up)[0] for up in (-0.002, -0.018)]
            canvas.darken(np.asarray(nose), 0.8)
        if abs(np.sin(self.yaw)) > 0.5 and np.cos(self.yaw) > -0.5:
            tip, _ = self._pixel(0.0, 0.056, -0.016)
            canvas.ellipse(tip, self._axes(0.009 * self.size, 0.009 * self.size), self.base + code("head", "skin"))

    def _draw_ears(self, canvas: Canvas) -> None:
        for side in (-0.046, 0.046):
            ear, near = self._pixel(side, -0.004, -0.006)
            if near > -0.02:
                wide = 0.006 + 0.008 * abs(np.sin(self.yaw))
                canvas.ellipse(
                    ear, self._axes(wide * self.size, 0.016 * self.size), self.base + code("head", "skin"), tone=0.9
                )

    def _draw_hat(self, canvas: Canvas) -> None:
        hat, code_hat = self.person.hat, self.base + code("head", "hat")
        if hat == "none":
            return
        rise = 0.03 if hat != "beanie" else 0.034
        wide = 1.16 if self.person.hair_style != "afro" else 1.3
        centre, _ = self._pixel(0.0, -0.006, rise - 0.01)
        across, up = self._axes(
            self.half_width * wide, self.half_height * {"beanie": 0.85, "brim": 0.72}.get(hat, 0.68)
        )
        turns = np.linspace(0.0, np.pi / 2, 7)
        down, out = centre[1] - up * np.cos(turns), across * np.sin(turns)
        canvas.dome(np.stack([centre[0] - out, down], axis=1), np.stack([centre[0] + out, down], axis=1), code_hat)
        if hat == "beanie":
            edge = np.array([[centre[0] - across, centre[1] - 0.22 * up], [centre[0] + across, centre[1] - 0.22 * up]])
            canvas.darken(edge, 0.6, 1.5)
        if hat == "brim":
            canvas.ellipse(centre, (across * 1.75, up * 0.3), code_hat, tone=0.85)
        if hat == "cap":
            peak, near = self._pixel(0.0, 0.075, rise - 0.012)
            if near > -0.05:
                root, _ = self._pixel(0.0, 0.03, rise - 0.008)
                thick = np.array(
                    [0.9 * across * max(0.3, abs(np.cos(self.yaw))), 0.55 * across * max(0.2, np.cos(self.yaw))]
                )
                points = np.array([root, peak])
                canvas.brim(points, thick, 0.014 * self.size * self.view.scale[1], code_hat)
