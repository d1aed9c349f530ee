"""Mirroring left and right."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

__all__ = ["flip"]


def flip(images: Shaped[Tensor, "b c h w"]) -> Shaped[Tensor, "b c h w"]:
    """Mirror images left to right."""
    return images.flip(3)
