"""MSPAC's pooling, reconstructed: stripes at several scales, cascaded from part to global into one embedding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vireid.models.pooling import Pooled, generalized_mean
from vireid.models.scale import Scale
from vireid.types import VireidError

__all__ = ["PartCascade", "stripe_bounds"]


def stripe_bounds(height: int, count: int) -> list[tuple[int, int]]:
    """First row and end row of each of ``count`` stripes: every row in one stripe, heights differing by 1 at most.

    >>> stripe_bounds(7, 3)
    [(0, 2), (2, 4), (4, 7)]

    Raises:
        VireidError: fewer than one stripe, or fewer rows than stripes.
    """
    if not 1 <= count <= height:
        raise VireidError(
            f"a map of {height} rows can be cut into 1 to {height} stripes, got {count}; "
            "take fewer stripes or higher images"
        )
    return [(index * height // count, (index + 1) * height // count) for index in range(count)]


class PartCascade(nn.Module):
    """Reconstruction of MSPAC's cascade, from the abstract alone: its equations are not at hand.

    With x_k,i the generalised mean of stripe i at scale k (finest first, scale 0), and for k > 0 the finer stripes that
    it covers, u_k,i, averaged by the rows they share::

        z_0,i = N_0(R_0 x_0,i)
        u_k,i = sum_j share(i, j) z_k-1,j
        z_k,i = N_k(R_k x_k,i) + sigmoid(A_k [N_k(R_k x_k,i), u_k,i]) * B_k u_k,i
        features = generalised mean of the map + C mean_i z_last,i

    R, A, B, C are linear, N is a LayerNorm. C starts at zero, so that the embedding starts as the pooled map, and the
    stripes learn from their own identity losses first.

    Assumptions:
        1. Parts are horizontal stripes of the last map, as in PCB; 6, 3 and 2 of them.
        2. The cascade adds a gated projection of the finer scale to the coarser one; the global level comes last.
        3. The unified embedding keeps the width of the map, so that head and search cost what they cost without parts.
        4. ``parts`` are the z of every scale, each for an identity loss of its own; they are not used in a search.
        5. Where stripes of two scales do not nest (3 and 2), a finer stripe counts by the share of its rows.

    Args:
        scale: shape of the map; 2048 x 24 x 12 makes 2.5 million parameters with the defaults.
        stripes: how many at each scale, finest first, each scale coarser than the one before. Heights that they do not
            divide are cut as `stripe_bounds` says.
        width: of z.
        power: of the generalised mean.

    Raises:
        VireidError: no stripes, scales not from fine to coarse, more stripes than rows, or an argument out of range.

    Reference: Zhang et al., MSPAC (ICPR 2020, arXiv 2012.06843), abstract; Sun et al., PCB (ECCV 2018) for stripes.
    """

    def __init__(
        self, scale: Scale, *, stripes: Sequence[int] = (6, 3, 2), width: int = 256, power: float = 3.0
    ) -> None:
        super().__init__()
        if not stripes or any(finer <= coarser for finer, coarser in pairwise(stripes)):
            raise VireidError(
                "the part cascade needs stripe counts from fine to coarse, at least one, for example (6, 3, 2); "
                f"got {tuple(stripes)}"
            )
        if width < 1 or not power > 0:
            raise VireidError(f"the part cascade needs a width from 1 and a power above 0, got {width} and {power}")
        self.bounds = [stripe_bounds(scale.height, count) for count in stripes]
        self.height = scale.height
        self.power = power
        self.dimension = scale.channels
        self.part_count = sum(stripes)
        self.part_dimension = width
        self.reduce = nn.ModuleList(
            nn.Sequential(nn.Linear(scale.channels, width, bias=False), nn.LayerNorm(width)) for _ in stripes
        )
        self.gate = nn.ModuleList(nn.Linear(2 * width, width) for _ in stripes[1:])
        self.project = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in stripes[1:])
        self.join = nn.Linear(width, scale.channels, bias=False)
        nn.init.zeros_(self.join.weight)
        for index, (finer, coarser) in enumerate(pairwise(self.bounds)):
            self.register_buffer(f"share_{index}", _shares(coarser, finer), persistent=False)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Pooled:
        """The unified embedding, and the features of all stripes: finest scale first, each from top to bottom."""
        if maps.shape[2] != self.height:
            raise VireidError(f"the part cascade was built for maps of {self.height} rows, got {maps.shape[2]}")
        scales: list[Tensor] = []
        for index, (bounds, reduce) in enumerate(zip(self.bounds, self.reduce)):
            pooled = [generalized_mean(maps[:, :, first:end], power=self.power) for first, end in bounds]
            joined = reduce(torch.stack(pooled, dim=1)).float()
            if index:
                covered = self.get_buffer(f"share_{index - 1}") @ scales[-1]
                gate = torch.sigmoid(self.gate[index - 1](torch.cat([joined, covered], dim=2)))
                joined = joined + gate * self.project[index - 1](covered)
            scales.append(joined)
        features = generalized_mean(maps, power=self.power) + self.join(scales[-1].mean(dim=1))
        return Pooled(features, parts=torch.cat(scales, dim=1).transpose(0, 1))


def _shares(coarser: list[tuple[int, int]], finer: list[tuple[int, int]]) -> Float[Tensor, "coarser finer"]:
    """Which part of a coarser stripe's rows lies in each finer stripe; every line sums to 1."""
    return torch.tensor(
        [
            [max(0, min(end, last) - max(start, first)) / (end - start) for first, last in finer]
            for start, end in coarser
        ]
    )
