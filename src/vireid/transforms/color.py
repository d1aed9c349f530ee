"""Gray and brightness, on bytes just as Pillow computes them, and gray on normalised images."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

__all__ = ["brighten", "grayscale", "luma"]


def grayscale(images: UInt8[Tensor, "b 3 h w"], chosen: Bool[Tensor, " b"]) -> UInt8[Tensor, "b 3 h w"]:
    """Replace the chosen images by their ITU-R 601 luma, in all three channels, to the bit as Pillow's mode L."""
    red, green, blue = images.int().unbind(1)
    # 0.299, 0.587 and 0.114 in 16-bit fixed point, rounded
    gray = (red.mul_(19595) + green.mul_(38470) + blue.mul_(7471) + 0x8000) >> 16
    return gray.byte()[:, None].where(chosen.to(images.device)[:, None, None, None], images)


def brighten(images: UInt8[Tensor, "b 3 h w"], factors: Float[Tensor, " b"]) -> UInt8[Tensor, "b 3 h w"]:
    """Multiply each image by its factor, clip at 255 and drop the fraction, as Pillow's brightness does.

    Args:
        images: bytes.
        factors: one an image, at least 0; 1 changes nothing.
    """
    return (images * factors.to(images.device)[:, None, None, None]).clamp_(max=255).byte()


def luma(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """0.2989 R + 0.5870 G + 0.1140 B of normalised images: the sum that channel augmentations in the field use."""
    weights = torch.tensor((0.2989, 0.5870, 0.1140), device=images.device)
    return torch.einsum("bchw,c->bhw", images, weights)[:, None]
