"""Which channel of an image becomes which of its view."""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

__all__ = ["exchange_channels"]


def exchange_channels(images: Shaped[Tensor, "b c h w"], channels: Int[Tensor, "b s"]) -> Shaped[Tensor, "b s h w"]:
    """Put other channels of each image in the place of its own.

    Args:
        images: of any type; not written.
        channels: for each image, the channel that each of the result's is a copy of.

    Reference:
        CAJ (Ye et al., Channel Augmented Joint Learning for Visible-Infrared Recognition, ICCV 2021).

    >>> image = torch.tensor([10, 20, 30])[None, :, None, None]
    >>> exchange_channels(image, torch.tensor([[1, 1, 1]])).flatten()
    tensor([20, 20, 20])
    """
    count, depth = images.shape[:2]
    first = depth * torch.arange(count, device=channels.device)
    planes = (first[:, None] + channels).flatten().to(images.device, non_blocking=True)
    return images.flatten(0, 1).index_select(0, planes).unflatten(0, channels.shape)
