"""Randomness as a function of where a training stands, never of what ran before."""

from __future__ import annotations

import hashlib

import torch

__all__ = ["generator"]


def generator(seed: int, epoch: int, step: int, name: str) -> torch.Generator:
    """A source of draws that is the same whenever the four arguments are the same.

    It lives on the CPU, where views draw their few numbers a sample, so a GPU augments just as the CPU does.

    Args:
        seed: of the run.
        epoch: from 0.
        step: batch of the epoch, from 0.
        name: what the draws are for; each view has its own.

    >>> first, again = generator(0, 2, 7, "visible_global"), generator(0, 2, 7, "visible_global")
    >>> bool((torch.rand(3, generator=first) == torch.rand(3, generator=again)).all())
    True
    """
    # the name comes last, so no two keys write the same text
    key = hashlib.sha256(f"{seed}/{epoch}/{step}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(key[:8], "big"))
