"""Losses where their numbers are not at hand: on a GPU nothing is looked at, sent for or left on the CPU."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

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
    parsing_loss,
    quadruple_center_loss,
    squared_difference_triplet_loss,
    weighted_regularized_triplet_loss,
)

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

# Of features, labels and which rows are infrared.
BETWEEN_MODALITIES: dict[str, Loss] = {
    "guided pair": lambda f, y, infrared: center_guided_pair_loss(f, 2 * f, y, infrared),
    "mining": lambda f, y, infrared: identity_center_mining_loss(f, y, infrared, margin=0.3),
    "exponential": lambda f, y, infrared: marginal_exponential_center_loss(f, y, infrared, margin=0.3),
}
LOSSES: dict[str, Loss] = {
    **BETWEEN_MODALITIES,
    "quadruple, paper": lambda f, y, _: quadruple_center_loss(f, y, variant="paper"),
    "quadruple, released": lambda f, y, _: quadruple_center_loss(f, y, variant="released", alpha=0.3),
    "weighted": lambda f, y, _: weighted_regularized_triplet_loss(f, y),
    "squared": lambda f, y, _: squared_difference_triplet_loss(f, y),
    "batch hard": lambda f, y, _: batch_hard_triplet_loss(f, y, margin=0.3),
    "center": lambda f, y, _: center_loss(f, y),
    "center triplet": lambda f, y, _: center_triplet_loss(f, y, margin=0.3),
    "identity": lambda f, y, _: identity_loss(f, y),
    "division": lambda f, _, __: division_loss(f.unflatten(0, (2, 4))),
    "orthogonality": lambda f, _, __: orthogonality_loss(f.unflatten(0, (2, 4))),
    "parsing": lambda f, y, _: parsing_loss(f[:, :, None, None], y[:, None, None]),
}


class NothingOnTheCpu(TorchFunctionMode):
    """Refuse what makes numbers on the CPU: a GPU that is given them waits for the copy."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, (tuple, list)) else [made]:
            assert not isinstance(one, Tensor) or one.device.type != "cpu", f"{func} made numbers on the CPU"
        return made


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_is_looked_at_on_another_device(name: str):
    # The device meta has no numbers: it refuses whatever would wait for them, and what mixes devices.
    features = torch.zeros(8, 5, device="meta", requires_grad=True)
    labels = torch.zeros(8, dtype=torch.int64, device="meta")
    infrared = torch.zeros(8, dtype=torch.bool, device="meta")
    with NothingOnTheCpu():
        loss = LOSSES[name](features, labels, infrared)
    loss.backward()
    assert loss.device.type == "meta"
    assert loss.shape == ()
    assert features.grad is not None
    assert features.grad.device.type == "meta"


@pytest.mark.parametrize("name", BETWEEN_MODALITIES)
def test_as_many_identities_as_two_modalities_can_hold_have_a_line_each(name: str, monkeypatch: pytest.MonkeyPatch):
    features = torch.randn(8, 3, generator=torch.Generator().manual_seed(2))
    labels, infrared = torch.tensor([4, 0, 9, 1] * 2), torch.arange(8) >= 4
    seen = BETWEEN_MODALITIES[name](features, labels, infrared)
    monkeypatch.setattr("vireid.losses.center.at_hand", lambda values: False)
    torch.testing.assert_close(BETWEEN_MODALITIES[name](features, labels, infrared), seen)
