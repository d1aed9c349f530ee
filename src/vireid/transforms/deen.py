"""The view of DEEN's training, the same for both modalities."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from vireid.transforms.moves import Moves
from vireid.transforms.normalize import IMAGENET_MEAN
from vireid.transforms.visible import visible_global

__all__ = ["DEEN_AREA", "DEEN_FILL", "deen_view"]

DEEN_AREA = (0.2, 0.8)
"""Smallest and largest share of an image that DEEN erases on SYSU-MM01; on RegDB and LLCM it is 0.02 to 0.4."""

DEEN_FILL = IMAGENET_MEAN
"""DEEN's paint, on normalised images. ImageNet's mean would be 0 there: as bytes this paint is not the mean
(124, 116, 104) but a lighter gray, about (152, 142, 127)."""


def deen_view(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    padding: int = 10,
    erasing: float = 0.5,
    flipping: float = 0.5,
    graying: float = 0.5,
    moves: Moves | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """Gray or as it is, padded and cropped, mirrored, normalised, and much of it erased.

    Arguments and errors are those of `visible_global`, whose steps these are with another area and paint.

    Reference:
        DEEN (Zhang and Wang, Diverse Embedding Expansion Network, CVPR 2023), the authors' code for SYSU-MM01.
    """
    return visible_global(
        images,
        generator,
        padding=padding,
        erasing=erasing,
        flipping=flipping,
        graying=graying,
        area=DEEN_AREA,
        fill=DEEN_FILL,
        moves=moves,
    )
