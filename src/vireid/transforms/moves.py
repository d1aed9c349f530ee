"""The geometry that a training batch is given, drawn apart from its use so that part maps can follow their images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from vireid.transforms.chosen import change_chosen, draw_chosen
from vireid.transforms.crop import draw_offsets, pad_and_crop
from vireid.transforms.erase import AREA, FILL, draw_boxes
from vireid.transforms.flip import flip
from vireid.types import UNKNOWN_PART, VireidError

__all__ = ["Movement", "Moves", "draw_moves", "move_images", "move_part_maps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How the images of a training are moved and erased, whatever else their view does.

    Attributes:
        padding: black pixels on each side before the crop.
        flipping, erasing: probability that an image is mirrored, and that a rectangle of it is erased.
        area: smallest and largest share of an image that is erased.
        fill: the paint, on normalised images.

    Raises:
        VireidError: a negative padding, or a probability outside [0, 1].
    """

    padding: int = 10
    flipping: float = 0.5
    erasing: float = 0.5
    area: tuple[float, float] = AREA
    fill: tuple[float, float, float] = FILL

    def __post_init__(self) -> None:
        if self.padding < 0 or not 0 <= self.erasing <= 1 or not 0 <= self.flipping <= 1:
            raise VireidError(
                "padding must be at least 0 pixels and flipping and erasing a probability, got padding "
                f"{self.padding}, flipping {self.flipping}, erasing {self.erasing}"
            )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Moves:
    """Where each image of a batch is cropped, whether it is mirrored and what is erased; on the CPU.

    Attributes:
        top, left: of each crop in the padded image, 0 to twice the padding.
        padding: black pixels on each side before the crop.
        mirrored: which images are mirrored after the crop.
        boxes: what is erased of the moved image, see `draw_boxes`.
    """

    top: Int[Tensor, " b"]
    left: Int[Tensor, " b"]
    padding: int
    mirrored: Bool[Tensor, " b"]
    boxes: Int[Tensor, "b 4"]

    def __len__(self) -> int:
        return len(self.top)


def draw_moves(
    count: int, height: int, width: int, generator: torch.Generator, movement: Movement | None = None
) -> Moves:
    """Draw the moves of a batch, the same numbers in the same order as a view that is given none.

    Args:
        count: images.
        height, width: of the images, in pixels.
        generator: what to draw from.
        movement: how; the default of `Movement` where it is None.

    >>> moves = draw_moves(2, 8, 4, torch.Generator().manual_seed(0), Movement(padding=1, erasing=0.0))
    >>> len(moves), int(moves.top.max()) <= 2
    (2, True)
    """
    movement = movement or Movement()
    top, left = draw_offsets(count, movement.padding, generator)
    mirrored = draw_chosen(count, movement.flipping, generator)
    boxes = draw_boxes(count, height, width, movement.erasing, generator, area=movement.area)
    return Moves(top=top, left=left, padding=movement.padding, mirrored=mirrored, boxes=boxes)


def move_images(images: UInt8[Tensor, "b c h w"], moves: Moves) -> UInt8[Tensor, "b c h w"]:
    """Crop and mirror each image, into a new tensor; what comes in from outside is black.

    Raises:
        VireidError: moves of another number of images.
    """
    if len(images) != len(moves):
        raise VireidError(
            f"moves belong to the batch that they were drawn for: got moves of {len(moves)} images and {len(images)} "
            "images; draw them with draw_moves(len(images), ...)"
        )
    cropped = pad_and_crop(images, moves.top, moves.left, moves.padding)
    return change_chosen(cropped, moves.mirrored, flip)


def move_part_maps(part_maps: UInt8[Tensor, "b h w"], moves: Moves) -> UInt8[Tensor, "b h w"]:
    """Crop and mirror part maps as `move_images` does their images.

    What comes in from outside is background, 0, for it is black and nobody stands there. A map that is 255 all over
    stays so. Erased rectangles keep their labels: they are part of the person still.

    Args:
        part_maps: a part's number a pixel, 0 background, 255 unknown.
        moves: those of the images.

    Raises:
        VireidError: moves of another number of images.
    """
    moved = move_images(part_maps[:, None], moves)[:, 0]
    without = (part_maps == UNKNOWN_PART).flatten(1).all(dim=1)
    return moved.masked_fill(without[:, None, None], UNKNOWN_PART)
