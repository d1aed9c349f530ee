"""The parsing loss: loops over pixels, properties, edges, bad input."""

import math
from itertools import product

import jaxtyping
import pytest
import torch
from torch import Tensor

from vireid.losses import parsing_loss
from vireid.types import VireidError

DRAWS = torch.Generator().manual_seed(7)
LOGITS = torch.randn(2, 3, 4, 2, generator=DRAWS, dtype=torch.float64)
GIVEN = torch.randint(0, 4, (2, 12, 6), generator=DRAWS)
GIVEN = torch.where(GIVEN == 3, 255, GIVEN).to(torch.uint8)  # a quarter is unknown
GIVEN[0, :3, :3] = 255  # a cell of which nothing is known


def slow_loss(logits: Tensor, given: Tensor, unknown: int = 255) -> float:
    """Each known pixel asks the cell that it lies in."""
    images, _, rows, columns = logits.shape
    _, height, width = given.shape
    total, known = 0.0, 0
    for image, row, column in product(range(images), range(height), range(width)):
        part = int(given[image, row, column])
        if part == unknown:
            continue
        cell = logits[image, :, row * rows // height, column * columns // width].tolist()
        total -= math.log(math.exp(cell[part]) / sum(math.exp(value) for value in cell))
        known += 1
    return total / known if known else 0.0


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("kind", [torch.uint8, torch.int32, torch.int64])
def test_equals_the_loops(dtype: torch.dtype, tolerance: float, kind: torch.dtype):
    logits = LOGITS.to(dtype)
    loss = parsing_loss(logits, GIVEN.to(kind))
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(slow_loss(logits, GIVEN), abs=tolerance)


def test_other_sizes_equal_the_loops():
    same = GIVEN[:, ::3, ::3]  # one pixel a cell: plain cross-entropy
    assert parsing_loss(LOGITS, same).item() == pytest.approx(slow_loss(LOGITS, same), abs=1e-12)
    plain = torch.nn.functional.cross_entropy(LOGITS, same.long(), ignore_index=255)
    assert parsing_loss(LOGITS, same).item() == pytest.approx(plain.item(), abs=1e-12)
    coarse = torch.tensor([[[0], [2]], [[255], [1]]])  # a pixel is many cells
    spread = coarse.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert parsing_loss(LOGITS, coarse).item() == pytest.approx(slow_loss(LOGITS, spread), abs=1e-12)


def test_a_grid_that_does_not_divide_the_map():
    # 5 rows on 4: neighbouring cells share a row; a map of one part asks for it everywhere all the same
    given = torch.full((2, 5, 3), 2, dtype=torch.uint8)
    expected = -LOGITS.log_softmax(dim=1)[:, 2].mean()
    assert parsing_loss(LOGITS, given).item() == pytest.approx(expected.item(), abs=1e-12)


def test_gradcheck():
    assert torch.autograd.gradcheck(lambda z: parsing_loss(z, GIVEN), LOGITS.clone().requires_grad_())


def test_properties():
    base = parsing_loss(LOGITS, GIVEN).item()
    assert parsing_loss(LOGITS.flip(0), GIVEN.flip(0)).item() == pytest.approx(base, abs=1e-12)
    assert parsing_loss(LOGITS.flip(3), GIVEN.flip(2)).item() == pytest.approx(base, abs=1e-12)  # a mirrored image
    assert parsing_loss(LOGITS + 5, GIVEN).item() == pytest.approx(base, abs=1e-12)
    order = torch.tensor([2, 0, 1])  # renumbered parts: old part order[j] is the new part j
    renamed = torch.where(GIVEN == 255, 255, order.argsort()[GIVEN.long().clamp(max=2)])
    assert parsing_loss(LOGITS[:, order], renamed).item() == pytest.approx(base, abs=1e-12)
    assert parsing_loss(LOGITS, GIVEN.int() + (GIVEN == 255) * 700, unknown=955).item() == base
    assert parsing_loss(LOGITS, torch.where(GIVEN == 255, -1, GIVEN.int()), unknown=-1).item() == base


def test_unknown_pixels_and_images_without_a_map_count_nothing():
    given = GIVEN.clone()
    given[1] = 255
    logits = LOGITS.clone().requires_grad_()
    loss = parsing_loss(logits, given)
    loss.backward()
    assert loss.item() == pytest.approx(parsing_loss(LOGITS[:1], GIVEN[:1]).item(), abs=1e-12)
    assert logits.grad is not None
    assert (logits.grad[1] == 0).all()
    assert (logits.grad[0, :, 0, 0] == 0).all()  # the cell of which nothing is known
    assert (logits.grad[0, :, 1:] != 0).all()


def test_nothing_known_is_a_zero_that_carries_gradient():
    logits = LOGITS.clone().requires_grad_()
    loss = parsing_loss(logits, torch.full_like(GIVEN, 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_the_least_loss_is_at_the_given_areas():
    # three pixels of a cell are part 0, one is part 1: the best prediction is three quarters
    given = torch.tensor([[[0, 0], [0, 1]]], dtype=torch.uint8)
    areas = torch.tensor([0.75, 0.25], dtype=torch.float64)
    logits = areas.log().view(1, 2, 1, 1).requires_grad_()
    loss = parsing_loss(logits, given)
    loss.backward()
    assert loss.item() == pytest.approx(-(areas * areas.log()).sum().item())
    assert logits.grad is not None
    assert logits.grad.abs().max().item() < 1e-12


@pytest.mark.parametrize("value", [1e4, -1e4, math.inf])
def test_sure_logits_have_a_finite_gradient(value: float):
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 1] = -value
    logits.requires_grad_()
    given = torch.tensor([[[0, 255]]], dtype=torch.uint8)
    loss = parsing_loss(logits, given)
    loss.backward()
    assert logits.grad is not None
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_half_precision_is_computed_in_single():
    half = (400 * LOGITS).to(torch.float16)
    loss = parsing_loss(half, GIVEN)
    assert loss.dtype == torch.float32
    assert loss.item() == parsing_loss(half.float(), GIVEN).item()


def test_bad_input(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match=r"for each image, .* got \(2, 3, 4, 2\) and \(1, 12, 6\)"):
        parsing_loss(LOGITS, GIVEN[:1])
    with pytest.raises(VireidError, match=r"got \(3, 4, 2\) and \(2, 12, 6\)"):
        parsing_loss(LOGITS[0], GIVEN)
    with pytest.raises(VireidError, match=r"got \(0, 3, 4, 2\) and \(0, 12, 6\)"):
        parsing_loss(LOGITS[:0], GIVEN[:0])
    strange = GIVEN.clone()
    strange[0, 5, 1], strange[1, 7, 2] = 3, 19
    with pytest.raises(VireidError, match=r"parts 0 to 2, as 3 parts are predicted, or 255 for unknown, got \[3, 19\]"):
        parsing_loss(LOGITS, strange)
    with pytest.raises(VireidError, match=r"got \[-1\]; number the parts so, or predict more"):
        parsing_loss(LOGITS, torch.where(GIVEN == 255, -1, GIVEN.int()))
    with pytest.raises(VireidError, match=r"or -1 for unknown, got \[255\]"):  # -1 is no byte's 255
        parsing_loss(LOGITS, GIVEN, unknown=-1)
    with pytest.raises(VireidError, match="unknown must not be a part, got 0 with parts 0 to 2; use a larger one"):
        parsing_loss(LOGITS, GIVEN, unknown=0)
