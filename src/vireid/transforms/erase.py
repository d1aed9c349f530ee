"""Random erasing: a rectangle of the person is painted over."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["AREA", "FILL", "draw_boxes", "erase", "paint_boxes_"]

FILL = (0.4914, 0.4822, 0.4465)
"""Red, green, blue of the paint, on normalised images."""

AREA = (0.02, 0.4)
"""Smallest and largest share of an image that is painted over."""

TRIES = 100


def draw_boxes(
    count: int,
    height: int,
    width: int,
    probability: float,
    generator: torch.Generator,
    *,
    area: tuple[float, float] = AREA,
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
) -> Int[Tensor, "count 4"]:
    """Draw a rectangle for each sample: top, bottom, left and right, last row and column not included.

    Area and aspect are uniform. Of up to 100 tries the first rectangle that is smaller than the image both ways is
    taken, anywhere in the image with equal chance. A sample that is spared, or that no try fits, gets an empty one.

    Args:
        count: samples.
        height, width: of the images, in pixels.
        probability: that a sample gets a rectangle.
        generator: what to draw from.
        area: smallest and largest share of the image.
        aspect: smallest and largest height over width.

    Reference:
        Zhong et al., Random Erasing Data Augmentation, AAAI 2020.
    """
    chosen = torch.rand(count, generator=generator) < probability
    areas = torch.empty(count, TRIES).uniform_(*area, generator=generator) * (height * width)
    aspects = torch.empty(count, TRIES).uniform_(*aspect, generator=generator)
    place = torch.rand(2, count, generator=generator)

    heights = (areas * aspects).sqrt().round()
    widths = (areas / aspects).sqrt().round()
    fits = (heights < height) & (widths < width)
    first = fits.int().argmax(dim=1, keepdim=True)
    chosen &= fits.any(dim=1)
    tall = torch.where(chosen, heights.gather(1, first)[:, 0], 0.0)
    wide = torch.where(chosen, widths.gather(1, first)[:, 0], 0.0)
    # rand is below 1, but its product with a size may round up to it
    top = torch.minimum((place[0] * (height - tall + 1)).floor(), height - tall)
    left = torch.minimum((place[1] * (width - wide + 1)).floor(), width - wide)
    return torch.stack([top, top + tall, left, left + wide], dim=1).long()


def erase(
    images: Float[Tensor, "b 3 h w"], boxes: Int[Tensor, "b 4"], fill: tuple[float, float, float] = FILL
) -> Float[Tensor, "b 3 h w"]:
    """Paint each image's rectangle.

    Args:
        images: normalised, so finite.
        boxes: as `draw_boxes` gives them.
        fill: the paint, a number a channel, in the range of the images.
    """
    return paint_boxes_(images.clone(), boxes, torch.tensor([fill]))


def paint_boxes_(
    images: Float[Tensor, "b s h w"], boxes: Int[Tensor, "b 4"], paint: Float[Tensor, "_ s"]
) -> Float[Tensor, "b s h w"]:
    """What `erase` does, in place and with a paint for each channel of each image, or of all alike.

    Args:
        images: finite.
        boxes: as `draw_boxes` gives them.
        paint: on the CPU.
    """
    top, bottom, left, right = boxes[:, :, None].unbind(1)
    row, column = (torch.arange(side, device=boxes.device) for side in images.shape[2:])
    rows, columns = (
        inside.to(images.dtype).to(images.device, non_blocking=True)
        for inside in ((row >= top) & (row < bottom), (column >= left) & (column < right))
    )
    inside = rows[:, None, :, None] * columns[:, None, None]
    # lerp by 0 and by 1 gives one side and the other to the bit, of finite numbers; six times as fast as where
    return images.lerp_(paint.to(images.dtype).to(images.device, non_blocking=True)[:, :, None, None], inside)
