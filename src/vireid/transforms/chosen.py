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
    images: Shaped[Tensor, "b c h w"], chosen: Bool[Tensor, " b"], change: Callable[[Tensor], Tensor]
) -> Shaped[Tensor, "b c h w"]:
    """A new batch in which the chosen images are changed and the others are as they were.

    Only the chosen ones pass through ``change``, which saves its time on the rest.

    Args:
        images: of any type; not written.
        chosen: one answer an image.
        change: from some images to as many of the same shape and type.

    >>> change_chosen(torch.ones(2, 1, 1, 1), torch.tensor([False, True]), torch.neg).flatten()
    tensor([ 1., -1.])
    """
    rows = chosen.nonzero()[:, 0].to(images.device)
    return images.index_copy(0, rows, change(images.index_select(0, rows)))
