"""ALB and MIMB against loops written from eq. 4 to 7 and the released code's table."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vireid.models import ALB, MIMB, Scale
from vireid.types import VireidError

DEEP = Scale(6, 4, 2)
SHALLOW = Scale(5, 16, 8)
LEVELS = (Scale(3, 16, 8), Scale(4, 16, 8), Scale(5, 8, 4), Scale(6, 4, 2))


def layer_norm(tokens: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
    rows = []
    for token in tokens:
        mean = sum(token) / len(token)
        variance = sum((value - mean) ** 2 for value in token) / len(token)
        rows.append((token - mean) / torch.sqrt(variance + 1e-5) * norm.weight + norm.bias)
    return torch.stack(rows)


def slow_attention(q: Tensor, k: Tensor, v: Tensor, layer: torch.nn.MultiheadAttention) -> Tensor:
    """One image: tokens x width, a loop over heads and over pairs of tokens."""
    tokens, width = q.shape
    assert layer.in_proj_weight is not None
    q_weight, k_weight, v_weight = layer.in_proj_weight.split(width)
    q_bias, k_bias, v_bias = layer.in_proj_bias.split(width)
    q, k, v = q @ q_weight.T + q_bias, k @ k_weight.T + k_bias, v @ v_weight.T + v_bias
    size = width // layer.num_heads
    out = torch.zeros_like(v)
    for head in range(layer.num_heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(tokens):
            scores = torch.stack([(q[i, part] * k[j, part]).sum() / math.sqrt(size) for j in range(tokens)])
            shares = scores.exp() / scores.exp().sum()
            out[i, part] = sum(shares[j] * v[j, part] for j in range(tokens))
    return out @ layer.out_proj.weight.T + layer.out_proj.bias


def slow_alb(block: ALB, deep: Tensor, shallow: Tensor | None, *, variant: str, mix: float) -> Tensor:
    results = []
    for row in range(len(deep)):
        f = layer_norm(block.reduce_deep(deep[row : row + 1])[0].flatten(1), block.norm_deep)
        if shallow is None:
            g, v = f, f
        else:
            assert block.reduce_shallow is not None
            assert block.norm_shallow is not None
            g = layer_norm(block.reduce_shallow(shallow[row : row + 1])[0].flatten(1), block.norm_shallow)
            v = mix * g + (1 - mix) * f if variant == "paper" else f + mix * g
        u = v + slow_attention(g, g, v, block.attention)
        hidden = layer_norm(u, block.norm_mlp) @ block.mlp[0].weight.T + block.mlp[0].bias
        hidden = hidden / (1 + torch.exp(-1.702 * hidden))
        m = u + hidden @ block.mlp[2].weight.T + block.mlp[2].bias
        weight = block.expand.weight[:, :, 0, 0]
        out = (weight @ m + block.expand.bias[:, None]).view(-1, *deep.shape[2:])
        results.append(deep[row] + out if variant == "paper" else out)
    return torch.stack(results)


def shaken(block: ALB) -> ALB:
    """With norms and biases that are not the trivial ones they start with."""
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return block


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize("shallow", [SHALLOW, Scale(5, 8, 4), Scale(5, 4, 2), None])
def test_alb_computes_the_equations(variant, shallow):
    torch.manual_seed(0)
    block = shaken(ALB(deep=DEEP, shallow=shallow, tokens=3, heads=4, mix=0.3, variant=variant))
    deep = torch.randn(2, 6, 4, 2)
    given = None if shallow is None else torch.randn(2, shallow.channels, shallow.height, shallow.width)
    with torch.no_grad():
        expected = slow_alb(block, deep, given, variant=variant, mix=0.3)
        torch.testing.assert_close(block(deep, given), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("variant", ["paper", "released", "cross-attention"])
def test_all_attention_is_the_fused_one(variant, training, monkeypatch):
    fused, seen = F.scaled_dot_product_attention, []

    def counted(q: Tensor, k: Tensor, v: Tensor, *rest: Any, **keywords: Any) -> Tensor:
        seen.append(tuple(q.shape))
        return fused(q, k, v, *rest, **keywords)

    monkeypatch.setattr(F, "scaled_dot_product_attention", counted)
    block = MIMB(LEVELS, tokens=3, heads=4, variant=variant).train(training)
    with torch.set_grad_enabled(training):
        block(maps())
    assert seen == [(2, 4, 3, 2)] * 4  # images, heads, tokens, width of a head


@pytest.mark.parametrize(
    ("height", "width", "kernel", "stride", "padding"),
    [(16, 8, 6, 4, 2), (8, 4, 4, 2, 1), (4, 2, 1, 1, 0)],
)
def test_a_shallow_map_is_reduced_as_in_the_released_code(height, width, kernel, stride, padding):
    layer = ALB(deep=DEEP, shallow=Scale(5, height, width), tokens=3, heads=1).reduce_shallow
    assert layer is not None
    assert (layer.kernel_size, layer.stride, layer.padding) == ((kernel,) * 2, (stride,) * 2, (padding,) * 2)
    assert layer(torch.zeros(1, 5, height, width)).shape == (1, 3, 4, 2)


def test_heads_that_do_not_divide_are_refused_with_those_that_do():
    message = r"3 heads do not divide 4 x 2 = 8; choose one of \[1, 2, 4, 8\] heads or another image size"
    with pytest.raises(VireidError, match=message):
        ALB(deep=DEEP, shallow=SHALLOW, heads=3)


@pytest.mark.parametrize("shallow", [Scale(5, 9, 4), Scale(5, 8, 8), Scale(5, 12, 6), Scale(5, 2, 1)])
def test_a_grid_that_strides_do_not_divide_is_refused(shallow):
    message = rf"{shallow.height} x {shallow.width} is not over 4 x 2; choose an image size"
    with pytest.raises(VireidError, match=message):
        ALB(deep=DEEP, shallow=shallow, heads=1)


def maps(batch: int = 2) -> list[Tensor]:
    return [torch.randn(batch, level.channels, level.height, level.width) for level in LEVELS]


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize("blocks", [(0, 1, 2, 3), (3, 3, 3, 3), (0, 1, 2, 3, 3), (2,), (3, 0)])
def test_mimb_runs_its_blocks_in_order_on_the_scales_they_name(variant, blocks):
    torch.manual_seed(0)
    mimb = MIMB(LEVELS, blocks=blocks, tokens=3, heads=2, variant=variant)
    levels = maps()
    expected = levels[-1]
    for block, source in zip(mimb.blocks, blocks):
        alone = variant == "released" and source == 3
        expected = block(expected, None if alone else levels[source])
    torch.testing.assert_close(mimb(levels), expected)
    assert len(mimb.blocks) == len(blocks)
    assert mimb(levels).shape == levels[-1].shape


def test_only_the_released_variant_drops_the_shallow_map_of_the_last_scale():
    reductions = {
        variant: [block.reduce_shallow is None for block in MIMB(LEVELS, tokens=3, heads=2, variant=variant).blocks]
        for variant in ("paper", "released")
    }
    assert reductions == {"paper": [False] * 4, "released": [False] * 3 + [True]}


@pytest.mark.parametrize("blocks", [(), (4,), (0, -1)])
def test_scales_that_are_not_there_are_refused(blocks):
    with pytest.raises(VireidError, match="MIMB blocks must name scales 0 to 3, at least one, got"):
        MIMB(LEVELS, blocks=blocks, heads=1)


def test_images_of_a_batch_do_not_see_each_other():
    torch.manual_seed(0)
    mimb = MIMB(LEVELS, tokens=3, heads=2)
    levels = maps(3)
    alone = mimb([level[1:2] for level in levels])
    torch.testing.assert_close(mimb(levels)[1:2], alone)
