import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vireid.models.part_cascade import PartCascade, stripe_bounds
from vireid.models.scale import Scale
from vireid.types import VireidError


@pytest.fixture(autouse=True)
def _weights():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def cascade(height=12, stripes=(6, 3, 2), *, awake=True, channels=5, width=4):
    """With the weights that start at zero drawn, unless asleep."""
    module = PartCascade(Scale(channels, height, 3), stripes=stripes, width=width)
    if awake:
        torch.nn.init.normal_(module.join.weight)
    return module


@given(height=st.integers(1, 60), data=st.data())
def test_every_row_lies_in_one_stripe_and_stripes_are_as_even_as_can_be(height, data):
    count = data.draw(st.integers(1, height))
    bounds = stripe_bounds(height, count)
    assert [row for first, end in bounds for row in range(first, end)] == list(range(height))
    heights = [end - first for first, end in bounds]
    assert len(heights) == count
    assert max(heights) - min(heights) <= 1
    assert min(heights) >= 1


@pytest.mark.parametrize(
    ("batch", "height", "stripes", "channels", "width"),
    [
        (1, 6, (6, 3, 2), 5, 4),  # one image, one row a stripe
        (2, 24, (6, 3, 2), 1, 1),  # a single channel
        (3, 7, (5, 2), 5, 3),  # an odd grid that nothing divides
        (2, 4, (1,), 5, 2),  # one scale of one stripe
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_shapes(batch, height, stripes, channels, width, training):
    module = cascade(height, stripes, channels=channels, width=width).train(training)
    pooled = module(torch.rand(batch, channels, height, 3))
    assert pooled.features.shape == (batch, module.dimension) == (batch, channels)
    assert pooled.parts is not None
    assert pooled.parts.shape == (module.part_count, batch, module.part_dimension) == (sum(stripes), batch, width)
    assert pooled.part_maps is None


@pytest.mark.parametrize(("height", "stripes"), [(12, (6, 3, 2)), (7, (5, 2))])
def test_the_cascade_is_its_formula_row_by_row(height, stripes):
    module = cascade(height, stripes)
    maps = torch.rand(2, 5, height, 3)
    with torch.no_grad():
        pooled = module(maps)

        def mean_of(image, rows):
            cells = [maps[image, :, row, column] for row in rows for column in range(3)]
            return (sum(cell**3 for cell in cells) / len(cells)) ** (1 / 3)

        for image in range(2):
            place, finer, finer_rows = 0, [], []
            for scale, count in enumerate(stripes):
                current, current_rows = [], []
                for stripe in range(count):
                    rows = range(stripe * height // count, (stripe + 1) * height // count)
                    z = module.reduce[scale](mean_of(image, rows))
                    if scale:
                        # Each row brings the finer stripe that it lies in; the rows are averaged.
                        owners = [next(j for j, other in enumerate(finer_rows) if row in other) for row in rows]
                        covered = sum(finer[owner] for owner in owners) / len(rows)
                        gate = torch.sigmoid(module.gate[scale - 1](torch.cat([z, covered])))
                        z = z + gate * module.project[scale - 1](covered)
                    torch.testing.assert_close(pooled.parts[place, image], z)
                    current.append(z)
                    current_rows.append(rows)
                    place += 1
                finer, finer_rows = current, current_rows
            expected = mean_of(image, range(height)) + module.join.weight @ (sum(finer) / len(finer))
            torch.testing.assert_close(pooled.features[image], expected)


def test_a_new_cascade_leaves_the_pooled_map_as_it_is():
    maps = torch.rand(2, 5, 12, 3)
    expected = maps.pow(3).mean(dim=(2, 3)).pow(1 / 3)
    torch.testing.assert_close(cascade(awake=False)(maps).features, expected)


def test_the_bottom_stripe_reaches_only_the_parts_that_cover_it():
    module = cascade(12).eval()
    maps = torch.rand(2, 5, 12, 3)
    changed = maps.clone()
    changed[:, :, 10:] += 1
    before, after = module(maps), module(changed)
    moved = (before.parts != after.parts).any(dim=2).all(dim=1)
    assert moved.tolist() == [False] * 5 + [True] + [False] * 2 + [True] + [False, True]
    assert (before.features != after.features).any(dim=1).all()


def test_a_stripe_between_two_coarser_ones_reaches_both():
    module = cascade(12).eval()
    maps = torch.rand(1, 5, 12, 3)
    changed = maps.clone()
    # Rows 4 and 5 are stripe 2 of 6 and in stripe 1 of 3, which lies across both halves.
    changed[:, :, 4:6] += 1
    moved = (module(maps).parts != module(changed).parts).any(dim=2)[:, 0]
    assert moved.tolist() == [False, False, True, False, False, False, False, True, False, True, True]


def test_the_embedding_alone_reaches_every_weight_of_an_awake_cascade():
    module = cascade()
    maps = torch.rand(2, 5, 12, 3, requires_grad=True)
    module(maps).features.square().sum().backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    assert maps.grad.abs().sum() > 0


def test_a_new_cascade_learns_from_both_outputs_at_the_first_step():
    module = cascade(awake=False)
    pooled = module(torch.rand(2, 5, 12, 3))
    weighing = torch.randn(2, 5), torch.randn(11, 2, 4)
    ((pooled.features * weighing[0]).sum() + (pooled.parts * weighing[1]).sum()).backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_an_empty_map_has_finite_gradients():
    module = cascade()
    maps = torch.zeros(1, 5, 12, 3, requires_grad=True)
    pooled = module(maps)
    (pooled.features.sum() + pooled.parts.square().sum()).backward()
    assert torch.isfinite(maps.grad).all()
    assert all(torch.isfinite(weight.grad).all() for weight in module.parameters())


def test_autocast_pools_in_full_precision():
    module = cascade()
    maps = (100 * torch.rand(2, 5, 12, 3)).bfloat16()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        rough = module(maps)
    exact = module(maps.float())
    assert rough.features.dtype == rough.parts.dtype == torch.float32
    torch.testing.assert_close(rough.features, exact.features, rtol=0.03, atol=0.1)
    torch.testing.assert_close(rough.parts, exact.parts, rtol=0.03, atol=0.05)


def test_it_can_be_exported():
    module, maps = cascade().eval(), torch.rand(1, 5, 12, 3)
    exported = torch.export.export(module, (maps,)).module()
    torch.testing.assert_close(exported(maps).features, module(maps).features)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stripes": ()}, "stripe counts from fine to coarse, at least one, for example (6, 3, 2); got ()"),
        ({"stripes": (2, 3)}, "got (2, 3)"),
        ({"stripes": (3, 3)}, "got (3, 3)"),
        ({"stripes": (3, 0)}, "cut into 1 to 12 stripes, got 0"),
        ({"stripes": (13,)}, "a map of 12 rows can be cut into 1 to 12 stripes, got 13; take fewer stripes"),
        ({"width": 0}, "a width from 1 and a power above 0, got 0 and 3.0"),
        ({"power": 0.0}, "got 256 and 0.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(VireidError, match=re.escape(message)):
        PartCascade(Scale(5, 12, 3), **arguments)


def test_a_map_of_another_height_is_refused():
    with pytest.raises(VireidError, match="built for maps of 12 rows, got 11"):
        cascade(12)(torch.rand(1, 5, 11, 3))
