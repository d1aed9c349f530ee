"""Where labels go so that none hides another."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

__all__ = ["push_apart"]

_ROUNDS = 500


def push_apart(
    places: Float[np.ndarray, "n 2"], sizes: Float[np.ndarray, "n 2"], room: Float[np.ndarray, "2"]
) -> Float64[np.ndarray, "n 2"]:
    """Move boxes by little until none overlaps another and all are inside the room; those that are free stay.

    Two that overlap are moved by the same length, across or upright, whichever is shorter. Where the room is too small
    for all, some still overlap.

    Args:
        places: of the boxes' middles, from the lower left corner of the room.
        sizes: width and height of each box, in the same unit.
        room: its width and height.

    >>> push_apart(np.array([[5.0, 5.0], [5.0, 6.0]]), np.full((2, 2), 3.0), np.array([10.0, 10.0])).round(2).tolist()
    [[5.0, 4.0], [5.0, 7.0]]
    """
    turns = np.arange(len(places)) * 2.4
    # Boxes at one place have no direction to part in: each gets its own.
    moved = places + 1e-3 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    itself = np.eye(len(places), dtype=bool)
    for _ in range(_ROUNDS):
        apart = moved[:, None] - moved[None]
        missing = (sizes[:, None] + sizes[None]) / 2 - np.abs(apart)
        hit = (missing > 1e-9).all(axis=2) & ~itself
        step = np.where(hit[..., None] & _is_shorter(missing), np.sign(apart) * missing / 2, 0.0).sum(axis=1)
        moved = np.clip(moved + step, sizes / 2, np.maximum(room - sizes / 2, sizes / 2))
        if not hit.any():
            break
    return moved


def _is_shorter(missing: Float[np.ndarray, "n n 2"]) -> np.ndarray:
    across = missing[..., 0] < missing[..., 1]
    return np.stack([across, ~across], axis=2)
