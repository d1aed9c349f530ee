"""Pixels as a network takes them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from vireid.models import EmbeddingModel
from vireid.types import VireidError

__all__ = ["as_network_sees", "check_image"]


def as_network_sees(network: EmbeddingModel, image: UInt8[np.ndarray, "h1 w1 3"]) -> UInt8[Tensor, "3 h w"]:
    """An image in the network's size, resized as for embedding.

    Raises:
        VireidError: see `check_image`.
    """
    check_image(image)
    height, width = network.image_size
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


def check_image(image: UInt8[np.ndarray, "..."]) -> None:
    """Refuse what is no image.

    Raises:
        VireidError: anything but RGB bytes, or no pixels at all.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise VireidError(
            f"an image is height x width x 3 of bytes, RGB, got {image.dtype} of shape {image.shape}; decode it with "
            "vireid.data.load_image"
        )
