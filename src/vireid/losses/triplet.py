"""Triplet losses on the distances between the samples of a batch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vireid.losses.batch import check_batch, check_margin, full_precision
from vireid.losses.distance import pairwise_distance
from vireid.losses.values import at_hand
from vireid.types import VireidError

__all__ = ["batch_hard_triplet_loss", "weighted_distances", "weighted_regularized_triplet_loss"]


def weighted_regularized_triplet_loss(features: Float[Tensor, "..."], labels: Int[Tensor, "..."]) -> Float[Tensor, ""]:
    r"""Triplet loss without a margin whose positives and negatives are weighted by how hard they are.

    :math:`\frac1b \sum_i \mathrm{softplus}(d^+_i - d^-_i)` with
    :math:`d^+_i = \sum_{j: y_j = y_i} \mathrm{softmax}_j(d_{ij})\, d_{ij}` (the anchor itself included) and
    :math:`d^-_i = \sum_{j: y_j \ne y_i} \mathrm{softmax}_j(-d_{ij})\, d_{ij}`. The weights carry gradient.

    Args:
        features: b x d; half precision is computed in float32.
        labels: identity of each row, any integers in any order.

    Raises:
        VireidError: not one label for each row, or fewer than two identities. On another device than the CPU the latter
            makes the loss NaN.

    Reference:
        AGW (Ye et al., Deep Learning for Person Re-identification, TPAMI 2021), section on the weighted regularisation
        triplet.

    >>> weighted_regularized_triplet_loss(torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1]))
    tensor(0.3133)
    """
    positive, negative = weighted_distances(features, labels)
    return F.softplus(positive - negative).mean()


def weighted_distances(
    features: Float[Tensor, "..."], labels: Int[Tensor, "..."], alpha: float = 1.0
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    r"""Each anchor's mean distance to its positives and to its negatives, hard ones weighted most.

    :math:`d^+_i = \sum_{j: y_j = y_i} \mathrm{softmax}_j(\alpha d_{ij})\, d_{ij}` and
    :math:`d^-_i = \sum_{j: y_j \ne y_i} \mathrm{softmax}_j(-\alpha d_{ij})\, d_{ij}`.
    """
    distance, same = _distances(features, labels)
    hard_positive = torch.softmax(torch.where(same, alpha * distance, -math.inf), dim=1)
    hard_negative = torch.softmax(torch.where(same, -math.inf, -alpha * distance), dim=1)
    return (hard_positive * distance).sum(dim=1), (hard_negative * distance).sum(dim=1)


def batch_hard_triplet_loss(
    features: Float[Tensor, "..."], labels: Int[Tensor, "..."], margin: float
) -> Float[Tensor, ""]:
    r"""Triplet loss on each anchor's farthest positive and nearest negative.

    :math:`\frac1b \sum_i [\max_{j: y_j = y_i} d_{ij} - \min_{j: y_j \ne y_i} d_{ij} + m]_+`. Of several equally hard
    samples each carries an equal share of the gradient.

    Args:
        features: b x d; half precision is computed in float32.
        labels: identity of each row, any integers in any order.
        margin: m, in units of feature distance, from 0.

    Raises:
        VireidError: not one label for each row, fewer than two identities, or a margin out of range. On
            another device than the CPU fewer than two identities make the loss NaN.

    Reference:
        Hermans, Beyer, Leibe: In Defense of the Triplet Loss for Person Re-Identification, 2017, "batch hard".

    >>> batch_hard_triplet_loss(torch.tensor([[0.0], [1.0], [1.5]]), torch.tensor([0, 0, 1]), margin=0.3)
    tensor(0.2667)
    """
    check_margin(margin)
    distance, same = _distances(features, labels)
    farthest = torch.where(same, distance, -math.inf).amax(dim=1)
    nearest = torch.where(same, math.inf, distance).amin(dim=1)
    # Where nobody looked whether there is a negative, its lack is no loss of 0.
    hinge = torch.where(nearest < math.inf, (farthest - nearest + margin).clamp(min=0), math.nan)
    return hinge.mean()


def _distances(
    features: Float[Tensor, "..."], labels: Int[Tensor, "..."]
) -> tuple[Float[Tensor, "b b"], Bool[Tensor, "b b"]]:
    """Distances between all rows, and where both rows are of one identity."""
    check_batch(features, labels)
    same = labels[:, None] == labels
    if at_hand(labels) and bool(same.all()):
        raise VireidError(
            f"a triplet needs a negative, but all {len(labels)} rows are of identity {int(labels[0])}; sample at least "
            "two identities a batch"
        )
    features = full_precision(features)
    return pairwise_distance(features, features), same
