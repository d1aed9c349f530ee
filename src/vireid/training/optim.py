"""The optimiser of the field and its schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from vireid.types import VireidError

__all__ = ["learning_rate_factor", "make_optimizer", "set_learning_rate"]


def make_optimizer(
    network: nn.Module,
    *,
    learning_rate: float,
    head_learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    nesterov: bool = True,
) -> torch.optim.SGD:
    """SGD with two rates: one for the heads (BNNeck and classifier), one for all else.

    Args:
        network: with a submodule ``head``, and ``part_heads`` where it pools parts; parameters that are frozen are left
            out.
        learning_rate: of everything but the head; 0.01 in the released codes.
        head_learning_rate: 0.1 in the released codes.
        nesterov: means nothing without momentum.

    Raises:
        VireidError: a rate that is not above 0, a momentum outside [0, 1), or a negative weight decay.
    """
    if min(learning_rate, head_learning_rate) <= 0:
        raise VireidError(f"learning rates must be above 0, got {learning_rate} and {head_learning_rate} for the head")
    if not 0 <= momentum < 1 or not weight_decay >= 0:
        raise VireidError(
            f"momentum must lie in [0, 1) and weight decay be at least 0, got momentum {momentum}, decay {weight_decay}"
        )
    heads = [network.get_submodule("head"), *getattr(network, "part_heads", ())]
    head = {id(parameter) for module in heads for parameter in module.parameters()}
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in trained if id(parameter) not in head], "base_rate": learning_rate},
        {"params": [parameter for parameter in trained if id(parameter) in head], "base_rate": head_learning_rate},
    ]
    return torch.optim.SGD(
        groups,
        lr=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov and momentum > 0,
        # One pass over the weights on a GPU; on a CPU it gains next to nothing and rounds otherwise.
        fused=trained[0].is_cuda if trained else False,
    )


def learning_rate_factor(epoch: int, *, warmup_epochs: int, milestones: Sequence[int]) -> float:
    """What an epoch multiplies every base rate with: (epoch + 1) / warm-up at first, then a tenth at each milestone.

    Args:
        epoch: from 0.
        warmup_epochs: 0 for none; the released code takes 10.
        milestones: epochs from which on the rate is ten times smaller.

    >>> [learning_rate_factor(epoch, warmup_epochs=2, milestones=[3, 5]) for epoch in (0, 1, 2, 3, 5)]
    [0.5, 1.0, 1.0, 0.1, 0.01]
    """
    if epoch < warmup_epochs:
        return (epoch + 1) / warmup_epochs
    return float(f"1e-{sum(epoch >= milestone for milestone in milestones)}")


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set the rate of every group to its base rate times ``factor``."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_rate"] * factor
