"""Scores and features from anywhere, as arrays of real numbers."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Real

from vireid.types import VireidError

__all__ = ["read_numbers", "require_finite"]

_ROWS = 4096
"""Looked at at a time: a table of answers for a large gallery is large itself."""

_LONGEST = float(np.sqrt(np.finfo(np.float32).max)) / 4


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


def require_finite(features: Real[np.ndarray, "n d"], what: str, *, squared: bool = False) -> None:
    """Refuse features that hold a number that is none.

    Args:
        features: one row an image.
        what: how to call them to the user.
        squared: whether their squared lengths must be finite in single precision too, as Euclidean distances need.

    Raises:
        VireidError: NaN or infinity, with the first such row; or a row that is too long to be squared.

    >>> require_finite(np.eye(2), "queries")
    """
    for start in range(0, len(features), _ROWS):
        part = features[start : start + _ROWS]
        bad = np.flatnonzero(~np.isfinite(part).all(axis=1))
        if bad.size:
            raise VireidError(
                f"every feature must be finite, but row {start + bad[0]} of the {what} holds NaN or infinity; embed "
                "that image again"
            )
        if squared:
            # A quarter of the largest: the difference of two rows is up to twice as long as the longer one.
            long = np.flatnonzero(np.linalg.norm(part.astype(np.float64), axis=1) > _LONGEST)
            if long.size:
                raise VireidError(
                    f"Euclidean distances are computed in single precision, but row {start + long[0]} of the {what} is "
                    f"longer than {_LONGEST:.1e}; bring the features to length 1, or compare by cosine"
                )
