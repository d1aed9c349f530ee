"""From bytes to the numbers that ImageNet's networks were trained on."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "normalize"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalize(images: UInt8[Tensor, "b 3 h w"] | Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    r"""Subtract ImageNet's mean and divide by its deviation, channel by channel: :math:`(x - \mu_c) / \sigma_c`.

    Args:
        images: bytes 0 to 255, or floats 0 to 1.

    >>> float(normalize(torch.full((1, 3, 1, 1), 0.485))[0, 0])
    0.0
    """
    mean = torch.tensor(IMAGENET_MEAN, device=images.device)[:, None, None]
    deviation = torch.tensor(IMAGENET_STD, device=images.device)[:, None, None]
    full = 1 if images.is_floating_point() else 255
    return images.to(torch.float32, copy=True).sub_(mean * full).div_(deviation * full)
