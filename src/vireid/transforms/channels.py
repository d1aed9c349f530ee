"""Changes to whole channels of normalised images."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["exchange_channels", "scale_channels"]


def exchange_channels(images: Float[Tensor, "b 3 h w"], channel: Int[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """Copy one channel of each image to all three.

    Args:
        images: in any range.
        channel: which one, 0 to 2, one choice an image.

    Reference:
        CAJ (Ye et al., Channel Augmented Joint Learning for Visible-Infrared Recognition, ICCV 2021).
    """
    sample = torch.arange(len(images), device=images.device)
    return images[sample, channel.to(images.device)][:, None].repeat(1, 3, 1, 1)


def scale_channels(images: Float[Tensor, "b 3 h w"], factors: Float[Tensor, "b 3"]) -> Float[Tensor, "b 3 h w"]:
    """Multiply each channel of each image by its own factor; 1 changes nothing.

    Reference:
        MSCMNet's infrared channel expansion, section III-A.
    """
    return images * factors.to(images.device)[:, :, None, None]
