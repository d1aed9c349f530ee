"""A net small enough to build in a tenth of a second."""

from collections.abc import Callable
from typing import Any

import pytest

from vireid.models import Network, build_network

SMALL: dict[str, Any] = {
    "identities": 5,
    "backbone": "resnet10t",
    "backbone_options": {"channels": (16, 24, 32, 48)},
    "weights": "none",
    "image_size": (64, 32),
    "nonlocal_blocks": (0, 0, 0, 0),
    "mimb_tokens": 16,
    "mimb_heads": 2,
}


@pytest.fixture
def small_arguments() -> dict[str, Any]:
    return dict(SMALL)


@pytest.fixture
def build_small() -> Callable[..., Network]:
    """Build the small net with some arguments changed."""
    return lambda **changes: build_network(**(SMALL | changes))
