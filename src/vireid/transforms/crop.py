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
            gives the image back. On the CPU.
        padding: zeros on each side, in pixels.
    """
    if padding == 0:
        return images
    padded = F.pad(images, (padding, padding, padding, padding)).contiguous()
    count, depth, height, width = images.shape
    tall, wide = padded.shape[2:]
    # Rows of the memory lie ``wide`` apart, so whatever pixel one starts at, an image of the old size starts there: of
    # all these, overlapping as they do, one a channel is copied, row by row.
    starts = padded.numel() - (height - 1) * wide - width + 1
    windows = padded.as_strided((max(starts, 0), height, width), (1, wide, 1))
    corners = (top * wide + left)[:, None] + tall * wide * torch.arange(count * depth).view(count, depth)
    taken = windows.index_select(0, corners.flatten().to(images.device, non_blocking=True))
    return taken.unflatten(0, (count, depth))
