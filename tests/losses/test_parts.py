"""Distances, centres and the identity loss."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vireid.losses import identity_centers, identity_loss, paired_distance, pairwise_distance
from vireid.types import VireidError


def test_near_points_keep_their_distance():
    # squares of the norms are 1e8 and their rounding error alone is larger than the distance
    first = torch.full((1, 4), 5000.0)
    second = first + torch.tensor([[0.0, 0.0, 0.0, 0.0625]])
    assert pairwise_distance(first, second).item() == 0.0625
    assert paired_distance(first, second).item() == 0.0625


@pytest.mark.parametrize("measure", [pairwise_distance, paired_distance])
def test_gradient_at_zero_is_zero(measure: Callable[[Tensor, Tensor], Tensor]):
    point = torch.randn(1, 3).requires_grad_()
    distance = measure(point, point.detach().clone())
    distance.sum().backward()
    assert distance.item() == 0
    assert point.grad is not None
    assert (point.grad == 0).all()


def test_distance_equals_the_loops():
    first, second = torch.randn(5, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    expected = torch.tensor([[math.dist(a, b) for b in second.tolist()] for a in first.tolist()], dtype=torch.float64)
    torch.testing.assert_close(pairwise_distance(first, second), expected)
    torch.testing.assert_close(paired_distance(first, second), expected.diagonal())


def test_centers_of_unequal_counts_and_an_absent_identity():
    features = torch.tensor([[1.0, 0.0], [0.0, 8.0], [3.0, 2.0]])
    centers, rows = identity_centers(features, torch.tensor([0, 2, 0]), 3)
    assert rows.tolist() == [2, 0, 1]
    assert centers[[0, 2]].tolist() == [[2.0, 1.0], [0.0, 8.0]]
    assert centers[1].isnan().all()


def test_a_nan_stays_with_its_identity():
    features = torch.tensor([[math.nan], [1.0], [3.0]])
    centers, _ = identity_centers(features, torch.tensor([0, 1, 1]), 2)
    assert centers[0].isnan()
    assert centers[1].item() == 2


def test_identity_loss_is_the_mean_negative_log_probability():
    logits = torch.randn(4, 3, dtype=torch.float64)
    labels = torch.tensor([0, 2, 2, 1])
    expected = -sum(
        math.log(math.exp(row[label]) / sum(math.exp(value) for value in row))
        for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
    )
    assert identity_loss(logits, labels).item() == pytest.approx(expected / 4, abs=1e-12)
    assert identity_loss(logits, labels.int()).item() == identity_loss(logits, labels).item()


def test_identity_loss_in_half_precision_is_computed_in_single():
    logits = torch.tensor([[60000.0, -60000.0]], dtype=torch.float16)
    assert identity_loss(logits, torch.tensor([1])).item() == pytest.approx(120_000, rel=1e-3)  # above float16's range


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "labels must be classes 0 to 2, got values from 0 to 3; number the"),
        ([-100, 1], "got values from -100 to 1"),  # PyTorch's "ignore" would drop it silently
        ([0], r"got logits \(2, 3\) and labels \(1,\)"),
    ],
)
def test_labels_that_are_no_classes(labels: list[int], message: str):
    with pytest.raises(VireidError, match=message):
        identity_loss(torch.zeros(2, 3), torch.tensor(labels))
