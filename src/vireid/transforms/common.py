"""What all training views share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from vireid.transforms.channels import exchange_channels
from vireid.transforms.erase import paint_boxes_
from vireid.transforms.moves import Movement, Moves, draw_moves, move_images
from vireid.transforms.normalize import normalize_levels_

__all__ = ["View", "move_and_erase"]


@runtime_checkable
class View(Protocol):
    """From uint8 images b x 3 x h x w and a source of draws to normalised float images of that shape."""

    def __call__(self, images: Tensor, generator: torch.Generator, *, moves: Moves | None = None) -> Tensor:
        """Augment a batch; ``moves`` that are given are used in place of drawing them."""
        ...


def move_and_erase(
    images: UInt8[Tensor, "b 3 h w"],
    generator: torch.Generator,
    movement: Movement | None,
    moves: Moves | None,
    *,
    channels: Int[Tensor, "b s"] | None = None,
    recolor: Callable[[Tensor], Tensor] = Tensor.float,
) -> Float[Tensor, "b s h w"]:
    """Crop, mirror, normalise, erase: a new tensor, which the caller may write.

    Each channel is normalised and painted by itself, so one that becomes another's copy is copied first, as bytes: what
    would be thrown away is not computed.

    Args:
        images: bytes.
        generator: what to draw from when there are no moves; else it is left alone.
        movement: how to draw, and the paint; the default of `Movement` where it is None.
        moves: already drawn, or None; of the movement they leave the paint alone.
        channels: which channel of its image each channel of the result is made of; the own one by default.
        recolor: from moved bytes, which it may write, to levels 0 to 255 as floats of its own. Black must stay black,
            and each pixel must depend on itself alone; then it makes no difference whether it comes before the crop.
    """
    movement = movement or Movement()
    count, _, height, width = images.shape
    if moves is None:
        moves = draw_moves(count, height, width, generator, movement)
    if channels is not None:
        images = exchange_channels(images, channels)
    sources = torch.arange(3)[None] if channels is None else channels
    # on bytes, as long as that is possible: a quarter of the memory to move
    levels = recolor(move_images(images, moves))
    return paint_boxes_(normalize_levels_(levels, sources), moves.boxes, torch.tensor(movement.fill)[sources])
