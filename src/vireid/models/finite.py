"""Which of some tensors holds what is no number."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

__all__ = ["first_not_finite"]


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor that holds NaN or infinity."""
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            return name
    return None
