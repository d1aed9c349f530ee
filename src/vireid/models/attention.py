"""Multi-head attention through PyTorch's fused kernel, in the precision in which that is fast."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["attend"]


def attend(
    attention: nn.MultiheadAttention,
    asked: Float[Tensor, "b t w"],
    values: Float[Tensor, "b t w"],
    keys: Float[Tensor, "b t w"] | None = None,
) -> Float[Tensor, "b t w"]:
    """What ``attention(asked, keys, values, need_weights=False)[0]`` is, without its own choice of a kernel.

    Under bf16 autocast on a CPU the attention itself is computed in float32: PyTorch's kernel there takes several times
    as long in bf16, for these narrow heads more than all else of a small network's step.

    Args:
        attention: its weights, with the batch first; no dropout, no mask.
        asked: the queries.
        values: as many as keys.
        keys: the queries themselves by default.
    """
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    keys = asked if keys is None else keys
    # Tokens before images, as PyTorch's own module adds them up: sums in another order would differ in the last digits.
    if asked is keys is values:
        projected = F.linear(asked.transpose(0, 1), weight, bias).chunk(3, dim=2)
    else:
        places = [place.transpose(0, 1) for place in (asked, keys, values)]
        projected = [F.linear(*place) for place in zip(places, weight.chunk(3), bias.chunk(3))]
    count, tokens, width = asked.shape
    lines = (tokens, count * attention.num_heads, width // attention.num_heads)
    q, k, v = (part.reshape(lines).transpose(0, 1).unflatten(0, (count, -1)) for part in projected)
    if q.device.type == "cpu" and q.dtype is torch.bfloat16:
        with torch.autocast("cpu", enabled=False):
            mined = F.scaled_dot_product_attention(q.float(), k.float(), v.float())
    else:
        mined = F.scaled_dot_product_attention(q, k, v)
    return attention.out_proj(mined.permute(2, 0, 1, 3).flatten(2)).transpose(0, 1)
