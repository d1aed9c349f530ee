"""Black padding and a crop of the old size: the person moves a little in the frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Int, Shaped
from torch import Tensor

__all__ = ["draw_offsets", "pad_and_crop"]


def draw_offsets(
    count: int, padding: int, generator: torch.Generator
) -> tuple[Int[Tensor, " count"], Int[Tensor, " count"]]:
    """Top and left of each sample's crop in its padded image, each uniform over 0 to twice the padding."""
    top, left = torch.randint(2 * padding + 1, (2, count), generator=generator)
    return top, left


def pad_and_crop(
    images: Shaped[Tensor, "b c h w"], top: Int[Tensor, " b"], left: Int[Tensor, " b"], padding: int
) -> Shaped[Tensor, "b c h w"]:
    """Put zeros around each image and cut a window of its old size out of it.

    Args:
        images: of any type.
        top, left: first row and column of the window in the padded image, 0 to twice the padding; the padding itself
            gives the image back.
        padding: zeros on each side, in pixels.
    """
    if padding == 0:
        return images
    padded = F.pad(images, (padding, padding, padding, padding))
    # every window of the padded image as a view: taking one a sample copies just its pixels
    height, width = images.shape[2:]
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    sample = torch.arange(len(images), device=images.device)
    return windows[sample, :, top.to(images.device), left.to(images.device)]
