"""Random erasing: a rectangle of the person is painted over."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["AREA", "FILL", "draw_boxes", "erase"]

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
        images: normalised.
        boxes: as `draw_boxes` gives them.
        fill: the paint, a number a channel, in the range of the images.
    """
    height, width = images.shape[2:]
    top, bottom, left, right = boxes.to(images.device)[:, :, None].unbind(1)
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    inside = ((rows >= top) & (rows < bottom))[:, None, :, None] & ((columns >= left) & (columns < right))[
        :, None, None
    ]
    paint = torch.tensor(fill, dtype=images.dtype, device=images.device)[:, None, None]
    return torch.where(inside, paint, images)
