"""The non-local block that AGW adds to the trunk and MSCMNet keeps."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["NonLocalBlock"]


class NonLocalBlock(nn.Module):
    """Let every position of a map look at every other: ``x + W(g(x) softmax-free attention)``.

    ``y_i = 1/N sum_j (theta(x_i) . phi(x_j)) g(x_j)`` over the N positions, then a 1x1 convolution and a BatchNorm that
    starts at zero, so that a new block changes nothing at first. Without a softmax there is nothing for
    `scaled_dot_product_attention` to fuse.

    Args:
        channels: of the map, in and out.
        inner_channels: of theta, phi and g; half of ``channels`` unless told.

    Reference: Wang et al., Non-local Neural Networks (CVPR 2018), dot-product form; placed as in AGW (TPAMI 2021).
    """

    def __init__(self, channels: int, inner_channels: int | None = None) -> None:
        super().__init__()
        inner = max(1, channels // 2) if inner_channels is None else inner_channels
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Conv2d(channels, inner, 1)
        self.g = nn.Conv2d(channels, inner, 1)
        self.project = nn.Conv2d(inner, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Maps of the same shape."""
        theta, phi, g = (layer(maps).flatten(2) for layer in (self.theta, self.phi, self.g))
        positions = theta.shape[2]
        # Without a softmax the product is associative: phi g^T first costs N d^2 in place of N^2 d.
        context = torch.bmm(phi / positions, g.transpose(1, 2))
        attended = torch.bmm(context.transpose(1, 2), theta).unflatten(2, maps.shape[2:])
        return maps + self.norm(self.project(attended))
