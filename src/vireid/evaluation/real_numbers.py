"""Scores and features from anywhere, as arrays of real numbers."""

from __future__ import annotations

import numpy as np
import torch

from vireid.types import VireidError

__all__ = ["read_numbers"]


def read_numbers(values: object, what: str) -> np.ndarray:
    """An array of real numbers of any type; tensors are copied to the processor.

    Args:
        values: a NumPy array, a tensor, or lists of numbers.
        what: how to call them to the user.

    Raises:
        VireidError: no numbers, complex ones, or rows of unequal length.

    >>> read_numbers([[1, 2], [3, 4]], "scores").shape
    (2, 2)
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    rule = f"{what} must be real numbers in rows of equal length"
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise VireidError(f"{rule}, but they make no array: {error}") from error
    if array.dtype.kind not in "fiub":
        raise VireidError(f"{rule}, got an array of {array.dtype}; convert them to float32")
    return array
