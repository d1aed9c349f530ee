"""Which values a loss looks at: those that are on the CPU, where looking does not wait."""

from __future__ import annotations

import torch
from jaxtyping import Int, Integer
from torch import Tensor

from vireid.types import UNKNOWN_PART, VireidError

__all__ = ["at_hand", "check_labels", "check_part_maps"]


def at_hand(values: Tensor) -> bool:
    """Whether values can be looked at without waiting: they are on the CPU.

    On another device a look would hold the processor up until all work before it is done, in every step. The losses
    look only where this says so; whoever sends a batch to a device has checked it before.

    >>> at_hand(torch.zeros(2)), at_hand(torch.zeros(2, device="meta"))
    (True, False)
    """
    return values.device.type == "cpu"


def check_labels(labels: Int[Tensor, "..."], identities: int) -> None:
    """Refuse labels that are not classes of a classifier.

    Labels on another device than the CPU are taken as they are: check them before they are sent.

    Args:
        labels: of a batch; any shape, not empty.
        identities: classes of the classifier.

    Raises:
        VireidError: no labels, or labels on the CPU outside 0 to identities - 1.
    """
    if labels.numel() == 0:
        raise VireidError("a batch needs at least one label, got none; sample at least one image")
    if not at_hand(labels):
        return
    lowest, highest = (int(value) for value in labels.aminmax())
    if lowest < 0 or highest >= identities:
        raise VireidError(
            f"labels must be classes 0 to {identities - 1}, got values from {lowest} to {highest}; number the "
            "training identities from 0 and give the classifier as many classes"
        )


def check_part_maps(given: Integer[Tensor, "..."], parts: int, *, unknown: int = UNKNOWN_PART) -> None:
    """Refuse given part maps that hold anything but parts and `unknown`.

    Maps on another device than the CPU are taken as they are: check them before they are sent.

    Args:
        given: a part's number a pixel; any shape.
        parts: how many parts are predicted, the background (0) among them.
        unknown: value of a pixel whose part nobody knows; no part's number.

    Raises:
        VireidError: an `unknown` that is a part, or maps on the CPU with another value.
    """
    if 0 <= unknown < parts:
        raise VireidError(
            f"the value for unknown must not be a part, got {unknown} with parts 0 to {parts - 1}; use a larger one"
        )
    if not at_hand(given):
        return
    given = given.int()  # in bytes, a comparison with -1 or 300 wraps around
    strange = (given != unknown) & ((given < 0) | (given >= parts))
    if bool(strange.any()):
        raise VireidError(
            f"given part maps hold parts 0 to {parts - 1}, as {parts} parts are predicted, or {unknown} for unknown, "
            f"got {torch.unique(given[strange]).tolist()}; number the parts so, or predict more"
        )
