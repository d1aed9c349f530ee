"""One step of a training: batches through the network, their loss back, and the optimiser once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from vireid.models import NetworkOutput
from vireid.training.batches import Targets
from vireid.training.finite import NotFiniteError, check_gradients, check_terms, check_weights, gradient_size
from vireid.training.global_batch import gather_batch
from vireid.training.step_inputs import StepInputs

__all__ = ["Criterion", "LossBatch", "Steps", "Taken"]

LossBatch = Literal["global", "local"]
"""Over whose rows the losses of processes that train together go: those of all of them, or each over its own."""

Criterion = Callable[[NetworkOutput, Targets], Mapping[str, Tensor]]
"""From the network's output and what its rows should be to named, weighted loss terms; their sum is the loss."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Taken:
    """What a step found, still on the device.

    Attributes:
        terms: the loss by its terms.
        gradient: see `gradient_size`; 0 where a scaler leaves out steps whose gradients are not finite.
        images: that all processes saw.
    """

    terms: dict[str, Tensor]
    gradient: Tensor
    images: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Steps:
    """Takes the steps of a training, each from the weights before it and what is drawn for it.

    Attributes:
        fabric: that module and optimizer were set up with.
        module: the network, in training mode.
        weights: of it, by the names that the network has for them.
        streams: of the network.
        an_epoch: steps in it.
        accumulate, loss_batch: see `fit`.
        scaled: the loss is scaled, as half precision needs it: steps whose gradients are not finite are left out.
        seed_of: epoch and batch to what layers such as dropout draw from.
    """

    fabric: Fabric
    module: nn.Module
    weights: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    criterion: Criterion
    streams: int
    an_epoch: int
    accumulate: int
    loss_batch: LossBatch
    scaled: bool
    seed_of: Callable[[int, int], int]

    @property
    def looks_at_once(self) -> bool:
        """Whether loss and gradients are looked at before the optimiser takes them: where nothing is waited for."""
        return self.fabric.device.type == "cpu" and self.fabric.world_size == 1

    def take(self, epoch: int, number: int, inputs: Iterator[StepInputs]) -> Taken:
        """Take a step.

        Args:
            epoch, number: from 0; the step within its epoch.
            inputs: ``accumulate`` are taken from it.

        Raises:
            NotFiniteError: a loss term or a gradient is not finite, where that is looked at at once: the optimiser has
                not taken it.
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
        device = self.fabric.device
        gradient = torch.zeros((), device=device) if self.scaled else gradient_size(self.weights.values())
        taken = Taken(terms=totals, gradient=gradient, images=images)
        if self.looks_at_once:
            self._check(taken, epoch * self.an_epoch + number)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return taken

    def _check(self, taken: Taken, step: int) -> None:
        epoch = step // self.an_epoch
        try:
            check_terms({name: float(value) for name, value in taken.terms.items()}, step=step, epoch=epoch)
        except NotFiniteError:
            if step:
                # Gradients that were finite may have moved a weight out of all numbers: then that step is to blame.
                check_weights(self.weights, step=step - 1, epoch=(step - 1) // self.an_epoch)
            raise
        check_gradients(float(taken.gradient), self.weights, step=step, epoch=epoch)
