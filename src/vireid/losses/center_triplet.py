"""The centre triplet loss: samples close to their centre, centres apart."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vireid.losses.batch import check_batch, check_margin, full_precision
from vireid.losses.center import line_centers, margin_to_centers, number_identities
from vireid.losses.distance import paired_distance

__all__ = ["center_triplet_loss"]


def center_triplet_loss(features: Float[Tensor, "..."], labels: Int[Tensor, "..."], margin: float) -> Float[Tensor, ""]:
    r"""Pull each sample to the centre of its identity and keep the centres of two identities a margin apart.

    :math:`\frac12 \{\frac1b \sum_i \|f_i - c_{y_i}\| + \frac{1}{P(P-1)} \sum_{k \ne l} [m - \|c_k - c_l\|]_+\}` with
    centres over all rows of an identity, whatever their modality, and P identities.

    Args:
        features: b x d; half precision is computed in float32.
        labels: identity of each row, any integers in any order.
        margin: m, in units of feature distance, from 0.

    Raises:
        VireidError: not one label for each row, or a margin out of range.

    Reference:
        The centre cluster loss of MPANet (Wu et al., Discover Cross-Modality Nuances for Visible-Infrared Person
        Re-Identification, CVPR 2021), halved as in the published code that the tests compare with.

    Deviation:
        With one identity in the batch there are no two centres to keep apart and that term is 0.

    >>> center_triplet_loss(torch.tensor([[0.0], [2.0], [1.5]]), torch.tensor([0, 0, 1]), margin=1.0)
    tensor(0.5833)
    """
    check_batch(features, labels)
    check_margin(margin)
    features = full_precision(features)
    identities = number_identities(labels, at_most=len(labels))
    centers = line_centers(features, identities.places, identities)
    pull = paired_distance(features, centers[identities.places]).mean()
    pairs = identities.used[:, None] & identities.used
    push = margin_to_centers(
        centers, centers, pairs & ~torch.eye(len(pairs), dtype=torch.bool, device=pairs.device), margin
    )
    return (pull + push) / 2
