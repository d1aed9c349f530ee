"""A contact sheet: people down, cameras across, to see with one's own eyes what a made world looks like."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from vireid.synthetic.camera import cameras_of
from vireid.synthetic.render import render
from vireid.types import Modality, write_atomically

_HEAD, _MARGIN, _GAP = 24, 66, 3


def contact_sheet(
    seed: int,
    *,
    layout: str = "sysu",
    persons: int = 12,
    image: int = 1,
    height: int = 192,
    width: int = 96,
) -> UInt8[np.ndarray, "h w 3"]:
    """Pictures of people, a column each, by all cameras of a layout, a row each, with labels.

    Args:
        seed: of the world.
        layout: whose cameras; visible ones stand above infrared ones.
        persons: how many people, numbered from 1.
        image: number of the picture of each.
        height: of a picture in pixels.
        width: of a picture in pixels.
    """
    cameras = sorted(cameras_of(layout, seed), key=lambda camera: camera.modality is Modality.INFRARED)
    step_down, step_across = height + _GAP, width + _GAP
    sheet = np.full((_HEAD + len(cameras) * step_down, _MARGIN + persons * step_across, 3), 255, dtype=np.uint8)
    for column in range(persons):
        left = _MARGIN + column * step_across
        _write(sheet, f"{column + 1:04d}", (left + width // 2 - 15, 16))
        for row, camera in enumerate(cameras):
            top = _HEAD + row * step_down
            picture = render(seed, person=column + 1, camera=camera, image=image, height=height, width=width)
            sheet[top : top + height, left : left + width] = picture.image
    for row, camera in enumerate(cameras):
        middle = _HEAD + row * step_down + height // 2
        _write(sheet, f"camera {camera.number}", (4, middle - 4))
        _write(sheet, camera.modality.value, (4, middle + 12))
    return sheet


def write_contact_sheet(file: Path, seed: int, *, layout: str = "sysu", persons: int = 12, quality: int = 90) -> None:
    """Write a `contact_sheet` as a JPEG, whole or not at all.

    Args:
        file: to write.
        seed: of the world.
        layout: whose cameras.
        persons: how many people, numbered from 1.
        quality: of the JPEG.

    Raises:
        VireidError: the file cannot be written.
    """
    sheet = contact_sheet(seed, layout=layout, persons=persons)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(sheet[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    with write_atomically(file) as draft:
        draft.write_bytes(data.tobytes())


def _write(sheet: np.ndarray, text: str, place: tuple[int, int]) -> None:
    cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (40, 40, 40), 1, cv2.LINE_AA)
