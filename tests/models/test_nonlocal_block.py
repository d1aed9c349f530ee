import pytest
import torch

from vireid.models.nonlocal_block import NonLocalBlock


def test_a_new_block_changes_nothing():
    maps = torch.randn(2, 6, 4, 3)
    block = NonLocalBlock(6)
    assert torch.equal(block(maps), maps)
    assert torch.equal(block.eval()(maps), maps)


@pytest.mark.parametrize("inner", [None, 1, 5])
def test_the_fast_order_equals_the_double_loop_over_positions(inner):
    torch.manual_seed(0)
    block = NonLocalBlock(6, inner).eval()
    torch.nn.init.normal_(block.norm.weight)
    torch.nn.init.normal_(block.norm.bias)
    maps = torch.randn(2, 6, 3, 4)
    with torch.no_grad():
        theta, phi, g = (layer(maps).flatten(2) for layer in (block.theta, block.phi, block.g))
        assert theta.shape[1] == (inner or 3)
        positions = 12
        mixed = torch.zeros_like(g)
        for image in range(2):
            for i in range(positions):
                for j in range(positions):
                    affinity = (theta[image, :, i] * phi[image, :, j]).sum() / positions
                    mixed[image, :, i] += affinity * g[image, :, j]
        expected = maps + block.norm(block.project(mixed.view(2, -1, 3, 4)))
        torch.testing.assert_close(block(maps), expected)


def test_a_single_channel_keeps_one_inner_channel():
    assert NonLocalBlock(1).theta.out_channels == 1
