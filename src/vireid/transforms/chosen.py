"""Doing something to some images of a batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

__all__ = ["change_chosen", "draw_chosen"]


def draw_chosen(count: int, probability: float, generator: torch.Generator) -> Bool[Tensor, " count"]:
    """Which samples something happens to, each with the same probability: 0 never, 1 always."""
    return torch.rand(count, generator=generator) < probability


def change_chosen(
    images: Shaped[Tensor, "b c h w"],
    chosen: Bool[Tensor, " b"],
    change: Callable[[Tensor], Tensor],
    *,
    in_place: bool = False,
) -> Shaped[Tensor, "b c h w"]:
    """A batch in which the chosen images are changed and the others are as they were.

    Only the chosen ones pass through ``change``, which saves its time on the rest.

    Args:
        images: of any type.
        chosen: one answer an image, on the CPU, where they are counted without waiting for a GPU.
        change: from some images, which it may write, to as many of the same shape and type.
        in_place: write the changed ones into ``images``; else these stay as they are. On a CPU that is faster for a
            few images of floats, and slower for bytes.

    >>> change_chosen(torch.ones(2, 1, 1, 1), torch.tensor([False, True]), torch.neg).flatten()
    tensor([ 1., -1.])
    """
    if in_place:
        rows = chosen.nonzero()[:, 0].to(images.device, non_blocking=True)
        return images.index_copy_(0, rows, change(images.index_select(0, rows)))
    # the chosen ones to the front, where they are one piece; index_copy would go byte by byte
    order = chosen.byte().argsort(descending=True, stable=True)
    sorted_images = images.index_select(0, order.to(images.device, non_blocking=True))
    front = sorted_images[: int(chosen.sum())]
    front.copy_(change(front))
    return sorted_images.index_select(0, order.argsort().to(images.device, non_blocking=True))
