"""CAJ's triplet loss: the square of the gap between hard positives and hard negatives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from vireid.losses.batch import check_positive
from vireid.losses.triplet import weighted_distances

__all__ = ["squared_difference_triplet_loss"]

LARGEST_SQUARE = 88.0  # exp(88) is the last that float32 holds; the published loss stops there


def squared_difference_triplet_loss(
    features: Float[Tensor, "..."], labels: Int[Tensor, "..."], *, alpha: float = 1.0, gamma: float = 1.0
) -> Float[Tensor, ""]:
    r"""Weighted regularised triplet loss on the squared difference, which leaves easy anchors alone sooner.

    With :math:`\delta_i = d^+_i - d^-_i`, the difference of the weighted distances that `weighted_distances` gives,
    :math:`\frac1b \sum_i \mathrm{softplus}(\mathrm{sign}(\delta_i) \min\{\gamma \delta_i^2, 88\})`. An anchor whose
    square is over 88 has no gradient.

    Args:
        features: b x d; half precision is computed in float32.
        labels: identity of each row, any integers in any order.
        alpha: sharpness of the weights, over 0: the larger, the more the hardest samples count.
        gamma: factor of the square, over 0.

    Raises:
        VireidError: not one label for each row, fewer than two identities, or alpha or gamma out of range.
            On another device than the CPU fewer than two identities make the loss NaN.

    Reference:
        CAJ (Ye et al., Channel Augmented Joint Learning for Visible-Infrared Recognition, ICCV 2021), the enhanced
        squared difference loss.

    >>> squared_difference_triplet_loss(torch.tensor([[0.0], [2.0]]), torch.tensor([0, 1]))
    tensor(0.0181)
    """
    check_positive("alpha", alpha)
    check_positive("gamma", gamma)
    positive, negative = weighted_distances(features, labels, alpha)
    square = (gamma * (positive - negative).square()).clamp(max=LARGEST_SQUARE)
    return F.softplus(torch.where(positive > negative, square, -square)).mean()
