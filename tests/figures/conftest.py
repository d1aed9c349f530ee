"""Networks whose answer is known or whose weights are small, and images for them."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vireid.models import DUAL_STREAMS, Network, build_network
from vireid.models.backbone import Backbone
from vireid.models.pooling import GlobalPooling
from vireid.models.scale import Scale

SIZE = (64, 32)


class Redness(nn.Module):
    """A stem with one channel for how much redder than green a place is, and one that is the same everywhere."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        redness = F.avg_pool2d((images[:, :1] - images[:, 1:2]).clamp(min=0), 8)
        return torch.cat([redness, torch.full_like(redness, 0.01)], dim=1)


@pytest.fixture
def sees_red() -> Network:
    backbone = Backbone(Redness(), [nn.Identity() for _ in range(4)], (Scale(2, 8, 4),) * 5)
    network = Network(
        backbone, streams=DUAL_STREAMS, identities=3, image_size=SIZE, pooling=GlobalPooling(2, power=3.0)
    )
    return network.eval()


@pytest.fixture
def build_small() -> Callable[..., Network]:
    """Build a small net with some arguments changed."""

    def build(**changes: Any) -> Network:
        arguments: dict[str, Any] = {
            "identities": 5,
            "backbone": "resnet10t",
            "backbone_options": {"channels": (16, 24, 32, 48)},
            "weights": "none",
            "image_size": SIZE,
            "nonlocal_blocks": (0, 0, 0, 0),
            "mimb_tokens": 16,
            "mimb_heads": 2,
        }
        network = build_network(**(arguments | changes)).eval()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            # A trained BatchNorm has a mean to take away, and stems start as copies of one another.
            network.head.neck.running_mean.uniform_(0, 0.3, generator=generator)
            for number, stem in enumerate(network.stems.values()):
                next(stem.parameters()).mul_(1 - 0.4 * number)
        return network

    return build


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """Images of coloured squares by their seed."""

    def draw(seed: int, height: int = SIZE[0], width: int = SIZE[1]) -> np.ndarray:
        coarse = np.random.default_rng(seed).integers(0, 256, (8, 4, 3), dtype=np.uint8)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)

    return draw


@pytest.fixture
def with_red() -> Callable[[int, int], np.ndarray]:
    """Gray images with one red square of an 8 x 4 grid."""

    def draw(row: int, column: int) -> np.ndarray:
        image = np.full((*SIZE, 3), 60, dtype=np.uint8)
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8, 0] = 220
        return image

    return draw
