"""Pixels of a decoded image as upright 8-bit RGB, made piece by piece so that no second image stands in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Integer, UInt8
from PIL import Image

__all__ = ["add_low_bytes", "upright_pixels"]

_SIDE = 1024
_TRANSPOSED = (5, 6, 7, 8)


def upright_pixels(image: Image.Image, orientation: int) -> UInt8[np.ndarray, "h w 3"]:
    """8-bit RGB of a decoded image of any mode, turned as its EXIF orientation says.

    Args:
        image: as it is stored. 16-bit gray is scaled; an alpha channel is dropped, the colour beneath it kept.
        orientation: 1 to 8; any other number turns nothing.
    """
    sides = (image.width, image.height) if orientation in _TRANSPOSED else (image.height, image.width)
    upright = np.empty((*sides, 3), dtype=np.uint8)
    for place, piece in _pieces(image, _as_stored(upright, orientation)):
        place[:] = _rgb(piece)
    return upright


def add_low_bytes(upright: UInt8[np.ndarray, "h w 3"], image: Image.Image, orientation: int) -> None:
    """Turn high bytes of 16-bit colours into those colours in 8 bits, in place.

    Args:
        upright: what `upright_pixels` gave for the high bytes.
        image: the low bytes, in one channel for gray.
        orientation: as before.
    """
    for place, piece in _pieces(image, _as_stored(upright, orientation)):
        place[:] = _scaled_down(place.astype(np.uint32) * 256 + np.atleast_3d(np.asarray(piece))[..., :3])


def _as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The same memory, seen as the image is stored."""
    match orientation:
        case 2:
            return upright[:, ::-1]
        case 3:
            return upright[::-1, ::-1]
        case 4:
            return upright[::-1]
        case 5:
            return upright.transpose(1, 0, 2)
        case 6:
            return np.rot90(upright)
        case 7:
            return np.rot90(upright, 2).transpose(1, 0, 2)
        case 8:
            return np.rot90(upright, -1)
    return upright


def _pieces(image: Image.Image, stored: np.ndarray) -> Iterator[tuple[np.ndarray, Image.Image]]:
    """Parts of the pixels, and of the image that belongs there."""
    for top in range(0, image.height, _SIDE):
        for left in range(0, image.width, _SIDE):
            place = stored[top : top + _SIDE, left : left + _SIDE]
            box = (left, top, left + place.shape[1], top + place.shape[0])
            yield place, image if box == (0, 0, *image.size) else image.crop(box)


def _rgb(image: Image.Image) -> UInt8[np.ndarray, "h w _"]:
    """Three channels, or one that stands for three."""
    if image.mode.startswith("I;16"):
        return _scaled_down(np.asarray(image))[..., None]
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _scaled_down(values: Integer[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
