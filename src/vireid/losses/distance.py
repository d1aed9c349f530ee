"""Euclidean distances that are exact for near points and have a finite gradient at zero."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["paired_distance", "pairwise_distance"]


def pairwise_distance(first: Float[Tensor, "n d"], second: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
    r"""Distance of every row of one matrix to every row of another: :math:`\|a_i - b_j\|_2`.

    Differences are squared as they are; the expansion :math:`a^2 - 2ab + b^2`, which loses near points to rounding, is
    not used. Where two rows are equal the distance is 0 and so is its gradient.

    >>> pairwise_distance(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[5., 0.]])
    """
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")


def paired_distance(first: Float[Tensor, "n d"], second: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    r"""Distance of each row to the row at the same place: :math:`\|a_i - b_i\|_2`; gradient 0 where they are equal.

    >>> paired_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
    tensor([5.])
    """
    return torch.linalg.vector_norm(first - second, dim=1)
