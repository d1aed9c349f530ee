"""DEEN's diverse embedding expansion: more embeddings of an image, made to differ, from one map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vireid.types import VireidError

__all__ = ["DiverseEmbeddingExpansion"]

DILATIONS = (1, 2, 3)


class DiverseEmbeddingExpansion(nn.Module):
    """Stack a map and its branches along the batch: ``branch_k(x) = W_k relu(mean over r = 1, 2, 3 of conv3x3_r(x))``.

    A branch looks through three 3x3 convolutions of dilation r to a quarter of the channels, and a 1x1 convolution
    brings it back. What keeps the branches apart is their loss, not their form.

    Args:
        channels: of the map, in and out.
        branches: embeddings to add to the original's.
        dropout: probability, in training, that a value of the stacked maps is 0.

    Attributes:
        branches: as given.

    Raises:
        VireidError: no branch, or a probability out of range.

    Reference: Zhang and Wang, Diverse Embedding Expansion Network (CVPR 2023), DEE module; He's normal
    initialisation and the dropout are the released code's.
    """

    def __init__(self, channels: int, *, branches: int = 2, dropout: float = 0.01) -> None:
        super().__init__()
        if branches < 1 or not 0 <= dropout < 1:
            raise VireidError(
                f"an expansion needs at least 1 branch and a dropout from 0 to below 1, got {branches} and {dropout}"
            )
        self.branches = branches
        self.dropout = dropout
        self.expanders = nn.ModuleList(_Expander(channels) for _ in range(branches))

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "r c h w"]:
        """The originals of all b images, then branch 1 of all, then branch 2 and so on: r = (1 + branches) b rows."""
        stacked = torch.cat([maps, *(expander(maps) for expander in self.expanders)])
        return F.dropout(stacked, self.dropout, self.training)


class _Expander(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 4)
        look = [nn.Conv2d(channels, inner, 3, padding=r, dilation=r, bias=False) for r in DILATIONS]
        self.expand = nn.Conv2d(inner, channels, 1)
        for layer in (*look, self.expand):
            nn.init.kaiming_normal_(layer.weight)
        self.look = nn.ModuleList(look)

    def forward(self, maps: Tensor) -> Tensor:
        seen = torch.stack([look(maps) for look in self.look]).mean(dim=0)
        return self.expand(F.relu(seen))
