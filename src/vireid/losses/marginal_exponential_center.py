"""MSPAC's marginal exponential centre loss, reconstructed from one sentence of its abstract."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vireid.losses.batch import check_batch, check_margin, check_positive, full_precision
from vireid.losses.center import check_both_modalities, modality_centers, number_identities
from vireid.losses.distance import pairwise_distance
from vireid.losses.values import at_hand
from vireid.types import VireidError

__all__ = ["marginal_exponential_center_loss"]


def marginal_exponential_center_loss(
    features: Float[Tensor, "..."],
    labels: Int[Tensor, "..."],
    infrared: Bool[Tensor, "..."],
    *,
    margin: float,
    scale: float = 1.0,
) -> Float[Tensor, ""]:
    r"""A reconstruction of MeCen: own centres of both modalities nearer by a margin than all others, exponentially.

    With :math:`c^m_k` the centre of identity k in modality m, of 2 modalities and P identities, row i has the
    exponential means of its distances to its own two centres (one intra-, one inter-modal) and to the others',

    .. math::
        p_i = \frac1s \log \frac12 \sum_m e^{s \|f_i - c^m_{y_i}\|}, \quad
        n_i = -\frac1s \log \frac{1}{2(P-1)} \sum_m \sum_{k \ne y_i} e^{-s \|f_i - c^m_k\|},

    and the loss is :math:`\frac{1}{bs} \sum_i \log(1 + e^{s (p_i - n_i + \rho)})`. All four kinds of distance stand in
    one exponential, so that the variance that is largest, within a modality or between the two, takes most of the
    gradient. As s grows the loss nears the hinge :math:`[\max - \min + \rho]_+` of the farther own centre and the
    nearest other one; as s falls to 0 the distances count alike.

    Args:
        features: b x d; half precision is computed in float32.
        labels: identity of each row, any integers in any order; each must be there in both modalities.
        infrared: which rows are infrared; the others are visible.
        margin: :math:`\rho`, in units of feature distance, from 0.
        scale: s, in inverse units of feature distance, over 0.

    Raises:
        VireidError: not one label and one modality for each row, an identity that a modality lacks, fewer than two
            identities, or a margin or scale out of range. On another device than the CPU the lack of an identity makes
            the loss NaN.

    Reference:
        MSPAC (Zhang et al., Multi-Scale Cascading Network with Compact Feature Learning for RGB-Infrared Person
        Re-Identification, ICPR 2020, arXiv 2012.06843), abstract: "a marginal exponential centre (MeCen) loss is
        introduced to jointly eliminate mixed variances from intra- and inter-modal examples".

    Deviation:
        Neither the equation nor code was at hand. Assumed: centres are means of the batch and carry gradient;
        distances are Euclidean and not squared; "intra-modal" is a row's distance to the centres of its own modality
        and "inter-modal" to those of the other; "jointly" is one exponential over both; "marginal" is an additive
        margin between own and other centres; other identities are pushed away at all; every row counts alike; means
        and not sums stand inside the logarithms, so that the value does not grow with the number of identities; and
        there is no default for the margin, as no value is known.

    >>> features, labels = torch.tensor([[0.0], [0.0], [3.0], [3.0]]), torch.tensor([0, 0, 1, 1])
    >>> infrared = torch.tensor([False, True, False, True])
    >>> marginal_exponential_center_loss(features, labels, infrared, margin=1.0)  # log(1 + exp(0 - 3 + 1))
    tensor(0.1269)
    """
    check_batch(features, labels)
    check_margin(margin)
    check_positive("scale", scale)
    features = full_precision(features)
    check_both_modalities(labels, infrared)
    if at_hand(labels) and bool((labels == labels[0]).all()):
        raise VireidError(
            "other identities' centres must be there to keep a margin from, but all "
            f"{len(labels)} rows are of identity {int(labels[0])}; sample at least two identities a batch"
        )
    identities = number_identities(labels, at_most=len(labels) // 2)
    centers = modality_centers(features, identities, infrared)
    scaled = scale * pairwise_distance(features, centers.flatten(0, 1))
    own, others = (lines.repeat(1, 2) for lines in (identities.own, identities.others))
    crowded = (2 * (identities.used.sum() - 1)).to(scaled.dtype)
    reach = torch.where(own, scaled, -math.inf).logsumexp(dim=1) - math.log(2)
    crowd = torch.where(others, -scaled, -math.inf).logsumexp(dim=1) - crowded.log()
    return F.softplus(reach + crowd + scale * margin).mean() / scale
