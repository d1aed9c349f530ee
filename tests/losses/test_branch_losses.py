"""The losses that keep branches and parts apart: loops over pairs, properties, edges, bad input."""

import math
from collections.abc import Callable

import jaxtyping
import pytest
import torch
from torch import Tensor

from vireid.losses import division_loss, orthogonality_loss
from vireid.types import VireidError

FEATURES = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)

LOSSES: dict[str, Callable[[Tensor], Tensor]] = {"orthogonality": orthogonality_loss, "division": division_loss}


def inner(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def slow_orthogonality(blocks: list[list[list[float]]]) -> float:
    total = 0.0
    for image in range(len(blocks[0])):
        for p in range(len(blocks)):
            for q in range(p + 1, len(blocks)):
                total += inner(blocks[p][image], blocks[q][image])
    return total / ((len(blocks) + 1) * len(blocks[0]))


def slow_division(blocks: list[list[list[float]]]) -> float:
    squares = []
    for image in range(len(blocks[0])):
        for p in range(len(blocks)):
            for q in range(p + 1, len(blocks)):
                first, second = blocks[p][image], blocks[q][image]
                length = math.sqrt(inner(first, first) * inner(second, second))
                squares.append((inner(first, second) / length) ** 2)
    return sum(squares) / len(squares)


SLOW = {"orthogonality": slow_orthogonality, "division": slow_division}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_equals_the_loops(name: str, count: int, dtype: torch.dtype, tolerance: float):
    features = FEATURES[:count].to(dtype)
    loss = LOSSES[name](features)
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(SLOW[name](features.double().tolist()), abs=tolerance)


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name: str):
    assert torch.autograd.gradcheck(LOSSES[name], FEATURES.clone().requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_properties(name: str):
    loss = LOSSES[name]
    base = loss(FEATURES).item()
    assert loss(FEATURES[:, [3, 0, 4, 1, 2]]).item() == pytest.approx(base, abs=1e-12)  # images
    assert loss(FEATURES[[2, 0, 1]]).item() == pytest.approx(base, abs=1e-12)  # branches
    assert loss(FEATURES[:, [0, 1, 2, 3, 4] * 2]).item() == pytest.approx(base, abs=1e-12)  # each image twice
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    assert loss(FEATURES @ turn).item() == pytest.approx(base, abs=1e-12)
    # an image is compared with itself only
    scrambled = torch.stack([FEATURES[0], FEATURES[1].roll(1, dims=0), FEATURES[2]])
    assert loss(scrambled).item() != pytest.approx(base, abs=1e-3)


def test_scale():
    assert orthogonality_loss(10 * FEATURES).item() == pytest.approx(100 * orthogonality_loss(FEATURES).item())
    lengths = torch.rand(3, 5, 1, dtype=torch.float64) + 0.5
    assert division_loss(lengths * FEATURES).item() == pytest.approx(division_loss(FEATURES).item(), abs=1e-12)


def test_division_is_from_right_angles_to_agreement():
    assert division_loss(torch.eye(3)[:, None]).item() == 0
    assert division_loss(FEATURES[:1].repeat(4, 1, 1)).item() == pytest.approx(1)
    assert division_loss(torch.stack([FEATURES[0], -FEATURES[0]])).item() == pytest.approx(1)


def test_descent_on_division_divides():
    """Gradient steps take two nearly equal parts apart."""
    features = (torch.ones(2, 1, 4) + 0.1 * torch.eye(2, 4)[:, None]).requires_grad_()
    for _ in range(50):
        (slope,) = torch.autograd.grad(division_loss(features), features)
        features = (features - 0.5 * slope).detach().requires_grad_()
    assert division_loss(features).item() < 0.5


EDGES = {
    "one part": FEATURES[:1],
    "one image": FEATURES[:, :1],
    "one dimension": FEATURES[:, :, :1],
    "all equal": torch.ones(3, 5, 4),
    "all zero": torch.zeros(3, 5, 4),
    "one part zero": torch.cat([torch.zeros(1, 5, 4), torch.ones(2, 5, 4)]),
    "large": 1e15 * FEATURES.float(),
    "tiny": 1e-15 * FEATURES.float(),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("edge", EDGES)
def test_edges_have_a_finite_loss_and_gradient(edge: str, name: str):
    features = EDGES[edge].clone().requires_grad_()
    loss = LOSSES[name](features)
    loss.backward()
    assert features.grad is not None
    assert loss.isfinite()
    assert features.grad.isfinite().all()
    if edge == "one part":
        assert loss.item() == 0
        assert (features.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_computed_in_single(name: str):
    half = (400 * FEATURES).to(torch.float16)  # products overflow half precision
    loss = LOSSES[name](half)
    assert loss.dtype == torch.float32
    assert loss.item() == LOSSES[name](half.float()).item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert LOSSES[name](half.float()).item() == loss.item()


@pytest.mark.parametrize(("name", "what"), [("orthogonality", "one branch, branches"), ("division", "one part, parts")])
def test_bad_input(name: str, what: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match=rf"at least {what} x images x dimensions, got \(5, 4\)"):
        LOSSES[name](FEATURES[0])
    with pytest.raises(VireidError, match=r"got \(0, 5, 4\)"):
        LOSSES[name](FEATURES[:0])
