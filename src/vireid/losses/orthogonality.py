"""DEEN's orthogonality loss: the branches of one image should say different things."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vireid.losses.batch import full_precision
from vireid.types import VireidError

__all__ = ["orthogonality_loss"]


def orthogonality_loss(branches: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    r"""Sum of the inner products between the branches' features of one image, over all rows of the stacked batch:
    :math:`\frac{1}{(k + 1) b} \sum_i \sum_{p < q} \langle f^p_i, f^q_i \rangle`; 0 for one branch.

    Args:
        branches: k x b x d pooled features, branch after branch, without the original; the k + 1 in the denominator
            counts it. Half precision is computed in float32. The value grows with the square of the features, which
            pooled ReLU maps keep non-negative; nothing bounds it from below for others.

    Raises:
        VireidError: not three axes, or an empty one.

    Reference:
        DEEN (Zhang, Wang: Diverse Embedding Expansion Network and Low-Light Cross-Modality Benchmark for
        Visible-Infrared Person Re-identification, CVPR 2023), the orthogonality term, as in the published code.

    >>> orthogonality_loss(torch.tensor([[[1.0, 2.0]], [[3.0, 0.0]]]))
    tensor(1.)
    """
    if branches.ndim != 3 or branches.numel() == 0:
        raise VireidError(
            "the orthogonality loss needs the features of at least one branch, branches x images x dimensions, got "
            f"{tuple(branches.shape)}"
        )
    branches = full_precision(branches)
    count, images, _ = branches.shape
    first, second = torch.triu_indices(count, count, offset=1, device=branches.device)
    # products by element: a matrix product could be taken in half precision or TF32
    return (branches[first] * branches[second]).sum() / ((count + 1) * images)
