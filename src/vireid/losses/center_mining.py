"""CSCL's identity-aware centre mining loss, reconstructed from one sentence of its abstract."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vireid.losses.batch import check_batch, check_margin, full_precision
from vireid.losses.center import (
    check_both_modalities,
    mean_over_lines,
    modality_centers,
    nearest_other,
    number_identities,
)
from vireid.losses.distance import paired_distance, pairwise_distance

__all__ = ["identity_center_mining_loss"]


def identity_center_mining_loss(
    features: Float[Tensor, "..."], labels: Int[Tensor, "..."], infrared: Bool[Tensor, "..."], *, margin: float
) -> Float[Tensor, ""]:
    r"""A reconstruction of ICM: close the gap between an identity's two modality centres, the widest gaps first.

    With :math:`v_k, t_k` the visible and infrared centre of identity k, of P, and the gap :math:`g_k = \|v_k - t_k\|`,

    .. math::
        \sum_k w_k g_k + \frac{1}{2P} \sum_k \{[g_k - \min_{l \ne k} \|v_k - t_l\| + m]_+
        + [g_k - \min_{l \ne k} \|t_k - v_l\| + m]_+\}, \quad w_k = g_k / \sum_l g_l.

    The first term mines the identities whose modalities are farthest apart, the second the other identity that
    stands nearest across the modalities. The weights w carry no gradient: with it, a small gap would be widened to
    shift weight from the large ones.

    Args:
        features: b x d; half precision is computed in float32.
        labels: identity of each row, any integers in any order; each must be there in both modalities.
        infrared: which rows are infrared; the others are visible.
        margin: m, in units of feature distance, from 0: how much nearer an identity's own centre is to be.

    Raises:
        VireidError: not one label and one modality for each row, an identity that a modality lacks, or a margin out of
            range. On another device than the CPU an identity that a modality lacks makes the loss NaN.

    Reference:
        CSCL (Liu et al., Cross-Modality Semantic Consistency Learning for Visible-Infrared Person Re-Identification,
        TMM 2024), abstract: "an Identity-aware Center Mining (ICM) loss is presented to reduce the distribution
        between modality centers within classes".

    Deviation:
        Neither the equation nor code was at hand. Assumed: centres are means of the batch and carry gradient;
        distances are Euclidean; "mining" is both the weights in proportion to the gap and the nearest other identity;
        the margin is relative to the identity's own gap, as in hetero-centre triplets; both terms weigh the same.
        With one identity in the batch the second term is 0.

    >>> features, labels = torch.tensor([[0.0], [1.0], [5.0], [8.0]]), torch.tensor([0, 0, 1, 1])
    >>> infrared = torch.tensor([False, True, False, True])
    >>> identity_center_mining_loss(features, labels, infrared, margin=2.0)  # (1 + 9) / (1 + 3), and 1 of 4 hinges
    tensor(2.7500)
    """
    check_batch(features, labels)
    check_margin(margin)
    check_both_modalities(labels, infrared)
    identities = number_identities(labels, at_most=len(labels) // 2)
    visible, infrared_centers = modality_centers(full_precision(features), identities, infrared)
    gap = paired_distance(visible, infrared_centers)
    widest = gap.detach().amax()
    # shares of the widest gap first: a sum of gaps that are tiny or huge leaves the number range
    share = torch.where(identities.used, torch.where(widest > 0, gap.detach() / widest, 1), 0)
    pull = (share / share.sum() * gap).sum()
    across = pairwise_distance(visible, infrared_centers)
    nearest = [nearest_other(distances, identities) for distances in (across, across.T)]
    push = [mean_over_lines((gap - distance + margin).clamp(min=0), identities) for distance in nearest]
    return pull + (push[0] + push[1]) / 2
