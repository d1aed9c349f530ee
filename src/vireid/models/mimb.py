"""MSCMNet's multi-scale information correlation mining block (MIMB) and the ALB it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vireid.types import VireidError

__all__ = ["ALB", "MIMB", "Scale"]

Variant = Literal["paper", "released"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Shape of the map that one level of a trunk puts out."""

    channels: int
    height: int
    width: int


class ALB(nn.Module):
    """Information adoptive lossless block: mine a shallow map for what a deep map lost.

    Tokens are channels: both maps are reduced to ``tokens`` channels on the grid of the deep one, and each channel,
    flattened, is one token. With f the reduced deep map, g the reduced shallow map, and q = k = g::

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
        variant: Variant = "paper",
    ) -> None:
        super().__init__()
        if variant not in get_args(Variant):
            raise VireidError(f"the variant of MIMB must be one of {get_args(Variant)}, got {variant!r}")
        if min(tokens, heads) < 1 or not 0 <= mix <= 1:
            raise VireidError(
                f"MIMB needs at least 1 token and 1 head and a mix from 0 to 1, got {tokens} tokens, {heads} heads, "
                f"mix {mix}"
            )
        width = deep.height * deep.width
        if width % heads:
            fitting = [count for count in range(1, width + 1) if width % count == 0]
            raise VireidError(
                f"attention heads must divide the positions of the deep grid, but {heads} heads do not divide "
                f"{deep.height} x {deep.width} = {width}; choose one of {fitting} heads or another image size"
            )
        self.mix = mix
        self.variant = variant
        self.reduce_deep = nn.Conv2d(deep.channels, tokens, 1)
        self.norm_deep = nn.LayerNorm(width)
        self.reduce_shallow = None if shallow is None else _reduction(shallow, deep, tokens)
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
        mined = v + self.attention(q, q, v, need_weights=False)[0]
        mined = mined + self.mlp(self.norm_mlp(mined))
        out = self.expand(mined.unflatten(2, deep.shape[2:]))
        return deep + out if self.variant == "paper" else out


class MIMB(nn.Module):
    """ALBs in sequence between the third and the fourth stage of a trunk, shallow scales first.

    Args:
        scales: shapes of the maps G0 (stem) to G3 (third stage); the last is also the deep map's.
        blocks: for each ALB the index of the scale that it mines. The paper's is (0, 1, 2, 3); (3, 3, 3, 3) is MIMB
            without multiple scales (Fig. 5).
        tokens, heads, mix, variant: of every `ALB`. In the released variant a block on the last scale is
            self-attention on the deep map alone.

    Raises:
        VireidError: a block asks for a scale that is not there, or what `ALB` refuses.

    Reference: MSCMNet, section III-C and Fig. 5.
    """

    def __init__(
        self,
        scales: Sequence[Scale],
        *,
        blocks: Sequence[int] = (0, 1, 2, 3),
        tokens: int = 256,
        heads: int = 32,
        mix: float = 0.1,
        variant: Variant = "paper",
    ) -> None:
        super().__init__()
        if not blocks or not all(0 <= index < len(scales) for index in blocks):
            raise VireidError(f"MIMB blocks must name scales 0 to {len(scales) - 1}, at least one, got {tuple(blocks)}")
        last = len(scales) - 1
        self.sources = [None if variant == "released" and index == last else index for index in blocks]
        self.blocks = nn.ModuleList(
            ALB(
                deep=scales[last],
                shallow=None if source is None else scales[source],
                tokens=tokens,
                heads=heads,
                mix=mix,
                variant=variant,
            )
            for source in self.sources
        )

    def forward(self, levels: Sequence[Tensor]) -> Float[Tensor, "b c h w"]:
        """Mine the maps G0 to G3 of the trunk; the result takes the place of G3."""
        deep = levels[-1]
        for block, source in zip(self.blocks, self.sources):
            deep = block(deep, None if source is None else levels[source])
        return deep


class QuickGELU(nn.Module):
    """``x sigmoid(1.702 x)``, the activation of the released code."""

    def forward(self, x: Tensor) -> Tensor:
        """Element by element."""
        return x * torch.sigmoid(1.702 * x)


def _reduction(shallow: Scale, deep: Scale, tokens: int) -> nn.Conv2d:
    """What brings a shallow map onto the deep grid: stride s, kernel s + 2, padding s / 2; 1x1 where s = 1."""
    stride = shallow.height // deep.height
    if (shallow.height, shallow.width) != (stride * deep.height, stride * deep.width) or (stride > 1 and stride % 2):
        raise VireidError(
            f"a shallow grid must be 1, 2, 4, ... times the deep one, but {shallow.height} x {shallow.width} is not "
            f"over {deep.height} x {deep.width}; choose an image size that the trunk's strides divide"
        )
    if stride == 1:
        return nn.Conv2d(shallow.channels, tokens, 1)
    return nn.Conv2d(shallow.channels, tokens, stride + 2, stride=stride, padding=stride // 2)
