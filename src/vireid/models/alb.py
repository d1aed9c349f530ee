"""The block that MSCMNet's MIMB is made of, and the plain cross-attention to hold beside it."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vireid.models.attention import attend
from vireid.models.scale import Scale, reduce_to_grid
from vireid.types import VireidError

__all__ = ["ALB", "ALBVariant", "CrossAttention", "check_attention"]

ALBVariant = Literal["paper", "released"]


class ALB(nn.Module):
    """Information adoptive lossless block: mine a shallow map for what a deep map lost.

    Tokens are channels: both maps are reduced to ``tokens`` channels on the grid of the deep one, and each channel,
    flattened, is one token; attention is PyTorch's fused one. With f the reduced deep map, g the reduced shallow map,
    and q = k = g::

        paper:     v = a g + (1 - a) f   u = v + attention(q, k, v)   m = u + MLP(u)   out = conv1x1(m) + F
        released:  v = f + a g           u = v + attention(q, k, v)   m = u + MLP(u)   out = conv1x1(m)

    Args:
        deep: shape of the deep map F, which is also the shape put out.
        shallow: shape of the shallow map G; None for attention of f to itself (q = k = v = f).
        tokens: channels after reduction.
        heads: must divide the token width, which is the number of positions of the deep grid.
        mix: a of eq. 6.
        variant: the paper's equations or the released code.

    Raises:
        VireidError: heads do not divide the grid, the shallow grid is not a whole multiple of the deep one, or an
            argument is out of range.

    Reference: MSCMNet, eq. 4 to 7.
    Deviation: eq. 7 adds F inside the convolution, where it has too many channels; it is added outside.
    The paper's "single-layer MLP" is read as one hidden layer of four times the width, as in the released code.
    """

    def __init__(
        self,
        *,
        deep: Scale,
        shallow: Scale | None,
        tokens: int = 256,
        heads: int = 32,
        mix: float = 0.1,
        variant: ALBVariant = "paper",
    ) -> None:
        super().__init__()
        if variant not in get_args(ALBVariant):
            raise VireidError(f"the variant of MIMB must be one of {get_args(ALBVariant)}, got {variant!r}")
        if not 0 <= mix <= 1:
            raise VireidError(f"MIMB needs a mix from 0 to 1, got {mix}")
        width = check_attention(deep, tokens=tokens, heads=heads)
        self.mix = mix
        self.variant = variant
        self.reduce_deep = nn.Conv2d(deep.channels, tokens, 1)
        self.norm_deep = nn.LayerNorm(width)
        self.reduce_shallow = None if shallow is None else reduce_to_grid(shallow, deep, tokens)
        self.norm_shallow = None if shallow is None else nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), QuickGELU(), nn.Linear(4 * width, width))
        self.expand = nn.Conv2d(tokens, deep.channels, 1)

    def forward(
        self, deep: Float[Tensor, "b c h w"], shallow: Float[Tensor, "b s y x"] | None
    ) -> Float[Tensor, "b c h w"]:
        """The next deep map; ``shallow`` is None exactly where the block was built without one."""
        f = self.norm_deep(self.reduce_deep(deep).flatten(2))
        if self.reduce_shallow is None or self.norm_shallow is None:
            q = v = f
        else:
            q = self.norm_shallow(self.reduce_shallow(shallow).flatten(2))
            v = f + self.mix * q if self.variant == "released" else self.mix * q + (1 - self.mix) * f
        mined = v + attend(self.attention, q, v)
        mined = mined + self.mlp(self.norm_mlp(mined))
        out = self.expand(mined.unflatten(2, deep.shape[2:]))
        return deep + out if self.variant == "paper" else out


class CrossAttention(nn.Module):
    """Plain cross-attention in place of an `ALB`: the deep map asks, the shallow map answers, and nothing else.

    With f and g the reduced deep and shallow maps, channels as tokens as in `ALB`::

        out = conv1x1(attention(q = f, k = g, v = g)) + F

    No mix of values, no inner residual, no MLP: what is left shows whether those help.

    Args:
        deep, shallow, tokens, heads: see `ALB`.

    Raises:
        VireidError: see `ALB`.
    """

    def __init__(self, *, deep: Scale, shallow: Scale, tokens: int = 256, heads: int = 32) -> None:
        super().__init__()
        width = check_attention(deep, tokens=tokens, heads=heads)
        self.reduce_deep = nn.Conv2d(deep.channels, tokens, 1)
        self.norm_deep = nn.LayerNorm(width)
        self.reduce_shallow = reduce_to_grid(shallow, deep, tokens)
        self.norm_shallow = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.expand = nn.Conv2d(tokens, deep.channels, 1)

    def forward(self, deep: Float[Tensor, "b c h w"], shallow: Float[Tensor, "b s y x"]) -> Float[Tensor, "b c h w"]:
        """The next deep map."""
        f = self.norm_deep(self.reduce_deep(deep).flatten(2))
        g = self.norm_shallow(self.reduce_shallow(shallow).flatten(2))
        mined = attend(self.attention, f, g, keys=g)
        return deep + self.expand(mined.unflatten(2, deep.shape[2:]))


class QuickGELU(nn.Module):
    """``x sigmoid(1.702 x)``, the activation of the released code."""

    def forward(self, x: Tensor) -> Tensor:
        """Element by element."""
        return x * torch.sigmoid(1.702 * x)


def check_attention(deep: Scale, *, tokens: int, heads: int) -> int:
    """The width of a token, which is the number of positions of the deep grid.

    Raises:
        VireidError: fewer than 1 token or head, or heads that do not divide the width.
    """
    if min(tokens, heads) < 1:
        raise VireidError(f"MIMB needs at least 1 token and 1 head, got {tokens} tokens, {heads} heads")
    width = deep.height * deep.width
    if width % heads:
        fitting = [count for count in range(1, width + 1) if width % count == 0]
        raise VireidError(
            f"attention heads must divide the positions of the deep grid, but {heads} heads do not divide "
            f"{deep.height} x {deep.width} = {width}; choose one of {fitting} heads or another image size"
        )
    return width
