"""Mirroring left and right."""

from __future__ import annotations

from jaxtyping import Bool, Shaped
from torch import Tensor

__all__ = ["flip"]


def flip(images: Shaped[Tensor, "b c h w"], chosen: Bool[Tensor, " b"]) -> Shaped[Tensor, "b c h w"]:
    """Mirror the chosen images left to right."""
    return images.flip(3).where(chosen.to(images.device)[:, None, None, None], images)
