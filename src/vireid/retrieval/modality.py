"""Which light an image was taken in, from its pixels."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from vireid.types import Modality

__all__ = ["find_modality"]

# Averages over cells hold no sensor noise, little JPEG noise, and still the colour of a face or of shoes.
_CELLS = (16, 8)
_LARGEST_CAST = 1.15
_TOLERANCE = 6.0


def find_modality(image: UInt8[np.ndarray, "h w 3"]) -> Modality:
    """An image whose channels agree is infrared, any other is visible.

    The image is averaged to 16 x 8 cells; each channel is multiplied by the number, at most 1.15 and at least 1 / 1.15,
    that brings its mean nearest to the mean of the three, so that a slight cast is no colour. The channels agree where
    ``max - min`` over the three is at most 6 of 255 in 95 of 100 cells.

    On made worlds (`vireid.synthetic`, layout ``sysu``, at 384 x 192, 128 x 64 and 64 x 32, JPEG quality as the cameras
    have it, 90, 60 and 30) it errs on none of the visible and none of the infrared images. What it gets wrong: visible
    images of little colour count as infrared, at a quarter of the saturation 1 to 9 in 100, at a tenth a half; so do
    dark ones, at 0.3 of the light 1 to 5 in 100, at 0.15 a tenth to a third. A gray visible photograph cannot be told
    from an infrared one. Infrared images with a cast of 8 % and coarse JPEG (quality 30) count as visible in more than
    half of the cases. Where the camera is known, say the modality instead; all figures are in
    ``benchmarks/modality_2-core-cpu_2026-11-21.md``.

    Args:
        image: 8-bit RGB.

    >>> find_modality(np.full((4, 4, 3), (200, 30, 30), dtype=np.uint8))
    <Modality.VISIBLE: 'visible'>
    >>> find_modality(np.full((4, 4, 3), (120, 118, 121), dtype=np.uint8))
    <Modality.INFRARED: 'infrared'>
    """
    cells = cv2.resize(image, _CELLS[::-1], interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float64)
    means = cells.mean(axis=0)
    gains = np.clip(means.mean() / np.maximum(means, 1.0), 1 / _LARGEST_CAST, _LARGEST_CAST)
    balanced = cells * gains
    spread = balanced.max(axis=1) - balanced.min(axis=1)
    return Modality.INFRARED if np.percentile(spread, 95) <= _TOLERANCE else Modality.VISIBLE
