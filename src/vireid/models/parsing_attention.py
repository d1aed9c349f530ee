"""CSCL's parsing-aligned attention (PAM), reconstructed: channels weighted part by part."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vireid.models.part_alignment import part_predictor, pool_parts
from vireid.types import VireidError

__all__ = ["ParsingAttention"]


class ParsingAttention(nn.Module):
    """Reconstruction of CSCL's PAM, from the abstract alone: its equations are not at hand.

    With P the softmax over parts of the predicted part maps, x the map, and f_k the descriptor of part k, background
    included, as in `pool_parts`::

        e_k = E relu(S f_k + s_k)                       one weight a channel for each part
        out = x * 2 sigmoid(sum_k P_k e_k)              each position by the weights of the part it shows

    S and E are linear, as in squeeze-and-excitation, and s_k is learnt for each part. E starts at zero, so that every
    weight starts at 1 and a pretrained stage is left as it is. A weight below 1 filters a channel, one above 1
    highlights it; of the background these are other channels than of a person's parts.

    Assumptions:
        1. Part maps are predicted at each stage that has the attention, as in `PartAlignment`, and each stage has the
           parsing loss.
        2. Descriptors are the map averaged by the probability of each part.
        3. "Channel-wise attention", "parsing-aligned": weights of channels for each part, handed to positions by P.
        4. Weights from 0 to 2, multiplied.

    Args:
        channels: of the map.
        parts: numbers in a part map, background (0) among them.
        reduction: the squeezed descriptor has channels / reduction numbers, at least 1. With 16 and 7 parts, 1024
            channels make 0.4 million parameters and 2048 channels 1.6 million.

    Raises:
        VireidError: no part beside the background, or an argument out of range.

    Reference: Liu et al., CSCL (TMM 2024, doi 10.1109/TMM.2024.3521843), abstract; Hu et al., Squeeze-and-Excitation
    Networks (CVPR 2018).
    """

    def __init__(self, channels: int, *, parts: int, reduction: int = 16) -> None:
        super().__init__()
        if channels < 1 or parts < 2 or reduction < 1:
            raise VireidError(
                "parsing attention needs at least 1 channel, background and at least 1 part (parts from 2) and a "
                f"reduction from 1, got {channels} channels, {parts} parts, reduction {reduction}"
            )
        squeezed = max(1, channels // reduction)
        self.predict = part_predictor(channels, width=max(32, channels // 4), parts=parts)
        self.squeeze = nn.Linear(channels, squeezed, bias=False)
        self.part_bias = nn.Parameter(torch.zeros(parts, squeezed))
        self.excite = nn.Linear(squeezed, channels, bias=False)
        nn.init.zeros_(self.excite.weight)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b k h w"]]:
        """The weighted map, in the precision that came, and the part logits."""
        logits = self.predict(maps)
        probabilities = logits.float().softmax(dim=1)
        weights = self.excite((self.squeeze(pool_parts(maps, probabilities)) + self.part_bias).relu())
        with torch.autocast(maps.device.type, enabled=False):
            attention = torch.bmm(weights.float().transpose(1, 2), probabilities.flatten(2)).unflatten(
                2, maps.shape[2:]
            )
        return maps * (2 * attention.sigmoid()).to(maps.dtype), logits
