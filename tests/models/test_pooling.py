import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vireid.models.pooling import generalized_mean


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0, 6.5])
def test_generalized_mean_is_its_formula(power):
    maps = torch.rand(2, 3, 4, 5)
    pooled = generalized_mean(maps, power=power)
    for image in range(2):
        for channel in range(3):
            values = maps[image, channel].flatten().tolist()
            expected = (sum(value**power for value in values) / len(values)) ** (1 / power)
            assert math.isclose(pooled[image, channel].item(), expected, rel_tol=1e-5)


def test_power_one_is_the_average_and_a_large_one_comes_near_the_maximum():
    maps = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(generalized_mean(maps, power=1.0), maps.mean(dim=(2, 3)))
    torch.testing.assert_close(generalized_mean(maps, power=30.0), maps.amax(dim=(2, 3)), rtol=0.15, atol=0)


def test_an_empty_channel_has_a_finite_gradient():
    maps = torch.zeros(1, 2, 3, 3, requires_grad=True)
    generalized_mean(maps, power=3.0).sum().backward()
    assert maps.grad is not None
    assert torch.isfinite(maps.grad).all()


def test_values_below_zero_count_as_zero():
    maps = torch.tensor([[[[-5.0, 2.0]]]])
    torch.testing.assert_close(generalized_mean(maps, power=2.0), torch.tensor([[math.sqrt(2.0)]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_neither_overflows_nor_comes_back_half(dtype):
    maps = torch.full((1, 1, 2, 2), 128.0, dtype=dtype)
    pooled = generalized_mean(maps, power=3.0)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, torch.tensor([[128.0]]))


@given(scale=st.floats(1, 100), power=st.floats(1, 6))
def test_scale_passes_through(scale, power):
    maps = torch.linspace(0.5, 1, 12).view(1, 2, 2, 3)
    torch.testing.assert_close(
        generalized_mean(scale * maps, power=power), scale * generalized_mean(maps, power=power), rtol=1e-4, atol=0
    )


def test_large_values_do_not_overflow():
    maps = torch.tensor([[[[1e14, 2e14]]]], requires_grad=True)
    pooled = generalized_mean(maps, power=3.0)
    torch.testing.assert_close(pooled, torch.tensor([[(9e42 / 2) ** (1 / 3)]], dtype=torch.float64).float())
    pooled.sum().backward()
    assert torch.isfinite(maps.grad).all()
