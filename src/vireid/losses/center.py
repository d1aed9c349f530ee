"""Centres of identities in a batch: what the centre losses share.

How many identities a batch has is looked at on the CPU alone: a GPU would have to be waited for. Elsewhere there are as
many lines for centres as there can be identities, and those that are not needed count nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vireid.losses.distance import pairwise_distance
from vireid.losses.values import at_hand
from vireid.types import VireidError

__all__ = [
    "Identities",
    "check_both_modalities",
    "identity_centers",
    "line_centers",
    "margin_to_centers",
    "mean_over_lines",
    "modality_centers",
    "nearest_other",
    "number_identities",
]


class Identities(NamedTuple):
    """The identities of a batch, one a line, in the order of their labels.

    Attributes:
        places: line of each row's identity.
        used: which lines have an identity.
        filler: what stands in the other lines: 0, or NaN where the lines did not suffice.
    """

    places: Int[Tensor, " b"]
    used: Bool[Tensor, " k"]
    filler: Float[Tensor, ""]

    @property
    def own(self) -> Bool[Tensor, "b k"]:
        """Which line is a row's own."""
        return self.places[:, None] == torch.arange(len(self.used), device=self.places.device)

    @property
    def others(self) -> Bool[Tensor, "b k"]:
        """Which lines have other identities than a row's."""
        return ~self.own & self.used


def number_identities(labels: Int[Tensor, " b"], at_most: int) -> Identities:
    """Give each identity a line, in the order of their labels.

    Args:
        labels: identity of each row.
        at_most: how many identities there can be; as many lines are made where the labels are not on the CPU.

    >>> number_identities(torch.tensor([7, 0, 7, -3]), 4).places
    tensor([2, 1, 2, 0])
    """
    first = ~(labels[:, None] == labels).tril(diagonal=-1).any(dim=1)
    places = (first & (labels[:, None] > labels)).sum(dim=1)
    last = places.max()
    lines = int(last) + 1 if at_hand(labels) else max(1, at_most)
    used = (torch.arange(lines, device=labels.device) <= last) & (last < lines)
    filler = torch.where(last < lines, 0.0, math.nan)
    return Identities(places.clamp(max=lines - 1), used, filler)


def identity_centers(
    features: Float[Tensor, "b d"], places: Int[Tensor, " b"], count: int
) -> tuple[Float[Tensor, "k d"], Int[Tensor, " k"]]:
    r"""Mean feature of each identity: :math:`c_k = \frac{1}{|\{i: p_i = k\}|} \sum_{i: p_i = k} f_i`.

    Rows may come in any order and identities may have different numbers of rows. The sum runs in a fixed order, so a
    step repeats to the bit on any device, which scattered additions on a GPU would not.

    Args:
        features: one row an image.
        places: number of each row's identity, 0 to count - 1, as `torch.unique(labels, return_inverse=True)` gives it;
            a row with another number belongs to none.
        count: number of identities.

    Returns:
        The centres (NaN for an identity without rows) and how many rows each one has.

    >>> identity_centers(torch.tensor([[1.0], [5.0], [3.0]]), torch.tensor([0, 1, 0]), 2)
    (tensor([[2.],
            [5.]]), tensor([2, 1]))
    """
    belongs = places == torch.arange(count, device=places.device)[:, None]
    rows = belongs.sum(dim=1)
    sums = torch.where(belongs[:, :, None], features, 0).sum(dim=1)
    return sums / rows[:, None], rows


def line_centers(
    features: Float[Tensor, "b d"], places: Int[Tensor, " b"], identities: Identities
) -> Float[Tensor, "k d"]:
    """The centre of each line: NaN for an identity without rows, 0 where a line has no identity.

    Args:
        features: some rows of the batch.
        places: their lines; -1 for a row that is to be left out.
        identities: those of the whole batch.
    """
    centers, _ = identity_centers(features, places, len(identities.used))
    return torch.where(identities.used[:, None], centers, identities.filler.to(centers.dtype))


def margin_to_centers(
    features: Float[Tensor, "b d"], centers: Float[Tensor, "k d"], counted: Bool[Tensor, "b k"], margin: float
) -> Float[Tensor, ""]:
    r"""How far features reach into the margin of centres, on average over the pairs that count:
    :math:`\mathrm{mean}_{(i, j)} [\rho - \|f_i - c_j\|_2]_+`; 0 where none does.

    Args:
        features: one row an image, or a centre.
        centers: one row an identity.
        counted: which pairs count: those of two identities.
        margin: the distance :math:`\rho` that is wanted.
    """
    reach = (margin - pairwise_distance(features, centers)).clamp(min=0)
    return torch.where(counted, reach, 0).sum() / counted.sum().clamp(min=1)


def mean_over_lines(values: Float[Tensor, " k"], identities: Identities) -> Float[Tensor, ""]:
    """Mean over the lines that have an identity."""
    return torch.where(identities.used, values, identities.filler.to(values.dtype)).sum() / identities.used.sum()


def modality_centers(
    features: Float[Tensor, "b d"], identities: Identities, infrared: Bool[Tensor, "..."]
) -> Float[Tensor, "2 k d"]:
    """The mean feature of each identity in each modality.

    Args:
        features: one row an image.
        identities: of the rows; each must be there in both modalities, so there are half as many as rows at most.
        infrared: which rows are infrared; the others are visible.

    Returns:
        The centres, visible (0) and infrared (1), in the lines of the identities.
    """
    places = identities.places
    return torch.stack(
        [line_centers(features, torch.where(rows, places, -1), identities) for rows in (~infrared, infrared)]
    )


def check_both_modalities(labels: Int[Tensor, " b"], infrared: Bool[Tensor, "..."]) -> None:
    """Refuse a batch without one modality for each row or, on the CPU, with an identity that lacks a modality.

    Raises:
        VireidError: as said.
    """
    if infrared.shape != labels.shape or infrared.dtype != torch.bool:
        raise VireidError(
            "a loss between modalities needs one True (infrared) or False (visible) for each of the "
            f"{len(labels)} rows, got {infrared.dtype} {tuple(infrared.shape)}"
        )
    if not at_hand(labels):
        return
    same = labels[:, None] == labels
    for modality, rows in (("visible", ~infrared), ("infrared", infrared)):
        missing = labels[~(same & rows).any(dim=1)]
        if len(missing):
            raise VireidError(
                f"every identity of the batch must be in both modalities, but identity {int(missing.min())} has no "
                f"{modality} row; sample identities that have both"
            )


def nearest_other(distances: Float[Tensor, "k k"], identities: Identities) -> Float[Tensor, " k"]:
    """For each line the distance of the nearest other identity (column); infinite where there is none.

    >>> distances = torch.tensor([[0.0, 7.0, 4.0], [7.0, 0.0, 5.0], [4.0, 5.0, 0.0]])
    >>> nearest_other(distances, number_identities(torch.arange(3), 3))
    tensor([4., 5., 4.])
    """
    own = torch.eye(len(distances), dtype=torch.bool, device=distances.device)
    return torch.where(own | ~identities.used, math.inf, distances).amin(dim=1)
