import re

import pytest
import torch

from vireid.models.part_alignment import PartAlignment, part_predictor, pool_parts
from vireid.models.scale import Scale
from vireid.types import VireidError


@pytest.fixture(autouse=True)
def _weights():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def alignment(channels=5, parts=4, *, width=3, awake=True):
    """With the weights that start at zero drawn, unless asleep."""
    module = PartAlignment(Scale(channels, 6, 3), parts=parts, width=width)
    if awake:
        torch.nn.init.normal_(module.join.weight)
    return module


def blind(module, logits):
    """Make it predict the same logits at every position."""
    torch.nn.init.zeros_(module.predict[-1].weight)
    with torch.no_grad():
        module.predict[-1].bias.copy_(torch.tensor(logits))
    return module


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_parts_are_pooled_as_the_loop_over_positions_says(dtype):
    maps = torch.randn(2, 5, 4, 3).to(dtype)
    probabilities = torch.rand(2, 3, 4, 3)
    probabilities[0, 1] *= 0.01
    pooled = pool_parts(maps, probabilities)
    assert pooled.dtype == torch.float32
    for image in range(2):
        for part in range(3):
            total, mass = torch.zeros(5), 0.0
            for row in range(4):
                for column in range(3):
                    weight = probabilities[image, part, row, column].item()
                    total += weight * maps[image, :, row, column].float()
                    mass += weight
            torch.testing.assert_close(pooled[image, part], total / max(1.0, mass))


def test_a_part_that_is_seen_is_averaged_whatever_its_size():
    maps = torch.full((1, 2, 6, 3), 7.0)
    probabilities = torch.zeros(1, 2, 6, 3)
    probabilities[0, 0, :5] = 1
    probabilities[0, 1, 5, 0] = 1
    torch.testing.assert_close(pool_parts(maps, probabilities), torch.full((1, 2, 2), 7.0))


@pytest.mark.parametrize("mass", [0.0, 1e-30, 1e-3])
def test_an_absent_part_is_nought_with_a_finite_gradient(mass):
    maps = torch.full((1, 2, 6, 3), 7.0, requires_grad=True)
    probabilities = torch.full((1, 1, 6, 3), mass / 18, requires_grad=True)
    pooled = pool_parts(maps, probabilities)
    torch.testing.assert_close(pooled, torch.full((1, 1, 2), 7.0 * mass))
    pooled.sum().backward()
    assert maps.grad.abs().max() <= 1
    assert probabilities.grad.abs().max() <= 14


def test_pooling_escapes_autocast():
    maps, probabilities = torch.rand(2, 5, 6, 3), torch.rand(2, 4, 6, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = pool_parts(maps, probabilities)
    assert torch.equal(pooled, pool_parts(maps, probabilities))


def test_the_predictor_reads_a_dim_image_like_a_bright_one():
    predict = part_predictor(5, width=8, parts=3)
    maps = torch.rand(1, 5, 6, 3)
    torch.testing.assert_close(predict(20 * maps), predict(maps), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("batch", "channels", "parts", "grid"),
    [
        (1, 5, 4, (6, 3)),
        (2, 1, 2, (7, 5)),  # one channel, one part, an odd grid
        (3, 6, 7, (1, 1)),  # one position
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_shapes(batch, channels, parts, grid, training):
    module = alignment(channels, parts).train(training)
    pooled = module(torch.rand(batch, channels, *grid))
    assert pooled.features.shape == (batch, module.dimension) == (batch, channels)
    assert pooled.parts.shape == (module.part_count, batch, module.part_dimension) == (parts - 1, batch, 3)
    assert pooled.part_maps.shape == (batch, parts, *grid)


def test_the_outputs_are_their_formulas():
    module = alignment()
    maps = torch.rand(2, 5, 6, 3)
    pooled = module(maps)
    probabilities = pooled.part_maps.softmax(dim=1)
    torch.testing.assert_close(pooled.part_maps, module.predict(maps))
    for image in range(2):
        parts = []
        for part in range(1, 4):
            weight = probabilities[image, part]
            mean = (maps[image] * weight).sum(dim=(1, 2)) / weight.sum().clamp(min=1)
            parts.append(module.reduce.weight @ mean)
            torch.testing.assert_close(pooled.parts[part - 1, image], parts[-1])
        expected = maps[image].pow(3).mean(dim=(1, 2)).pow(1 / 3) + module.join.weight @ torch.cat(parts)
        torch.testing.assert_close(pooled.features[image], expected)


def test_a_new_module_leaves_the_pooled_map_as_it_is():
    maps = torch.rand(2, 5, 6, 3)
    expected = maps.pow(3).mean(dim=(2, 3)).pow(1 / 3)
    torch.testing.assert_close(alignment(awake=False)(maps).features, expected)


def test_where_a_part_lies_does_not_matter():
    maps, probabilities = torch.rand(2, 5, 6, 3), torch.rand(2, 4, 6, 3)
    order = torch.randperm(18)
    moved, along = (each.flatten(2)[:, :, order].unflatten(2, (6, 3)) for each in (maps, probabilities))
    torch.testing.assert_close(pool_parts(moved, along), pool_parts(maps, probabilities))


def test_a_person_that_stands_elsewhere_has_the_same_parts():
    module = alignment()
    # Far from the edges, so that the prediction sees the same surroundings.
    maps, moved = torch.zeros(2, 1, 5, 12, 8)
    maps[:, :, 2:5, 2:4] = torch.rand(5, 3, 2)
    moved[:, :, 6:9, 4:6] = maps[:, :, 2:5, 2:4]
    pooled, other = module(maps), module(moved)
    torch.testing.assert_close(other.parts, pooled.parts)
    torch.testing.assert_close(other.features, pooled.features)
    assert (pooled.part_maps != other.part_maps).any()


def test_a_part_prediction_without_position_gives_every_part_the_average():
    module = blind(alignment(), [0.0, 0.0, 0.0, 0.0])
    maps = torch.rand(2, 5, 6, 3)
    expected = maps.mean(dim=(2, 3)) @ module.reduce.weight.T
    torch.testing.assert_close(module(maps).parts, expected.expand(3, 2, 3))


def test_absent_parts_add_nothing_to_the_person():
    module = blind(alignment(), [60.0, 0.0, 0.0, 0.0])
    maps = torch.rand(2, 5, 6, 3)
    pooled = module(maps)
    torch.testing.assert_close(pooled.parts, torch.zeros(3, 2, 3))
    torch.testing.assert_close(pooled.features, maps.pow(3).mean(dim=(2, 3)).pow(1 / 3))


def test_the_embedding_alone_reaches_every_weight_of_an_awake_module():
    module = alignment()
    maps = torch.rand(2, 5, 6, 3, requires_grad=True)
    module(maps).features.square().sum().backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    assert maps.grad.abs().sum() > 0


def test_a_new_module_learns_from_its_outputs_at_the_first_step():
    module = alignment(awake=False)
    pooled = module(torch.rand(2, 5, 6, 3))
    (pooled.features.square().sum() + pooled.parts.square().sum()).backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_autocast_pools_in_full_precision():
    module = alignment()
    maps = (100 * torch.rand(2, 5, 6, 3)).bfloat16()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        rough = module(maps)
    exact = module(maps.float())
    assert rough.features.dtype == torch.float32
    for one, other in zip(rough, exact):
        torch.testing.assert_close(one.float(), other, rtol=0.03, atol=0.02 * other.abs().max().item())


def test_it_can_be_exported():
    module, maps = alignment().eval(), torch.rand(1, 5, 6, 3)
    exported = torch.export.export(module, (maps,)).module()
    torch.testing.assert_close(exported(maps).features, module(maps).features)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parts": 1}, "background and at least 1 part (parts from 2)"),
        ({"parts": 3, "width": 0}, "got 3 parts, width 0, power 3.0"),
        ({"parts": 3, "power": 0.0}, "got 3 parts, width 256, power 0.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(VireidError, match=re.escape(message)):
        PartAlignment(Scale(5, 6, 3), **arguments)
