"""Centres of identities in a batch: what the centre losses share."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vireid.losses.distance import pairwise_distance
from vireid.types import VireidError

__all__ = ["identity_centers", "margin_to_centers", "modality_centers", "nearest_other"]


def identity_centers(
    features: Float[Tensor, "b d"], places: Int[Tensor, " b"], count: int
) -> tuple[Float[Tensor, "k d"], Int[Tensor, " k"]]:
    r"""Mean feature of each identity: :math:`c_k = \frac{1}{|\{i: p_i = k\}|} \sum_{i: p_i = k} f_i`.

    Rows may come in any order and identities may have different numbers of rows. The sum runs in a fixed order, so a
    step repeats to the bit on any device, which scattered additions on a GPU would not.

    Args:
        features: one row an image.
        places: number of each row's identity, 0 to count - 1, as `torch.unique(labels, return_inverse=True)` gives it.
        count: number of identities.

    Returns:
        The centres (NaN for an identity without rows) and how many rows each one has.

    >>> identity_centers(torch.tensor([[1.0], [5.0], [3.0]]), torch.tensor([0, 1, 0]), 2)
    (tensor([[2.],
            [5.]]), tensor([2, 1]))
    """
    belongs = places == torch.arange(count, device=places.device)[:, None]
    rows = belongs.sum(dim=1)
    sums = torch.where(belongs[:, :, None], features, features.new_zeros(())).sum(dim=1)
    return sums / rows[:, None], rows


def margin_to_centers(
    features: Float[Tensor, "b d"], centers: Float[Tensor, "k d"], places: Int[Tensor, " b"], margin: float
) -> Float[Tensor, ""]:
    r"""How far features reach into the margin of other identities' centres, on average:
    :math:`\frac{1}{b(k-1)} \sum_i \sum_{j \ne p_i} [\rho - \|f_i - c_j\|_2]_+`; 0 where there is no other identity.

    Args:
        features: one row an image, or a centre.
        centers: one row an identity.
        places: which centre is a row's own; it does not count.
        margin: the distance :math:`\rho` that is wanted.
    """
    other = places[:, None] != torch.arange(len(centers), device=places.device)
    reach = (margin - pairwise_distance(features, centers)).clamp(min=0)
    return torch.where(other, reach, reach.new_zeros(())).sum() / max(len(features) * (len(centers) - 1), 1)


def modality_centers(
    features: Float[Tensor, "b d"], labels: Int[Tensor, " b"], infrared: Bool[Tensor, "..."]
) -> tuple[Float[Tensor, "2 k d"], Int[Tensor, " b"]]:
    """The mean feature of each identity in each modality.

    Args:
        features: one row an image.
        labels: identity of each row; each must be there in both modalities.
        infrared: which rows are infrared; the others are visible.

    Returns:
        The centres, visible (0) and infrared (1), identities in the order of `torch.unique`; and the place of each
        row's identity among them.

    Raises:
        VireidError: not one modality for each row, or an identity that a modality lacks.

    >>> modality_centers(torch.tensor([[1.0], [3.0], [5.0]]), torch.zeros(3).long(), torch.tensor([False, False, True]))
    (tensor([[[2.]],
    <BLANKLINE>
            [[5.]]]), tensor([0, 0, 0]))
    """
    if infrared.shape != labels.shape or infrared.dtype != torch.bool:
        raise VireidError(
            "a loss between modalities needs one True (infrared) or False (visible) for each of the "
            f"{len(labels)} rows, got {infrared.dtype} {tuple(infrared.shape)}"
        )
    identities, places = torch.unique(labels, return_inverse=True)
    count = len(identities)
    centers, rows = zip(
        identity_centers(features[~infrared], places[~infrared], count),
        identity_centers(features[infrared], places[infrared], count),
        strict=True,
    )
    missing = (torch.stack(rows) == 0).nonzero()
    if len(missing):
        modality, identity = (int(number) for number in missing[0])
        raise VireidError(
            f"every identity of the batch must be in both modalities, but identity {int(identities[identity])} has no "
            f"{('visible', 'infrared')[modality]} row; sample identities that have both"
        )
    return torch.stack(centers), places


def nearest_other(distances: Float[Tensor, "k k"]) -> Float[Tensor, " k"]:
    """For each identity (row) the distance of the nearest other identity (column); infinite where there is none.

    >>> nearest_other(torch.tensor([[0.0, 7.0, 4.0], [7.0, 0.0, 5.0], [4.0, 5.0, 0.0]]))
    tensor([4., 5., 4.])
    """
    own = torch.eye(len(distances), dtype=torch.bool, device=distances.device)
    return torch.where(own, distances.new_tensor(torch.inf), distances).amin(dim=1)
