"""Gaussian blur."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["blur"]

REACH = 6  # pixels on each side: three deviations of the strongest blur that views draw


def blur(images: UInt8[Tensor, "b 3 h w"], sigmas: Float[Tensor, " b"]) -> UInt8[Tensor, "b 3 h w"]:
    """Blur each image with its own Gaussian, cut off after 6 pixels; edges are mirrored.

    Args:
        images: bytes.
        sigmas: standard deviations in pixels, above 0.
    """
    count, depth, height, width = images.shape
    if not count:
        return images.clone()
    # a mirrored edge cannot be wider than what it mirrors
    across, down = min(REACH, width - 1), min(REACH, height - 1)
    padded = F.pad(images.float(), (across, across, down, down), mode="reflect")
    # each channel of each image is a group of its own, and one way follows the other: 26 products, not 169
    planes = padded.reshape(1, count * depth, *padded.shape[2:])
    rows = F.conv2d(planes, _weights(sigmas, across, images)[:, None, None], groups=count * depth)
    blurred = F.conv2d(rows, _weights(sigmas, down, images)[:, None, :, None], groups=count * depth)
    return blurred.view(images.shape).round_().byte()


def _weights(sigmas: Tensor, reach: int, images: Tensor) -> Tensor:
    """The Gaussian of each channel of each image, b * c x (2 reach + 1), on the device of the images."""
    places = torch.arange(-reach, reach + 1, device=sigmas.device)
    weights = torch.exp(-((places / sigmas[:, None]) ** 2) / 2)
    of_images = (weights / weights.sum(dim=1, keepdim=True)).repeat_interleave(images.shape[1], dim=0)
    return of_images.to(images.device, non_blocking=True)
