"""CNL and PNL against loops over channels and positions (methods.md, DEEN)."""

from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from vireid.models.aggregation import ChannelAggregation, CrossScaleAggregation, PositionAggregation
from vireid.models.scale import Scale
from vireid.types import VireidError

Block = TypeVar("Block", bound=nn.Module)


def shaken(module: Block) -> Block:
    """In evaluation mode, with norms that do not start at zero."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.running_mean is not None
                assert layer.running_var is not None
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2)
    return module.eval()


def one_by_one(layer: nn.Conv2d, maps: Tensor) -> Tensor:
    """A 1x1 convolution of one image, position by position: c x h x w."""
    rows, columns = layer.stride
    picked = maps[:, ::rows, ::columns]
    assert layer.bias is not None
    return torch.einsum("oc,chw->ohw", layer.weight[:, :, 0, 0], picked) + layer.bias[:, None, None]


def normed(layer: nn.BatchNorm2d, maps: Tensor) -> Tensor:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    scaled = (maps - layer.running_mean[:, None, None]) / torch.sqrt(layer.running_var[:, None, None] + layer.eps)
    return scaled * layer.weight[:, None, None] + layer.bias[:, None, None]


@pytest.mark.parametrize("ratio", [(1, 1), (2, 2), (3, 1)])
def test_channels_choose_among_channels(ratio):
    torch.manual_seed(0)
    block = shaken(ChannelAggregation(5, 3, ratio=ratio))
    deep, shallow = torch.randn(2, 5, 4, 2), torch.randn(2, 3, 4 * ratio[0], 2 * ratio[1])
    with torch.no_grad():
        for row in range(2):
            theta, phi = one_by_one(block.theta, deep[row]), one_by_one(block.phi, shallow[row])
            g = one_by_one(block.g, shallow[row])
            chosen = torch.zeros_like(g)
            for i in range(3):
                for j in range(3):
                    chosen[i] += (theta[i] * phi[j]).sum() / 3 * g[j]
            expected = deep[row] + normed(block.norm, one_by_one(block.project, chosen))
            torch.testing.assert_close(block(deep, shallow)[row], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("paired", [True, False])
def test_positions_look_at_positions(paired):
    torch.manual_seed(0)
    block = shaken(PositionAggregation(5, 4, paired=paired))
    deep, shallow = torch.randn(2, 5, 4, 2), torch.randn(2, 4, 8, 4)
    with torch.no_grad():
        for row in range(2):
            theta = one_by_one(block.theta, deep[row]).flatten(1)
            phi, g = (one_by_one(layer, shallow[row]).flatten(1) for layer in (block.phi, block.g))
            few, many = (8 // 2, 32 // 2) if paired else (8, 32)
            # The positions of token n, in the deep and in the shallow map.
            of_deep = [[n, n + few] if paired else [n] for n in range(few)]
            of_shallow = [[m, m + many] if paired else [m] for m in range(many)]
            seen = torch.zeros_like(theta)
            for mine in of_deep:
                for theirs in of_shallow:
                    likeness = sum((theta[:, n] * phi[:, m]).sum() for n, m in zip(mine, theirs)) / many
                    for n, m in zip(mine, theirs):
                        seen[:, n] += likeness * g[:, m]
            expected = deep[row] + normed(block.norm, one_by_one(block.project, seen.unflatten(1, (4, 2))))
            torch.testing.assert_close(block(deep, shallow)[row], expected, rtol=1e-4, atol=1e-4)


def test_both_take_the_same_shallow_map_channels_first():
    torch.manual_seed(0)
    block = shaken(CrossScaleAggregation(deep=Scale(5, 4, 2), shallow=Scale(4, 8, 4)))
    deep, shallow = torch.randn(2, 5, 4, 2), torch.randn(2, 4, 8, 4)
    expected = block.position(block.channel(deep, shallow), shallow)
    assert torch.equal(block(deep, shallow), expected)
    assert block(deep, shallow).shape == deep.shape


def test_a_new_module_changes_nothing_and_can_learn():
    torch.manual_seed(0)
    block = CrossScaleAggregation(deep=Scale(5, 4, 2), shallow=Scale(4, 4, 2))
    deep, shallow = torch.randn(2, 5, 4, 2), torch.randn(2, 4, 4, 2)
    out = block(deep, shallow)
    assert torch.equal(out, deep)
    out.square().sum().backward()
    for part in (block.channel, block.position):
        assert part.norm.weight.grad is not None
        assert part.norm.weight.grad.abs().sum() > 0


def test_gradients_reach_both_maps_and_every_parameter():
    torch.manual_seed(0)
    block = shaken(CrossScaleAggregation(deep=Scale(3, 2, 2), shallow=Scale(2, 4, 4))).double()
    deep = torch.randn(1, 3, 2, 2, dtype=torch.double, requires_grad=True)
    shallow = torch.randn(1, 2, 4, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(block, (deep, shallow))
    block(deep, shallow).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in block.parameters())


@pytest.mark.parametrize("shallow", [Scale(4, 9, 4), Scale(4, 8, 3), Scale(4, 2, 1)])
def test_a_grid_that_is_no_whole_multiple_is_refused(shallow):
    message = f"{shallow.height} x {shallow.width} is not one of 4 x 2; choose an image size"
    with pytest.raises(VireidError, match=message):
        CrossScaleAggregation(deep=Scale(5, 4, 2), shallow=shallow)


def test_an_odd_grid_is_refused_where_positions_are_paired():
    odd, even = Scale(5, 3, 3), Scale(4, 6, 6)
    with pytest.raises(VireidError, match=r"pairs positions, but a grid of 3 x 3 has an odd number"):
        CrossScaleAggregation(deep=odd, shallow=even)
    block = CrossScaleAggregation(deep=odd, shallow=even, paired=False)
    assert block(torch.randn(2, 5, 3, 3), torch.randn(2, 4, 6, 6)).shape == (2, 5, 3, 3)
