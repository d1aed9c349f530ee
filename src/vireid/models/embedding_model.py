"""What searching needs of a network, and all that an exported one has left."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vireid.types import Modality

__all__ = ["EmbeddingModel", "Feature"]

Feature = Literal["bn", "pool"]
"""Which vector is searched with: ``bn``, after the head's BatchNorm (the papers' retrieval feature), or ``pool``."""


@runtime_checkable
class EmbeddingModel(Protocol):
    """Turns images of either modality into vectors of length 1: a `Network` in evaluation mode, or an exported one."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels of the images that it takes."""
        ...

    @property
    def embedding_dimension(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it computes, and where the images must be."""
        ...

    def move_to(self, device: torch.device) -> EmbeddingModel:
        """Compute on a device from now on; returns itself.

        Raises:
            VireidError: it cannot compute there.
        """
        ...

    def embed_pixels(
        self,
        pixels: UInt8[Tensor, "b 3 h w"],
        modality: Modality,
        feature: Feature = "bn",
        *,
        kind: torch.dtype | None = None,
    ) -> Float[Tensor, "b d"]:
        """Vectors of images as they are decoded and resized: normalising is its own affair.

        Args:
            pixels: RGB, on its device.
            modality: of all of them.
            feature: see `Feature`.
            kind: half precision to compute in, None for that of its weights.

        Raises:
            VireidError: images of another size or a feature or precision that it has not.
        """
        ...
