"""What a loss looks at, and that it comes to the same where nothing is looked at, as on a GPU."""

import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vireid.losses import (
    batch_hard_triplet_loss,
    center_guided_pair_loss,
    center_loss,
    center_triplet_loss,
    check_labels,
    check_part_maps,
    identity_center_mining_loss,
    marginal_exponential_center_loss,
    quadruple_center_loss,
    squared_difference_triplet_loss,
    weighted_regularized_triplet_loss,
)
from vireid.types import VireidError

Loss = Callable[[Tensor, Tensor], Tensor]

FEATURES = torch.randn(24, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.tensor([9, -4, 0, 9, 0, 9] * 4)
INFRARED = torch.arange(24) >= 12
NO_NIGHT = torch.where(INFRARED & (LABELS == 0), 9, LABELS)  # identity 0 was never seen by night
LONELY = torch.where((torch.arange(24) < 18) | (LABELS == 9), LABELS, 9)  # 0 and -4 lack the last stream
MANY = torch.cat([torch.zeros(6).long(), torch.arange(18)])  # more identities than rows in a stream

CENTERS: dict[str, Loss] = {
    "guided pair": lambda f, y: center_guided_pair_loss(f, f.roll(1, dims=1), y, INFRARED, margin=0.4),
    "mining": lambda f, y: identity_center_mining_loss(f, y, INFRARED, margin=0.3),
    "exponential": lambda f, y: marginal_exponential_center_loss(f, y, INFRARED, margin=0.3),
    "quadruple, paper": lambda f, y: quadruple_center_loss(f, y, variant="paper", margin=2.0),
    "quadruple, released": lambda f, y: quadruple_center_loss(f, y, variant="released", margin=2.0, alpha=0.3),
}
TRIPLETS: dict[str, Loss] = {
    "weighted": weighted_regularized_triplet_loss,
    "squared": squared_difference_triplet_loss,
    "batch hard": lambda f, y: batch_hard_triplet_loss(f, y, margin=0.3),
    "exponential": CENTERS["exponential"],
}
ALL: dict[str, Loss] = {
    **CENTERS,
    **TRIPLETS,
    "center": center_loss,
    "center triplet": lambda f, y: center_triplet_loss(f, y, margin=2.0),
}


def look_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the numbers were on a GPU."""
    rooms = [module for name, module in sys.modules.items() if name.startswith("vireid.losses.")]
    for room in rooms:
        if hasattr(room, "at_hand"):
            monkeypatch.setattr(room, "at_hand", lambda values: False)


def value_and_gradient(loss: Loss, labels: Tensor = LABELS) -> tuple[Tensor, Tensor]:
    features = FEATURES.clone().requires_grad_()
    value = loss(features, labels)
    value.backward()
    assert features.grad is not None
    return value.detach(), features.grad


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("labels", [LABELS, torch.tensor([0, 1, 2, 3, 4, 5] * 4)], ids=["few", "as many as can be"])
def test_unseen_labels_give_the_same_loss_and_gradient(name: str, labels: Tensor, monkeypatch: pytest.MonkeyPatch):
    seen = value_and_gradient(ALL[name], labels)
    look_away(monkeypatch)
    for unseen, expected in zip(value_and_gradient(ALL[name], labels), seen, strict=True):
        torch.testing.assert_close(unseen, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", [name for name in ALL if name not in TRIPLETS])
def test_unseen_labels_of_one_identity_give_the_same_loss(name: str, monkeypatch: pytest.MonkeyPatch):
    one = torch.full((24,), 7)
    seen = value_and_gradient(ALL[name], one)
    look_away(monkeypatch)
    for unseen, expected in zip(value_and_gradient(ALL[name], one), seen, strict=True):
        torch.testing.assert_close(unseen, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CENTERS)
@pytest.mark.parametrize("labels", [NO_NIGHT, MANY], ids=["a modality lacks one", "more than there can be"])
def test_a_missing_identity_is_refused_or_no_number(name: str, labels: Tensor, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(VireidError, match="every identity of the batch must be in"):
        CENTERS[name](FEATURES, labels)
    look_away(monkeypatch)
    assert CENTERS[name](FEATURES, labels).isnan()


def test_an_unseen_identity_that_lacks_a_stream_counts_where_nobody_is_pulled_to_its_center(monkeypatch):
    with pytest.raises(VireidError, match="identity -4 has no row in the infrared channel stream"):
        CENTERS["quadruple, paper"](FEATURES, LONELY)
    look_away(monkeypatch)
    assert CENTERS["quadruple, paper"](FEATURES, LONELY).isfinite()
    assert CENTERS["quadruple, released"](FEATURES, LONELY).isfinite()


@pytest.mark.parametrize("name", TRIPLETS)
def test_no_other_identity_is_refused_or_no_number(name: str, monkeypatch: pytest.MonkeyPatch):
    one = torch.full((24,), 7)
    with pytest.raises(VireidError, match="all 24 rows are of identity 7"):
        TRIPLETS[name](FEATURES, one)
    look_away(monkeypatch)
    assert TRIPLETS[name](FEATURES, one).isnan()


def test_labels_are_checked_where_they_can_be_seen():
    check_labels(torch.tensor([0, 4, 2]), 5)
    check_labels(torch.tensor([0, 4, 2], device="meta"), 2)
    with pytest.raises(VireidError, match="labels must be classes 0 to 3, got values from 0 to 4; number the training"):
        check_labels(torch.tensor([0, 4, 2]), 4)
    with pytest.raises(VireidError, match="got values from -100 to 2"):
        check_labels(torch.tensor([-100, 2]), 4)
    with pytest.raises(VireidError, match="at least one label, got none"):
        check_labels(torch.tensor([], dtype=torch.int64, device="meta"), 4)


def test_part_maps_are_checked_where_they_can_be_seen():
    given = torch.tensor([[[0, 255], [2, 1]]], dtype=torch.uint8)
    check_part_maps(given, 3)
    check_part_maps(given.to("meta"), 2)
    with pytest.raises(VireidError, match=r"hold parts 0 to 1, as 2 parts are predicted, or 255 .* got \[2\]"):
        check_part_maps(given, 2)
    for part in (0, 1, 2):
        with pytest.raises(VireidError, match=f"unknown must not be a part, got {part} with parts 0 to 2"):
            check_part_maps(given.to("meta"), 3, unknown=part)
    check_part_maps(given.to("meta"), 3, unknown=3)
    check_part_maps(torch.tensor([[[0, 3], [2, 1]]]), 3, unknown=3)
