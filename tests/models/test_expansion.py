"""The expansion against its formula (methods.md, DEEN)."""

import pytest
import torch
from torch.nn import functional as F

from vireid.models.expansion import DiverseEmbeddingExpansion
from vireid.types import VireidError


@pytest.mark.parametrize("branches", [1, 2, 3])
def test_originals_come_first_then_branch_after_branch(branches):
    torch.manual_seed(0)
    block = DiverseEmbeddingExpansion(8, branches=branches).eval()
    maps = torch.randn(3, 8, 6, 4)
    out = block(maps)
    assert out.shape == (3 * (1 + branches), 8, 6, 4)
    assert torch.equal(out[:3], maps)
    for number, expander in enumerate(block.expanders, start=1):
        assert torch.equal(out[3 * number : 3 * (number + 1)], expander(maps))


def test_a_branch_looks_through_three_dilations():
    torch.manual_seed(0)
    block = DiverseEmbeddingExpansion(8, branches=1).eval()
    expander = block.expanders[0]
    maps = torch.randn(1, 8, 7, 5)
    padded = F.pad(maps, (3, 3, 3, 3))
    total = torch.zeros(2, 7, 5)
    with torch.no_grad():
        for dilation, look in zip((1, 2, 3), expander.look):
            assert look.bias is None
            for y in range(7):
                for x in range(5):
                    for down in (-1, 0, 1):
                        for right in (-1, 0, 1):
                            seen = padded[0, :, 3 + y + dilation * down, 3 + x + dilation * right]
                            total[:, y, x] += look.weight[:, :, down + 1, right + 1] @ seen / 3
        weight, bias = expander.expand.weight[:, :, 0, 0], expander.expand.bias
        expected = torch.einsum("oc,chw->ohw", weight, total.clamp(min=0)) + bias[:, None, None]
        torch.testing.assert_close(block(maps)[1], expected, rtol=1e-4, atol=1e-5)


def test_values_are_dropped_in_training_only():
    torch.manual_seed(0)
    block = DiverseEmbeddingExpansion(8, dropout=0.2)
    maps = 1 + torch.rand(4, 8, 16, 8)
    gone = (block(maps) == 0).float().mean()
    assert 0.15 < gone < 0.25
    assert not (block.eval()(maps)[:4] == 0).any()
    assert torch.equal(DiverseEmbeddingExpansion(8, dropout=0.0)(maps)[:4], maps)


def test_gradients_reach_the_maps_and_every_parameter():
    torch.manual_seed(0)
    block = DiverseEmbeddingExpansion(4).double().eval()
    maps = torch.randn(1, 4, 4, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(block, (maps,))
    block(maps).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in block.parameters())


@pytest.mark.parametrize("arguments", [{"branches": 0}, {"dropout": 1.0}, {"dropout": -0.1}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(VireidError, match="at least 1 branch and a dropout from 0 to below 1, got"):
        DiverseEmbeddingExpansion(4, **arguments)
