"""The triplet losses and the centre loss: loops over anchors, properties, an edge table, bad input."""

import math
from collections.abc import Callable
from functools import partial

import jaxtyping
import pytest
import torch
from torch import Tensor

from vireid.losses import (
    batch_hard_triplet_loss,
    center_loss,
    center_triplet_loss,
    squared_difference_triplet_loss,
    weighted_regularized_triplet_loss,
)
from vireid.types import VireidError

LABELS = torch.tensor([0, 5, 5, 0, -2, 5, 0])  # unsorted, unequal counts, identity 0, one alone
FEATURES = 0.5 * torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "weighted": weighted_regularized_triplet_loss,
    "batch hard": partial(batch_hard_triplet_loss, margin=0.3),
    "center": partial(center_triplet_loss, margin=1.1),
    "center pull": center_loss,
    "squared": partial(squared_difference_triplet_loss, alpha=0.7, gamma=1.8),
}


def slow_weighted_distances(rows: list[list[float]], names: list[int], alpha: float = 1.0) -> list[tuple[float, float]]:
    found = []
    for anchor, name in zip(rows, names, strict=True):
        positive = [math.dist(anchor, row) for row, other in zip(rows, names, strict=True) if other == name]
        negative = [math.dist(anchor, row) for row, other in zip(rows, names, strict=True) if other != name]
        far = sum(math.exp(alpha * d) * d for d in positive) / sum(math.exp(alpha * d) for d in positive)
        near = sum(math.exp(-alpha * d) * d for d in negative) / sum(math.exp(-alpha * d) for d in negative)
        found.append((far, near))
    return found


def slow_weighted(rows: list[list[float]], names: list[int]) -> float:
    total = sum(math.log(1 + math.exp(far - near)) for far, near in slow_weighted_distances(rows, names))
    return total / len(rows)


def slow_squared(rows: list[list[float]], names: list[int]) -> float:
    total = 0.0
    for far, near in slow_weighted_distances(rows, names, alpha=0.7):
        square = min(1.8 * (far - near) ** 2, 88.0)
        total += math.log(1 + math.exp(square if far > near else -square))
    return total / len(rows)


def slow_batch_hard(rows: list[list[float]], names: list[int]) -> float:
    total = 0.0
    for anchor, name in zip(rows, names, strict=True):
        far = max(math.dist(anchor, row) for row, other in zip(rows, names, strict=True) if other == name)
        near = min(math.dist(anchor, row) for row, other in zip(rows, names, strict=True) if other != name)
        total += max(far - near + 0.3, 0.0)
    return total / len(rows)


def slow_centers(rows: list[list[float]], names: list[int]) -> dict[int, list[float]]:
    center = {}
    for name in set(names):
        own = [row for row, other in zip(rows, names, strict=True) if other == name]
        center[name] = [sum(column) / len(own) for column in zip(*own, strict=True)]
    return center


def slow_center_pull(rows: list[list[float]], names: list[int]) -> float:
    center = slow_centers(rows, names)
    return sum(math.dist(row, center[name]) for row, name in zip(rows, names, strict=True)) / len(rows)


def slow_center(rows: list[list[float]], names: list[int]) -> float:
    center = slow_centers(rows, names)
    pairs = [(a, b) for a in center for b in center if a != b]
    push = sum(max(1.1 - math.dist(center[a], center[b]), 0.0) for a, b in pairs) / len(pairs)
    return (slow_center_pull(rows, names) + push) / 2


SLOW = {
    "weighted": slow_weighted,
    "batch hard": slow_batch_hard,
    "center": slow_center,
    "center pull": slow_center_pull,
    "squared": slow_squared,
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_equals_the_loops(name: str, dtype: torch.dtype, tolerance: float):
    features = FEATURES.to(dtype)
    expected = SLOW[name](features.double().tolist(), LABELS.tolist())
    loss = LOSSES[name](features, LABELS)
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name: str):
    assert torch.autograd.gradcheck(lambda f: LOSSES[name](f, LABELS), FEATURES.clone().requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_properties(name: str):
    loss = LOSSES[name]
    base = loss(FEATURES, LABELS).item()
    order = torch.randperm(7)
    assert loss(FEATURES[order], LABELS[order]).item() == pytest.approx(base, abs=1e-12)
    assert loss(FEATURES, 40 - 3 * LABELS).item() == pytest.approx(base, abs=1e-12)
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    assert loss(FEATURES @ rotation - 2, LABELS).item() == pytest.approx(base, abs=1e-12)


EDGES = {
    "all features equal": (torch.ones(4, 3), torch.tensor([0, 0, 9, 9])),
    "all features zero": (torch.zeros(4, 3), torch.tensor([0, 0, 9, 9])),
    "one row an identity": (torch.randn(3, 3), torch.tensor([2, 0, 1])),
    "duplicates": (torch.eye(2).repeat(3, 1), torch.tensor([0, 1] * 3)),
    "equally hard": (torch.tensor([[0.0], [1.0], [-1.0], [2.0], [-2.0]]), torch.tensor([0, 0, 0, 1, 1])),
    "labels in int32": (torch.randn(4, 3), torch.tensor([0, 1, 1, 0], dtype=torch.int32)),
    "far features": (1e4 * torch.randn(6, 3), torch.tensor([0, 1, 1, 0, 1, 0])),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("edge", EDGES)
def test_edges_have_a_finite_loss_and_gradient(edge: str, name: str):
    features, labels = EDGES[edge]
    features = features.clone().requires_grad_()
    loss = LOSSES[name](features, labels)
    loss.backward()
    assert features.grad is not None
    assert loss.isfinite()
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_computed_in_single(name: str):
    half = (400 * FEATURES).to(torch.float16)
    loss = LOSSES[name](half, LABELS)
    assert loss.dtype == torch.float32
    assert loss.item() == LOSSES[name](half.float(), LABELS).item()


def test_one_identity_has_no_triplet():
    one = torch.full((7,), 5)
    for name in ("weighted", "batch hard", "squared"):
        with pytest.raises(VireidError, match="all 7 rows are of identity 5; sample at least two"):
            LOSSES[name](FEATURES, one)


def test_one_identity_still_has_a_center():
    expected = (FEATURES - FEATURES.mean(dim=0)).norm(dim=1).mean() / 2
    assert LOSSES["center"](FEATURES, torch.full((7,), 5)).item() == pytest.approx(expected.item(), abs=1e-12)
    assert LOSSES["center pull"](FEATURES, torch.full((7,), 5)).item() == pytest.approx(2 * expected.item(), abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_bad_input(name: str, monkeypatch: pytest.MonkeyPatch):
    # without the shape hook, as users run it
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match=r"got features \(7, 4\) and labels \(6,\)"):
        LOSSES[name](FEATURES, LABELS[:6])
    with pytest.raises(VireidError, match="at least one feature"):
        LOSSES[name](FEATURES[:0], LABELS[:0])
    if name in ("batch hard", "center"):
        with pytest.raises(VireidError, match="margin must be a finite number"):
            LOSSES[name](FEATURES, LABELS, margin=-1.0)  # pyright: ignore[reportCallIssue]


def test_center_loss_has_the_unit_of_the_features():
    assert center_loss(10 * FEATURES, LABELS).item() == pytest.approx(10 * center_loss(FEATURES, LABELS).item())


def test_a_square_past_the_cap_counts_but_does_not_pull():
    # identities 100 apart from themselves and 0 from each other, or the other way about
    far = torch.tensor([[0.0], [100.0], [0.0], [100.0]]).requires_grad_()
    hard = squared_difference_triplet_loss(far, torch.tensor([0, 0, 1, 1]))
    hard.backward()
    assert hard.item() == pytest.approx(88.0)
    assert far.grad is not None
    assert (far.grad == 0).all()
    assert squared_difference_triplet_loss(far, torch.tensor([0, 1, 0, 1])).item() == pytest.approx(0, abs=1e-30)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_factors_out_of_range(value: float):
    with pytest.raises(VireidError, match=f"alpha must be a finite number above 0, got {value}"):
        squared_difference_triplet_loss(FEATURES, LABELS, alpha=value)
    with pytest.raises(VireidError, match=f"gamma must be a finite number above 0, got {value}"):
        squared_difference_triplet_loss(FEATURES, LABELS, gamma=value)
