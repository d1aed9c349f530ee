"""Several images of one person as one query."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from vireid.types import VireidError

__all__ = ["fuse", "unit"]


def unit(features: Float[np.ndarray, "n d"], names: list[str]) -> Float32[np.ndarray, "n d"]:
    """Rows of length 1.

    Args:
        features: any finite numbers.
        names: what to call a row in an error.

    Raises:
        VireidError: a row with NaN or infinity, or a row of zeros, which has no direction.
    """
    rows = np.asarray(features, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise VireidError(
            f"every feature must be finite, but {bad.size} of {len(rows)} hold NaN or infinity, the first for "
            f"{names[bad[0]]}; embed these images again"
        )
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    empty = np.flatnonzero(largest == 0)
    if empty.size:
        raise VireidError(
            f"a feature of zeros has no direction and cannot be compared, but {empty.size} of {len(rows)} are zero, "
            f"the first for {names[empty[0]]}; embed these images again"
        )
    rows = rows / largest  # else the squares of the smallest and largest numbers leave the range of floats
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def fuse(features: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, " d"]:
    """One query from several images of one person: the mean of unit vectors, brought to length 1.

    ``f = m / |m|``, ``m = (1/n) sum_i x_i / |x_i|``

    Args:
        features: one row an image, from one model.

    Raises:
        VireidError: no rows, rows that are not finite or zero, or directions that cancel each other.

    >>> [round(float(number), 4) for number in fuse(np.array([[2.0, 0.0], [0.0, 1.0]]))]
    [0.7071, 0.7071]
    """
    if features.ndim != 2 or not len(features):
        raise VireidError(f"to fuse images takes one row for each of at least one, got an array {features.shape}")
    mean = unit(features, [f"image {number}" for number in range(len(features))]).astype(np.float64).mean(axis=0)
    if np.linalg.norm(mean) < 1e-6:
        raise VireidError("these images point in opposite directions and cancel; they cannot show one person")
    return unit(mean[None], ["the mean"])[0]
