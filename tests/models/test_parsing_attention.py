import pytest
import torch

from vireid.models.parsing_attention import ParsingAttention
from vireid.types import VireidError


@pytest.fixture(autouse=True)
def _weights():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def attention(channels=8, parts=3, *, reduction=4, awake=True):
    """With the weights that start at zero drawn, unless asleep."""
    module = ParsingAttention(channels, parts=parts, reduction=reduction)
    if awake:
        torch.nn.init.normal_(module.excite.weight)
        torch.nn.init.normal_(module.part_bias)
    return module


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_new_attention_changes_nothing(dtype):
    maps = torch.randn(2, 8, 6, 3, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype != torch.float32):
        weighted, _ = attention(awake=False)(maps)
    assert weighted.dtype == dtype
    assert torch.equal(weighted, maps)


@pytest.mark.parametrize(
    ("batch", "channels", "parts", "grid"),
    [
        (1, 8, 3, (6, 3)),
        (2, 1, 2, (7, 5)),  # fewer channels than the reduction, an odd grid
        (2, 6, 7, (1, 1)),  # more parts than channels, one position
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_shapes(batch, channels, parts, grid, training):
    module = attention(channels, parts, reduction=16).train(training)
    weighted, logits = module(torch.randn(batch, channels, *grid))
    assert weighted.shape == (batch, channels, *grid)
    assert logits.shape == (batch, parts, *grid)


def test_the_attention_is_its_formula_position_by_position():
    module = attention()
    maps = torch.randn(2, 8, 4, 3)
    with torch.no_grad():
        weighted, logits = module(maps)
        probabilities = logits.softmax(dim=1)
        for image in range(2):
            weights = []
            for part in range(3):
                mass = probabilities[image, part].sum().clamp(min=1)
                descriptor = (maps[image] * probabilities[image, part]).sum(dim=(1, 2)) / mass
                hidden = (module.squeeze.weight @ descriptor + module.part_bias[part]).clamp(min=0)
                weights.append(module.excite.weight @ hidden)
            for row in range(4):
                for column in range(3):
                    mixed = sum(probabilities[image, part, row, column] * weights[part] for part in range(3))
                    expected = maps[image, :, row, column] * 2 / (1 + torch.exp(-mixed))
                    torch.testing.assert_close(weighted[image, :, row, column], expected)


def test_weights_lie_between_nought_and_two():
    module = attention()
    torch.nn.init.normal_(module.excite.weight, std=100)
    weighted, _ = module(torch.ones(4, 8, 6, 3))
    assert weighted.min() >= 0
    assert weighted.max() <= 2
    assert weighted.min() < 0.1
    assert weighted.max() > 1.9


def test_a_person_that_stands_elsewhere_is_weighted_alike():
    module = attention()
    # Far from the edges, so that the prediction sees the same surroundings.
    maps, moved = torch.zeros(2, 1, 8, 12, 8)
    maps[:, :, 2:5, 2:4] = torch.rand(8, 3, 2)
    moved[:, :, 6:9, 4:6] = maps[:, :, 2:5, 2:4]
    weighted, elsewhere = module(maps)[0], module(moved)[0]
    torch.testing.assert_close(elsewhere[:, :, 6:9, 4:6], weighted[:, :, 2:5, 2:4])
    assert not torch.equal(weighted, maps)


def test_two_positions_of_one_part_are_weighted_alike():
    module = attention()
    # A prediction without position: every position is the same mixture of parts, so every one has the same weights.
    torch.nn.init.zeros_(module.predict[-1].weight)
    maps = torch.rand(1, 8, 6, 3) + 0.1
    weights = module(maps)[0] / maps
    torch.testing.assert_close(weights, weights[:, :, :1, :1].expand_as(weights))


def test_images_do_not_mix():
    module = attention().train()
    maps = torch.randn(3, 8, 6, 3)
    torch.testing.assert_close(module(maps)[0][1:2], module(maps[1:2])[0])


def test_the_map_alone_reaches_every_weight_of_an_awake_attention():
    module = attention()
    maps = torch.rand(2, 8, 6, 3, requires_grad=True)
    module(maps)[0].square().sum().backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    assert maps.grad.abs().sum() > 0


def test_a_new_attention_wakes_at_the_first_step():
    module = attention(awake=False)
    weighted, logits = module(torch.rand(2, 8, 6, 3))
    (weighted.square().sum() + logits.square().sum()).backward()
    # What stands before the zero weights waits for them; the rest moves at once.
    waiting = {name for name, weight in module.named_parameters() if not weight.grad.abs().sum()}
    assert waiting == {"squeeze.weight", "part_bias"}


def test_autocast_comes_near_full_precision():
    module = attention()
    maps = torch.randn(2, 8, 6, 3).bfloat16()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        rough, _ = module(maps)
    torch.testing.assert_close(rough.float(), module(maps.float())[0], rtol=0.05, atol=0.05)


def test_it_can_be_exported():
    module, maps = attention().eval(), torch.randn(1, 8, 6, 3)
    exported = torch.export.export(module, (maps,)).module()
    torch.testing.assert_close(exported(maps)[0], module(maps)[0])


@pytest.mark.parametrize(
    ("channels", "arguments", "message"),
    [
        (0, {"parts": 3}, "got 0 channels, 3 parts, reduction 16"),
        (8, {"parts": 1}, r"background and at least 1 part \(parts from 2\)"),
        (8, {"parts": 3, "reduction": 0}, "got 8 channels, 3 parts, reduction 0"),
    ],
)
def test_bad_arguments(channels, arguments, message):
    with pytest.raises(VireidError, match=message):
        ParsingAttention(channels, **arguments)
