"""What every view asks of the images that it is given."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from vireid.types import VireidError

__all__ = ["check_pixels"]


def check_pixels(images: Shaped[Tensor, "..."]) -> None:
    """Refuse anything but a batch of three-channel images of bytes.

    Raises:
        VireidError: another shape or another type; floats may already be normalised.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise VireidError(
            "a view takes images b x 3 x h x w of uint8, 0 to 255, got "
            f"{tuple(images.shape)} of {str(images.dtype).removeprefix('torch.')}; pass them as they were decoded, "
            "a gray image with its channel three times"
        )
