"""Grad-CAM of several networks beside the images that they saw (MSCMNet, Fig. 8b)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, UInt8

from vireid.figures.image_sheet import SMALL, ImageSheet, shorten_to_width
from vireid.figures.style import DOUBLE
from vireid.types import VireidError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_activation_maps"]

_MOST = 12
_MARGIN = 5.0
_GAP = 1.2
_HEAD = 6.0
_FOOT = 5.0


def draw_activation_maps(
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    captions: Sequence[str],
    maps: Mapping[str, Float32[np.ndarray, "b h w"]],
    *,
    width: float = DOUBLE,
) -> Figure:
    """Draw a column an image: the image, and beneath it the map of each network laid over it.

    In each overlay the largest value has the full colour: compare places of one overlay, not overlays. A line goes
    round what is above half of it, for gray print. An overlay without colour has no value above 0: weighed together,
    the channels raise the score at no place. For what the maps are and are not see `activation_maps`.

    Args:
        images: RGB, up to 12, of both modalities: for example six visible ones, then six infrared ones.
        captions: of each image, up to two short lines.
        maps: name of each network, and its maps of these images; top row first.
        width: of the figure in millimetres.

    Raises:
        VireidError: no images or too many, no maps, captions or maps of another number, an image that is not RGB bytes,
            or Matplotlib is not installed.
    """
    counts = {name: len(of_network) for name, of_network in maps.items()}
    if not (1 <= len(images) <= _MOST and maps and {len(captions), *counts.values()} == {len(images)}):
        raise VireidError(
            f"maps are drawn of 1 to {_MOST} images, with a caption and a map of each network for every one, got "
            f"{len(images)} images, {len(captions)} captions and maps {counts}"
        )
    wide = min(25.0, (width - _MARGIN) / len(images) - _GAP)
    high = min(2.5 * wide, wide * max(image.shape[0] / image.shape[1] for image in images))
    sheet = ImageSheet(width, _HEAD + (1 + len(maps)) * (high + _GAP) + _FOOT)
    for row, name in enumerate(("image", *maps)):
        sheet.write(
            shorten_to_width(name, 7, high),
            _MARGIN - 1.5,
            _HEAD + row * (high + _GAP) + high / 2,
            size=7,
            across="right",
            upright="center",
            turned=True,
        )
    for column, (image, caption) in enumerate(zip(images, captions)):
        left = _MARGIN + column * (wide + _GAP)
        lines = [shorten_to_width(line, SMALL, wide) for line in caption.splitlines()[:2]]
        sheet.write("\n".join(lines), left + wide / 2, _HEAD - 0.8, across="center", upright="bottom")
        sheet.place(image, left, _HEAD, wide, high)
        for row, of_network in enumerate(maps.values(), start=1):
            sheet.place_heat(image, of_network[column], left, _HEAD + row * (high + _GAP), wide, high)
    empty = any(float(of_network[row].max()) <= 0 for of_network in maps.values() for row in range(len(images)))
    sheet.heat_bar(
        _MARGIN,
        _HEAD + (1 + len(maps)) * (high + _GAP) + 1,
        low="Grad-CAM: 0",
        high="the largest value of each overlay" + (" (no colour: none above 0)" if empty else ""),
    )
    return sheet.figure
