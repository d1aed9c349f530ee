"""The step at which a training broke, kept so that it can be looked into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from vireid.training.checkpoint import load_state, save_state
from vireid.training.finite import NotFiniteError
from vireid.training.step_inputs import StepInputs
from vireid.types import VireidError

__all__ = ["FAILED", "FailedStep", "load_failed_step", "save_failed_step"]

FAILED = "failed_step.pt"
"""Name of the file in the run directory."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FailedStep:
    """What is needed to do a broken step again.

    Attributes:
        step, epoch: from 0; the step over all epochs.
        term: what was not finite: a loss term, ``gradient of NAME`` or ``weight NAME``, the weight after the step;
            ``gradient`` alone where it was noticed later.
        value: what it was, averaged over the batches of the step; of a gradient its norm.
        paths: for each batch of the step the images, visible ones, then infrared ones, relative to the root.
        views: for each batch of the step what the network saw, a view for each stream.
        labels: for each batch of the step the identities of all views' rows.
        part_maps: for each batch of the step the given parts of all views' rows; None where the training has none.
        seeds: for each batch of the step what the global random state starts from, which layers such as dropout draw
            from.
        network: the weights before the step (of BatchNorm the running statistics after it, which training does not
            use); None where the step was noticed after its update, as on a GPU.
    """

    step: int
    epoch: int
    term: str
    value: float
    paths: list[list[str]]
    views: list[list[Tensor]]
    labels: list[Tensor]
    part_maps: list[Tensor | None]
    seeds: list[int]
    network: dict[str, Tensor] | None


def save_failed_step(
    file: Path,
    error: NotFiniteError,
    *,
    inputs: Sequence[StepInputs],
    paths: Sequence[Sequence[str]],
    seeds: Sequence[int],
    network: Mapping[str, Tensor] | None,
) -> None:
    """Write what `load_failed_step` reads.

    Raises:
        VireidError: the file cannot be written.
    """
    state: dict[str, Any] = {
        "step": error.step,
        "epoch": error.epoch,
        "term": error.term,
        "value": error.value,
        "paths": [list(each) for each in paths],
        "views": [[view.cpu() for view in each.views] for each in inputs],
        "labels": [each.targets.labels.cpu() for each in inputs],
        "part_maps": [None if (maps := each.targets.part_maps) is None else maps.cpu() for each in inputs],
        "seeds": list(seeds),
        "network": None if network is None else {name: tensor.cpu() for name, tensor in network.items()},
    }
    save_state(file, state)


def load_failed_step(file: Path) -> FailedStep:
    """Read the step at which a training broke; no code is run.

    To see it break again: ``network.load_state_dict(failed.network)``, then for each batch
    ``torch.manual_seed(failed.seeds[i])`` and
    ``criterion(network.train()(failed.views[i]), Targets(failed.labels[i], failed.part_maps[i]))``. Of several
    processes, the first one's part of the step is kept.

    Raises:
        VireidError: no such file, or another one.
    """
    if not file.is_file():
        raise VireidError(f"{file} does not exist; a training whose loss broke keeps its step there")
    state = load_state(file)
    missing = sorted(set(FailedStep.__dataclass_fields__) - set(state))
    if missing:
        raise VireidError(f"{file} is no step at which a training broke: it lacks {', '.join(missing)}")
    return FailedStep(**{name: state[name] for name in FailedStep.__dataclass_fields__})
