"""What every metric loss asks of a batch before it measures anything."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vireid.types import VireidError

__all__ = ["check_batch", "check_margin", "check_positive", "full_precision"]


def full_precision(values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The same numbers in at least float32: half-precision sums of squares overflow and lose small distances."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def check_batch(features: Float[Tensor, "..."], labels: Int[Tensor, "..."]) -> None:
    """Refuse a batch that is not one label for each row of a non-empty matrix.

    Raises:
        VireidError: features that are not b x d, labels of another length, or an empty batch.
    """
    if features.ndim != 2 or labels.ndim != 1 or len(features) != len(labels):
        raise VireidError(
            "a metric loss needs features b x d and one label for each row, got features "
            f"{tuple(features.shape)} and labels {tuple(labels.shape)}"
        )
    if features.numel() == 0:
        raise VireidError(f"a metric loss needs at least one feature, got an empty batch {tuple(features.shape)}")


def check_margin(margin: float) -> None:
    """Refuse a margin that is not a finite number from 0 up.

    Raises:
        VireidError: a negative, infinite or NaN margin.
    """
    if not (math.isfinite(margin) and margin >= 0):
        raise VireidError(f"a margin must be a finite number of at least 0, got {margin}")


def check_positive(name: str, value: float) -> None:
    """Refuse a factor that is not a finite number above 0.

    Raises:
        VireidError: zero, a negative number, infinity or NaN.
    """
    if not (math.isfinite(value) and value > 0):
        raise VireidError(f"{name} must be a finite number above 0, got {value}")
