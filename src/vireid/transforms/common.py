"""What all training views share."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vireid.transforms.erase import erase
from vireid.transforms.moves import Movement, Moves, draw_moves, move_images
from vireid.transforms.normalize import normalize

__all__ = ["View", "move_and_erase"]


@runtime_checkable
class View(Protocol):
    """From uint8 images b x 3 x h x w and a source of draws to normalised float images of that shape."""

    def __call__(self, images: Tensor, generator: torch.Generator, *, moves: Moves | None = None) -> Tensor:
        """Augment a batch; ``moves`` that are given are used in place of drawing them."""
        ...


def move_and_erase(
    images: UInt8[Tensor, "b 3 h w"], generator: torch.Generator, movement: Movement | None, moves: Moves | None
) -> Float[Tensor, "b 3 h w"]:
    """Crop, mirror, normalise, erase.

    Args:
        images: bytes.
        generator: what to draw from when there are no moves; else it is left alone.
        movement: how to draw, and the paint; the default of `Movement` where it is None.
        moves: already drawn, or None; of the movement they leave the paint alone.
    """
    movement = movement or Movement()
    if moves is None:
        count, _, height, width = images.shape
        moves = draw_moves(count, height, width, generator, movement)
    # on bytes, as long as that is possible: a quarter of the memory to move
    return erase(normalize(move_images(images, moves)), moves.boxes, movement.fill)
