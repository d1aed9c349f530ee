"""Colour jitter: another brightness, contrast, saturation and hue for each image."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torchvision.transforms.v2 import functional as F

__all__ = ["draw_jitter", "jitter"]

_CHANGES = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def draw_jitter(
    count: int,
    generator: torch.Generator,
    *,
    brightness: float = 0.5,
    contrast: float = 0.5,
    saturation: float = 0.5,
    hue: float = 0.1,
) -> tuple[Float[Tensor, "count 4"], Int[Tensor, "count 4"]]:
    """Amounts of the four changes for each image, and the order in which it gets them.

    Args:
        count: images.
        generator: what to draw from.
        brightness, contrast, saturation: the factor is uniform over 1 - this to 1 + this, 0 to 1.
        hue: the shift is uniform over - this to this, in turns of the colour circle, 0 to 0.5.
    """
    spread = torch.tensor([brightness, contrast, saturation, hue])
    centre = torch.tensor([1.0, 1.0, 1.0, 0.0])
    amounts = centre + spread * torch.empty(count, 4).uniform_(-1, 1, generator=generator)
    order = torch.rand(count, 4, generator=generator).argsort(dim=1)
    return amounts, order


def jitter(
    images: UInt8[Tensor, "b 3 h w"], amounts: Float[Tensor, "b 4"], order: Int[Tensor, "b 4"]
) -> UInt8[Tensor, "b 3 h w"]:
    """Change brightness, contrast, saturation and hue of each image, each clipped to bytes, as torchvision does.

    Args:
        images: bytes.
        amounts: three factors of at least 0, and a shift of hue from -0.5 to 0.5.
        order: which change comes first, second ..: 0 brightness, 1 contrast, 2 saturation, 3 hue.
    """
    changed = torch.empty_like(images)
    # torchvision takes one amount for all images that it is given
    for place, (image, of_image, first_to_last) in enumerate(zip(images, amounts.tolist(), order.tolist())):
        for change in first_to_last:
            image = _CHANGES[change](image, of_image[change])
        changed[place] = image
    return changed
