"""From bytes to the numbers that ImageNet's networks were trained on."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "normalize", "normalize_levels_"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalize(images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    r"""Subtract ImageNet's mean and divide by its deviation, channel by channel: :math:`(x - \mu_c) / \sigma_c`.

    Args:
        images: bytes 0 to 255, or floats 0 to 1.

    >>> float(normalize(torch.full((1, 3, 1, 1), 0.485))[0, 0])
    0.0
    """
    full = 1 if images.is_floating_point() else 255
    return normalize_levels_(images.to(torch.float32, copy=True), torch.arange(3)[None], full)


def normalize_levels_(
    levels: Float[Tensor, "b s h w"], sources: Int[Tensor, "_ s"], full: int = 255
) -> Float[Tensor, "b s h w"]:
    """Normalise in place channels that were copied from others.

    Args:
        levels: 0 to ``full``.
        sources: which of red, green and blue each channel is, for each image or for all alike; on the CPU.
        full: the brightest level.
    """
    # not made on the device: a tensor made there of a list waits for it
    mean, deviation = (
        (torch.tensor(of_channel)[sources] * full).to(levels.device, non_blocking=True)[:, :, None, None]
        for of_channel in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return levels.sub_(mean).div_(deviation)
