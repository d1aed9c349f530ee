"""The optimiser of the field and its schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from vireid.types import VireidError

__all__ = ["learning_rate_factor", "make_optimizer", "restore_optimizer", "set_learning_rate"]


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


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Take up what ``optimizer.state_dict()`` was, of the same parameters and settings.

    What PyTorch takes as it comes is held to the parameters here: their momenta have their shapes and are numbers, and
    the settings are those that `make_optimizer` was given. How it computes may differ, as from a GPU to a CPU.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: the state of another optimiser, or none.
    """
    own = optimizer.state_dict()["param_groups"]
    groups = state["param_groups"]
    if [group["params"] for group in groups] != [group["params"] for group in own]:
        raise ValueError("its optimiser has other parameters")
    for group, mine in zip(groups, own):
        for name in ("base_rate", "momentum", "weight_decay", "nesterov"):
            if group[name] != mine[name]:
                raise ValueError(f"its optimiser has {name} {group[name]!r}, this one {mine[name]!r}")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, buffers in state["state"].items():
        if number not in range(len(parameters)) or set(buffers) != {"momentum_buffer"}:
            raise ValueError(
                f"its optimiser has {sorted(buffers)} of parameter {number!r}, where SGD has momenta alone"
            )
        momentum, shape = buffers["momentum_buffer"], parameters[number].shape
        if momentum is not None and (momentum.shape != shape or not momentum.is_floating_point()):
            raise ValueError(
                f"its momentum of parameter {number} is {momentum.dtype} {tuple(momentum.shape)}, the parameter "
                f"{tuple(shape)}"
            )
        if momentum is not None and not momentum.isfinite().all():
            raise ValueError(f"its momentum of parameter {number} is not finite")
    optimizer.load_state_dict({"state": state["state"], "param_groups": own})


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
