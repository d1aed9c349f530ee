"""One picture of the made world: a person at a place, seen by a camera."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from vireid.synthetic.camera import Camera
from vireid.synthetic.canvas import SLOTS, STRANGER, Canvas
from vireid.synthetic.figure import draw_figure
from vireid.synthetic.person import Person, make_person
from vireid.synthetic.pose import Gait, View
from vireid.synthetic.props import draw_prop
from vireid.synthetic.scene import strip
from vireid.synthetic.sensor import expose, palette
from vireid.synthetic.stream import Topic, stream
from vireid.types import Modality, VireidError

MIN_HEIGHT, MIN_WIDTH, MAX_SIDE = 32, 16, 2048
# Backgrounds are out of focus: beyond this many pixels down they are enlarged, to save memory.
_FINEST_SCENE = 768
# People who pass by are nobody of the data set: their numbers start where no data set gets.
_STRANGERS = 1 << 30
_PARTS = np.where(np.arange(256) < STRANGER, np.arange(256) // len(SLOTS), 0).astype(np.uint8)
_person = lru_cache(maxsize=256)(make_person)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What a camera made of a person.

    Attributes:
        image: red, green, blue; the three are equal where the camera sees infrared.
        parts: for each pixel the number of a part in `PART_NAMES`.
    """

    image: UInt8[np.ndarray, "h w 3"]
    parts: UInt8[np.ndarray, "h w"]


def check_size(height: int, width: int) -> None:
    """Refuse sizes that cannot show a person.

    Raises:
        VireidError: a side too small or too large.
    """
    if not (MIN_HEIGHT <= height <= MAX_SIDE and MIN_WIDTH <= width <= MAX_SIDE):
        raise VireidError(
            f"images must be at least {MIN_HEIGHT} x {MIN_WIDTH} and at most {MAX_SIDE} x {MAX_SIDE} pixels "
            f"(height x width), got {height} x {width}"
        )


def render(seed: int, *, person: int, camera: Camera, image: int, height: int, width: int) -> Picture:
    """The picture of a person by a camera: a function of the arguments alone.

    Args:
        seed: of the world, at least 0.
        person: number of the person, at least 0.
        camera: who looks; see `camera.cameras_of`.
        image: number of the picture, at least 0.
        height: pixels down.
        width: pixels across; people keep their shape where it is half the height, as in the data sets.

    Raises:
        VireidError: a size that cannot show a person.
    """
    check_size(height, width)
    moment = stream(seed, Topic.MOMENT, person, camera.moment, image)
    # Twice the size, for smooth edges.
    board = (2 * height, 2 * width)
    subject = _person(seed, person)
    tall = subject.body.height
    frame = 1.12 * (0.7 * tall + 0.3 * 1.72) * float(moment.uniform(0.97, 1.08))
    unit = board[0] / frame
    across = board[1] / (0.5 * frame)
    view = _view(camera, moment, board, (across, unit))
    canvas = Canvas(*board, light=camera.light, ambient=camera.ambient, unit=unit)
    passer_by = _STRANGERS + int(moment.integers(1000))
    gait, turn = _gait(moment), float(moment.normal(0.0, 0.18))
    chance = float(moment.random())
    stranger = _person(seed, passer_by) if chance < 0.10 else subject
    if chance < 0.06:
        _draw_stranger(canvas, stranger, view, moment, 0.42)
    draw_figure(canvas, subject, gait, view, turn=turn)
    if 0.06 <= chance < 0.10:
        _draw_stranger(canvas, stranger, view, moment, 0.5)
    props = draw_prop(canvas, moment) if 0.10 <= chance < 0.18 else {}
    pixels = expose(
        canvas,
        _crop(strip(seed, camera.place, camera.indoor, min(board[0], _FINEST_SCENE)), moment, board),
        camera,
        palette((subject, stranger), props, infrared=camera.modality is Modality.INFRARED),
        moment=moment,
        sensor=stream(seed, Topic.SENSOR, person, camera.number, int(camera.modality is Modality.INFRARED), image),
        size=(height, width),
        feet=view.origin,
    )
    parts = cv2.resize(cv2.LUT(canvas.codes, _PARTS), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return Picture(pixels, parts)


def _view(camera: Camera, moment: np.random.Generator, board: tuple[int, int], scale: tuple[float, float]) -> View:
    """The camera's view of this instant: people walk towards it or away, and boxes are never quite right."""
    away = int(moment.random() < 0.4)
    return View(
        yaw=camera.yaws[away] + float(moment.normal(0.0, 0.2)),
        elevation=camera.elevation,
        perspective=camera.perspective,
        scale=scale,
        origin=(
            board[1] * (0.5 + float(moment.normal(0.0, 0.03))),
            board[0] * (0.955 + float(moment.normal(0.0, 0.015))),
        ),
    )


def _gait(moment: np.random.Generator) -> Gait:
    walking = moment.random() < 0.75
    raised = moment.random(2) < 0.08
    elbows = np.where(raised, moment.uniform(1.4, 2.0, 2), moment.uniform(0.1, 0.5, 2))
    return Gait(
        phase=float(moment.uniform(0.0, 2 * np.pi)),
        stride=float(moment.uniform(0.28, 0.45)) if walking else float(moment.uniform(0.0, 0.06)),
        swing=float(moment.uniform(0.5, 1.0)),
        elbows=(float(elbows[0]), float(elbows[1])),
        lean=float(moment.uniform(0.0, 0.08)),
    )


def _draw_stranger(canvas: Canvas, stranger: Person, view: View, moment: np.random.Generator, offset: float) -> None:
    """Draw someone else who walks at the edge of the box."""
    side = float(moment.choice((-1.0, 1.0))) * (offset + float(moment.uniform(0.0, 0.06)))
    height, width = canvas.codes.shape
    yaw = view.yaw + (np.pi if moment.random() < 0.3 else 0.0)
    origin = (view.origin[0] + side * width, view.origin[1] + float(moment.uniform(-0.02, 0.01)) * height)
    other = replace(view, yaw=float(yaw), origin=origin)
    draw_figure(canvas, stranger, _gait(moment), other, turn=0.0, base=STRANGER)


def _crop(
    scene: UInt8[np.ndarray, "a b 4"], moment: np.random.Generator, board: tuple[int, int]
) -> UInt8[np.ndarray, "h w 4"]:
    """The part of a place that is behind the person."""
    width = min(scene.shape[1], max(1, round(scene.shape[0] * 0.5)))
    left = int(moment.integers(scene.shape[1] - width + 1))
    part = scene[:, left : left + width]
    return part if part.shape[:2] == board else cv2.resize(part, (board[1], board[0]), interpolation=cv2.INTER_LINEAR)
