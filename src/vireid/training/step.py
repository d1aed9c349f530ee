"""One step of a training: batches through the network, their loss back, and the optimiser once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from vireid.models import NetworkOutput
from vireid.training.batches import Targets
from vireid.training.failed_step import check_finite
from vireid.training.global_batch import gather_batch
from vireid.training.step_inputs import StepInputs

__all__ = ["Criterion", "LossBatch", "Steps"]

LossBatch = Literal["global", "local"]
"""Over whose rows the losses of processes that train together go: those of all of them, or each over its own."""

Criterion = Callable[[NetworkOutput, Targets], Mapping[str, Tensor]]
"""From the network's output and what its rows should be to named, weighted loss terms; their sum is the loss."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Steps:
    """Takes the steps of a training, each from the weights before it and what is drawn for it.

    Attributes:
        fabric: that module and optimizer were set up with.
        module: the network, in training mode.
        streams: of the network.
        an_epoch: steps in it.
        accumulate, loss_batch: see `fit`.
        seed_of: epoch and batch to what layers such as dropout draw from.
    """

    fabric: Fabric
    module: nn.Module
    optimizer: torch.optim.Optimizer
    criterion: Criterion
    streams: int
    an_epoch: int
    accumulate: int
    loss_batch: LossBatch
    seed_of: Callable[[int, int], int]

    @property
    def looks_at_once(self) -> bool:
        """Whether a loss is looked at before the optimiser takes it: where nothing has to be waited for."""
        return self.fabric.device.type == "cpu" and self.fabric.world_size == 1

    def take(self, epoch: int, number: int, inputs: Iterator[StepInputs]) -> tuple[dict[str, Tensor], int]:
        """Take a step; its loss terms, still on the device, and how many images all processes saw.

        Args:
            epoch, number: from 0; the step within its epoch.
            inputs: ``accumulate`` are taken from it.

        Raises:
            NotFiniteError: a term is not finite, where that is looked at at once.
        """
        totals: dict[str, Tensor] = {}
        images = 0
        for part in range(self.accumulate):
            views, targets = next(inputs)
            images += len(targets.labels) * self.fabric.world_size
            # Layers that draw take the global state, which the loop puts back at the end.
            torch.manual_seed(self.seed_of(epoch, number * self.accumulate + part))
            output = self.module(views)
            if self.fabric.world_size > 1 and self.loss_batch == "global":
                output, targets = gather_batch(self.fabric, output, targets, streams=self.streams)
            terms = self.criterion(output, targets)
            self.fabric.backward(torch.stack(list(terms.values())).sum() / self.accumulate)
            for name, term in terms.items():
                totals[name] = totals.get(name, 0) + term.detach() / self.accumulate
        if self.looks_at_once:
            found = {name: float(value) for name, value in totals.items()}
            check_finite(found, step=epoch * self.an_epoch + number, epoch=epoch)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return totals, images
