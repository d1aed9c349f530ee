"""A contact sheet: people down, cameras across, to see with one's own eyes what a made world looks like."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from vireid.synthetic.camera import cameras_of
from vireid.synthetic.render import render
from vireid.types import Modality

_HEAD, _MARGIN, _GAP = 26, 40, 3


def contact_sheet(
    seed: int,
    *,
    layout: str = "sysu",
    persons: int = 8,
    image: int = 1,
    height: int = 192,
    width: int = 96,
) -> UInt8[np.ndarray, "h w 3"]:
    """Pictures of people by all cameras of a layout, visible cameras first, with labels.

    Args:
        seed: of the world.
        layout: whose cameras.
        persons: how many people, numbered from 1.
        image: number of the picture of each.
        height: of a picture in pixels.
        width: of a picture in pixels.
    """
    cameras = sorted(cameras_of(layout, seed), key=lambda camera: camera.modality is Modality.INFRARED)
    step_down, step_across = height + _GAP, width + _GAP
    sheet = np.full((_HEAD + persons * step_down, _MARGIN + len(cameras) * step_across, 3), 255, dtype=np.uint8)
    for column, camera in enumerate(cameras):
        left = _MARGIN + column * step_across
        infrared = camera.modality is Modality.INFRARED
        _write(sheet, f"cam{camera.number} {'infrared' if infrared else 'visible'}", (left + 4, 17))
        for row in range(persons):
            top = _HEAD + row * step_down
            picture = render(seed, person=row + 1, camera=camera, image=image, height=height, width=width)
            sheet[top : top + height, left : left + width] = picture.image
    for row in range(persons):
        _write(sheet, f"{row + 1:04d}", (4, _HEAD + row * step_down + height // 2))
    return sheet


def _write(sheet: np.ndarray, text: str, place: tuple[int, int]) -> None:
    cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (40, 40, 40), 1, cv2.LINE_AA)
