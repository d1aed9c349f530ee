"""One readable training loop that any recipe runs through."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.precision import MixedPrecision
from torch import Tensor

from vireid.data import PixelCache
from vireid.data.load_ahead import load_ahead
from vireid.data.sampler import IdentitySampler
from vireid.models import Network, NetworkOutput
from vireid.training.batches import Batch, PartMaps, Targets, TrainingBatches
from vireid.training.checkpoint import load_state, save_state
from vireid.training.log import RunLog, StepReport
from vireid.training.optim import learning_rate_factor, make_optimizer, set_learning_rate
from vireid.transforms import View, draw_moves, generator, move_part_maps
from vireid.types import Modality, Records, VireidError

__all__ = ["Criterion", "Precision", "fit"]

Precision = Literal["32", "bf16", "16"]

Criterion = Callable[[NetworkOutput, Targets], Mapping[str, Tensor]]
"""From the network's output and what its rows should be to named, weighted loss terms; their sum is the loss."""

STATE = "state.pt"


def fit(
    network: Network,
    records: Records,
    *,
    out: Path,
    views: Mapping[str, View],
    criterion: Criterion,
    epochs: int,
    identities: int,
    images: int,
    learning_rate: float = 0.01,
    head_learning_rate: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    nesterov: bool = True,
    warmup_epochs: int = 0,
    milestones: tuple[int, ...] = (),
    accumulate: int = 1,
    precision: Precision = "32",
    accelerator: str = "auto",
    workers: int = 0,
    seed: int = 0,
    part_maps: PartMaps | None = None,
    cache: PixelCache | None = None,
    resume: bool = False,
    log_every: int = 10,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_epoch: Callable[[int, Network], None] = lambda epoch, network: None,
) -> Network:
    """Train a network in place and return it, in evaluation mode on the CPU.

    A step is a function of the weights before it and of (seed, epoch, step) alone, so a run that was killed and
    resumed ends in the same weights as one that was not: bit for bit on one machine, on the CPU in float32.

    Args:
        records: the ``train`` split is trained on; see `IdentitySampler` for P, K and the length of an epoch.
        out: run directory; the state after each whole epoch, a JSON-lines log and a TensorBoard log go there.
        views: augmentation by the name that the network's streams use.
        criterion: see `Criterion`.
        identities, images: P and K.
        learning_rate, head_learning_rate, momentum, weight_decay, nesterov: see `make_optimizer`.
        warmup_epochs, milestones: see `learning_rate_factor`.
        accumulate: batches whose gradients are averaged into one optimiser step. Metric losses and BatchNorm see one
            batch at a time, so this is not the same as a larger batch.
        precision: ``32``, ``bf16`` or ``16`` autocast; ``16`` scales the loss and needs a GPU.
        accelerator: of Lightning Fabric: ``auto``, ``cpu``, ``cuda`` ...
        workers: processes that read images; 0 reads in this one. Batches are the same for any number.
        seed: of sampling and augmentation.
        part_maps: given part maps to hand to the criterion; views are then called with ``moves``.
        cache: read images from it instead of their files; results are the same. It holds all that can be drawn: the
            ``train`` split.
        resume: continue from the state in ``out``; start from the beginning where there is none yet.
        log_every: steps between two reports; losses stay on the device until then.
        on_step: called for every step, in order, ``log_every`` at a time.
        on_epoch: called after each epoch with the network in evaluation mode; a resumed run may call it again for the
            epoch in which it was killed.

    Raises:
        VireidError: a loss that is not finite (with its step and term), a state of another training, arguments out of
            range, a disk that is full.
    """
    if min(epochs, accumulate, log_every) < 1:
        raise VireidError(
            f"epochs, accumulate and log_every must be at least 1, got {epochs}, {accumulate}, {log_every}"
        )
    sampler = IdentitySampler(records, identities=identities, images=images, seed=seed)
    steps = max(1, sampler.steps // accumulate)
    fabric, scaler = _make_fabric(accelerator, precision)
    optimizer = make_optimizer(
        network,
        learning_rate=learning_rate,
        head_learning_rate=head_learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov,
    )
    first = 0
    if resume and (out / STATE).exists():
        state = load_state(out / STATE)
        _restore(state, network, optimizer, scaler, out / STATE)
        first = state["epoch"]
    # Convolutions run faster on this layout of the same numbers, on CPUs as on GPUs.
    network.to(memory_format=torch.channels_last)
    module, optimizer = fabric.setup(network, optimizer)
    order = [(epoch, step) for epoch in range(first, epochs) for step in range(steps * accumulate)]
    batches = load_ahead(
        TrainingBatches(records, sampler, network.image_size, part_maps, cache),
        order,
        workers=workers,
        pin_memory=fabric.device.type == "cuda",
    )
    forked = [fabric.device.index or 0] if fabric.device.type == "cuda" else []
    with RunLog(out, keep_steps=first * steps) as log, torch.random.fork_rng(devices=forked):
        for epoch in range(first, epochs):
            factor = learning_rate_factor(epoch, warmup_epochs=warmup_epochs, milestones=milestones)
            set_learning_rate(optimizer, factor)
            module.train()
            pending: list[tuple[dict[str, Tensor], int]] = []
            for step in range(steps):
                number = epoch * steps + step
                totals: dict[str, Tensor] = {}
                seen = 0
                for part in range(accumulate):
                    # Layers that draw (stochastic depth, dropout) take the global state; it is put back at the end.
                    torch.manual_seed(generator(seed, epoch, step * accumulate + part, "network").initial_seed())
                    batch = next(batches)
                    draws = partial(generator, seed, epoch, step * accumulate + part)
                    inputs, targets = _make_views(network, views, batch, draws, part_maps, fabric.device)
                    terms = criterion(module(inputs), targets)
                    fabric.backward(torch.stack(list(terms.values())).sum() / accumulate)
                    for name, term in terms.items():
                        totals[name] = totals.get(name, 0) + term.detach() / accumulate
                    seen += len(targets.labels)
                optimizer.step()
                optimizer.zero_grad()
                pending.append((totals, seen))
                if len(pending) == log_every or step == steps - 1:
                    for report in _reports(pending, number, epoch, learning_rate * factor):
                        log.write(report)
                        on_step(report)
                    pending = []
            log.flush()
            # Before the state is saved: a run killed in between does the epoch again, and nobody misses it.
            network.eval()
            on_epoch(epoch, network)
            save_state(
                out / STATE,
                {
                    "epoch": epoch + 1,
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "scaler": scaler.state_dict() if scaler else {},
                },
            )
    return network.cpu().eval()


def _make_fabric(accelerator: str, precision: Precision) -> tuple[Fabric, MixedPrecision | None]:
    probe = Fabric(accelerator=accelerator, devices=1)
    if precision == "32":
        return probe, None
    if precision == "bf16":
        return Fabric(accelerator=accelerator, devices=1, precision="bf16-mixed"), None
    if probe.device.type != "cuda":
        raise VireidError(
            f"precision 16 needs a CUDA GPU, this run is on {probe.device}; use 32, or bf16 where it is fast"
        )
    plugin = MixedPrecision("16-mixed", "cuda")
    return Fabric(accelerator=accelerator, devices=1, plugins=[plugin]), plugin


def _restore(
    state: dict[str, Any],
    network: Network,
    optimizer: torch.optim.Optimizer,
    scaler: MixedPrecision | None,
    file: Path,
) -> None:
    try:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise VireidError(
            f"{file} belongs to another training than this one: {str(error).splitlines()[0]}; "
            "resume with the settings that the run was started with"
        ) from error
    if scaler:
        scaler.load_state_dict(state["scaler"])


def _make_views(
    network: Network,
    views: Mapping[str, View],
    batch: Batch,
    draws: Callable[[str], torch.Generator],
    part_maps: PartMaps | None,
    device: torch.device,
) -> tuple[list[Tensor], Targets]:
    """A view for each stream, and what the network should make of them."""
    pixels = {
        Modality.VISIBLE: batch.visible.to(device, non_blocking=True),
        Modality.INFRARED: batch.infrared.to(device, non_blocking=True),
    }
    given = {Modality.VISIBLE: batch.visible_parts, Modality.INFRARED: batch.infrared_parts}
    made, moved = [], []
    for stream in network.streams:
        images, parts = pixels[stream.modality], given[stream.modality]
        if part_maps is None or parts is None:
            made.append(views[stream.view](images, draws(stream.view)))
        else:
            drawing = draws(f"{stream.view} moves")
            moves = draw_moves(len(images), *network.image_size, drawing, part_maps.movement)
            made.append(views[stream.view](images, draws(stream.view), moves=moves))
            moved.append(move_part_maps(parts.to(device, non_blocking=True), moves))
    targets = Targets(
        batch.labels.to(device, non_blocking=True).repeat(len(network.streams)), torch.cat(moved) if moved else None
    )
    return [view.contiguous(memory_format=torch.channels_last) for view in made], targets


def _reports(
    pending: list[tuple[dict[str, Tensor], int]], last: int, epoch: int, learning_rate: float
) -> list[StepReport]:
    names = list(pending[0][0])
    values = torch.stack([torch.stack([totals[name] for name in names]) for totals, _ in pending]).tolist()
    reports = []
    for offset, (row, (_, images)) in enumerate(zip(values, pending)):
        step = last - len(pending) + 1 + offset
        for name, value in zip(names, row):
            if not math.isfinite(value):
                raise VireidError(
                    f"the loss must stay finite, but its term {name!r} is {value} at step {step} (epoch {epoch}); "
                    "lower the learning rate or lengthen the warm-up, and look at the images with vireid doctor"
                )
        reports.append(
            StepReport(step=step, epoch=epoch, terms=dict(zip(names, row)), learning_rate=learning_rate, images=images)
        )
    return reports
