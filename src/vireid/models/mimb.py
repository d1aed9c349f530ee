"""MSCMNet's multi-scale information correlation mining block (MIMB)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

from vireid.models.alb import ALB, CrossAttention
from vireid.models.scale import Scale
from vireid.types import VireidError

__all__ = ["MIMB", "MIMBVariant"]

MIMBVariant = Literal["paper", "released", "cross-attention"]


class MIMB(nn.Module):
    """ALBs in sequence between the third and the fourth stage of a trunk, shallow scales first.

    Args:
        scales: shapes of the maps G0 (stem) to G3 (third stage); the last is also the deep map's.
        blocks: for each ALB the index of the scale that it mines. The paper's is (0, 1, 2, 3); (3, 3, 3, 3) is MIMB
            without multiple scales (Fig. 5).
        tokens, heads, mix, variant: of every `ALB`. In the released variant a block on the last scale is
            self-attention on the deep map alone. The variant ``cross-attention`` takes `CrossAttention` for each ALB.

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
        variant: MIMBVariant = "paper",
    ) -> None:
        super().__init__()
        if not blocks or not all(0 <= index < len(scales) for index in blocks):
            raise VireidError(f"MIMB blocks must name scales 0 to {len(scales) - 1}, at least one, got {tuple(blocks)}")
        last = len(scales) - 1
        if variant not in get_args(MIMBVariant):
            raise VireidError(f"the variant of MIMB must be one of {get_args(MIMBVariant)}, got {variant!r}")
        deep = scales[last]
        self.sources = [None if variant == "released" and index == last else index for index in blocks]
        self.blocks = nn.ModuleList()
        for source in self.sources:
            if variant == "cross-attention":
                assert source is not None
                block = CrossAttention(deep=deep, shallow=scales[source], tokens=tokens, heads=heads)
            else:
                shallow = None if source is None else scales[source]
                block = ALB(deep=deep, shallow=shallow, tokens=tokens, heads=heads, mix=mix, variant=variant)
            self.blocks.append(block)

    def forward(self, levels: Sequence[Tensor]) -> Float[Tensor, "b c h w"]:
        """Mine the maps G0 to G3 of the trunk; the result takes the place of G3."""
        deep = levels[-1]
        for block, source in zip(self.blocks, self.sources):
            deep = block(deep, None if source is None else levels[source])
        return deep
