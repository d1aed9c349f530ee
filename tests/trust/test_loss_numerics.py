"""Every loss on every batch that could break its arithmetic: value and gradient stay finite."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from vireid import losses
from vireid.losses import (
    batch_hard_triplet_loss,
    center_guided_pair_loss,
    center_loss,
    center_triplet_loss,
    division_loss,
    identity_center_mining_loss,
    identity_loss,
    marginal_exponential_center_loss,
    orthogonality_loss,
    paired_distance,
    pairwise_distance,
    parsing_loss,
    quadruple_center_loss,
    quadruple_center_terms,
    squared_difference_triplet_loss,
    weighted_regularized_triplet_loss,
)
from vireid.types import VireidError

Loss = Callable[[Tensor, Tensor], Tensor]

# Four streams of four images each, as losses of streams want them; the last two are infrared.
INFRARED = torch.arange(16) >= 8
PARTS = torch.arange(16 * 6).view(16, 3, 2) % 4


def same_branch(loss: Callable[..., Tensor]) -> Loss:
    """Of features that stand for three branches or parts alike, one of them turned."""
    return lambda f, y: loss(torch.stack([f, f.roll(1, dims=1), -f]))


def as_maps(f: Tensor, y: Tensor) -> Tensor:
    return parsing_loss(f[:, :4, None, None].expand(-1, -1, 3, 2), PARTS.to(f.device))


LOSSES: dict[str, Loss] = {
    "identity_loss": lambda f, y: identity_loss(f, y % 5),
    "center_loss": center_loss,
    "center_triplet_loss": partial(center_triplet_loss, margin=0.7),
    "batch_hard_triplet_loss": partial(batch_hard_triplet_loss, margin=0.3),
    "weighted_regularized_triplet_loss": weighted_regularized_triplet_loss,
    "squared_difference_triplet_loss": squared_difference_triplet_loss,
    "quadruple_center_loss": partial(quadruple_center_loss, variant="paper"),
    "quadruple_center_loss, released": partial(quadruple_center_loss, variant="released", alpha=0.3),
    "quadruple_center_terms": lambda f, y: torch.stack([*quadruple_center_terms(f, y, variant="paper").values()]).sum(),
    "center_guided_pair_loss": lambda f, y: center_guided_pair_loss(f, f.roll(1, dims=1), y, INFRARED),
    "center_guided_pair_loss, branch as original": lambda f, y: center_guided_pair_loss(f, f, y, INFRARED),
    "identity_center_mining_loss": lambda f, y: identity_center_mining_loss(f, y, INFRARED, margin=0.3),
    "marginal_exponential_center_loss": lambda f, y: marginal_exponential_center_loss(f, y, INFRARED, margin=0.3),
    "marginal_exponential_center_loss, steep": lambda f, y: marginal_exponential_center_loss(
        f, y, INFRARED, margin=0.3, scale=50.0
    ),
    "orthogonality_loss": same_branch(orthogonality_loss),
    "division_loss": same_branch(division_loss),
    "parsing_loss": as_maps,
    "pairwise_distance": lambda f, y: pairwise_distance(f.float(), f.float()).mean(),
    "paired_distance": lambda f, y: paired_distance(f.float(), f.roll(1, dims=0).float()).mean(),
}
NEED_OTHERS = {
    "batch_hard_triplet_loss",
    "weighted_regularized_triplet_loss",
    "squared_difference_triplet_loss",
    "marginal_exponential_center_loss",
    "marginal_exponential_center_loss, steep",
}

NORMAL = torch.randn(16, 8, generator=torch.Generator().manual_seed(1))
PAIRS = torch.tensor([0, 0, 9, 9] * 4)
ALONE = torch.tensor([4, 2, 1, 0] * 4)
BATCHES: dict[str, tuple[Tensor, Tensor]] = {
    "usual": (NORMAL, PAIRS),
    "one image an identity and stream": (NORMAL, ALONE),
    "identical features": (torch.full((16, 8), 0.3), PAIRS),
    "zero vectors": (torch.zeros(16, 8), PAIRS),
    "negative zeros": (-torch.zeros(16, 8), PAIRS),
    "one zero vector": (NORMAL.index_fill(0, torch.tensor([5]), 0.0), PAIRS),
    "each image twice": (NORMAL.repeat_interleave(2, dim=0)[:16], PAIRS),
    "identities alike": (NORMAL[:2].repeat(8, 1), PAIRS),
    "an image as both identities": (NORMAL[:1].expand(16, 8).clone(), PAIRS),
    "both modalities alike": (NORMAL[:8].repeat(2, 1), PAIRS),
    "two bits apart": (1 + torch.arange(16)[:, None] * 2.0**-23 * torch.ones(16, 8), PAIRS),
    "tiny": (1e-20 * NORMAL, PAIRS),
    "subnormal": (1e-40 * NORMAL, PAIRS),
    "far": (6e4 * NORMAL.sign(), PAIRS),
    "one row far": (NORMAL.index_fill(0, torch.tensor([3]), 6e4), PAIRS),
}
HALVES: dict[str, Tensor] = {
    "all at 6e4": torch.full((16, 8), 6e4),
    "of both signs": 6e4 * NORMAL.sign(),
    "largest": torch.finfo(torch.float16).max * NORMAL.sign(),
    "smallest": torch.finfo(torch.float16).smallest_normal * NORMAL.sign(),
}


def value_and_gradient(loss: Loss, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    features = features.clone().requires_grad_()
    value = loss(features, labels)
    (gradient,) = torch.autograd.grad(value, features)
    return value.detach(), gradient


def assert_finite(loss: Loss, features: Tensor, labels: Tensor) -> None:
    value, gradient = value_and_gradient(loss, features, labels)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_every_loss_of_the_room_stands_in_the_table():
    public = {name for name in losses.__all__ if inspect.isfunction(getattr(losses, name))}
    tested = {name.partition(",")[0] for name in LOSSES}
    assert public - tested == {"check_labels", "check_part_maps", "identity_centers"}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_are_finite(name: str, batch: str):
    assert_finite(LOSSES[name], *BATCHES[batch])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("batch", HALVES)
@pytest.mark.parametrize("name", LOSSES)
def test_the_ends_of_half_precision_are_finite(name: str, batch: str, dtype: torch.dtype):
    features = HALVES[batch].to(dtype)
    value, gradient = value_and_gradient(LOSSES[name], features, PAIRS)
    assert value.dtype == torch.float32
    assert value.isfinite()
    if name != "orthogonality_loss":  # its gradient is as large as the features, and they add up over the branches
        assert gradient.isfinite().all()


@pytest.mark.parametrize("features", [NORMAL, torch.zeros(16, 8), torch.ones(16, 8)], ids=["usual", "zero", "alike"])
@pytest.mark.parametrize("name", LOSSES)
def test_one_identity_is_finite_or_refused(name: str, features: Tensor):
    labels = torch.full((16,), 3)
    if name in NEED_OTHERS:
        with pytest.raises(VireidError, match="all 16 rows are of identity 3; sample at least two identities a batch"):
            LOSSES[name](features, labels)
    else:
        assert_finite(LOSSES[name], features, labels)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", LOSSES)
def test_a_number_that_is_none_is_no_quiet_loss(name: str, bad: float):
    """A training stops at a loss that is no number; so no loss may hide one."""
    features = NORMAL.clone()
    features[6] = bad
    assert not LOSSES[name](features, PAIRS).isfinite()


def test_identity_centers_of_an_identity_without_rows_are_no_numbers():
    centers, rows = losses.identity_centers(torch.zeros(2, 3), torch.tensor([0, 0]), 2)
    assert centers[0].isfinite().all()
    assert centers[1].isnan().all()
    assert rows.tolist() == [2, 0]


@pytest.mark.parametrize("name", ["batch_hard_triplet_loss", "center_loss", "quadruple_center_loss"])
def test_copies_of_one_image_are_drawn_alike(name: str):
    """Duplicates in a batch: equal rows of one identity and stream have equal gradients."""
    features = NORMAL.clone()
    features[1::2] = features[::2]
    gradient = value_and_gradient(LOSSES[name], features, PAIRS)[1]
    torch.testing.assert_close(gradient[1::2], gradient[::2])
