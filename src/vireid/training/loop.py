"""One readable training loop that any recipe runs through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.precision import Precision as PrecisionPlugin
from timm.layers.norm_act import convert_sync_batchnorm

from vireid.data import PixelCache
from vireid.data.load_ahead import load_ahead
from vireid.data.sampler import IdentitySampler
from vireid.losses import check_labels
from vireid.models import Network
from vireid.models.finite import first_not_finite
from vireid.training.batches import Batch, PartMaps, TrainingBatches
from vireid.training.checkpoint import load_state, save_state
from vireid.training.failed_step import FAILED, save_failed_step
from vireid.training.finite import NotFiniteError, check_gradients, check_terms, check_weights
from vireid.training.log import RunLog, StepReport
from vireid.training.optim import learning_rate_factor, make_optimizer, restore_optimizer, set_learning_rate
from vireid.training.processes import Precision, join_processes
from vireid.training.step import Criterion, LossBatch, Steps, Taken
from vireid.training.step_inputs import StepInputs, make_inputs, one_ahead
from vireid.transforms import View, generator
from vireid.types import Records, VireidError

__all__ = ["STATE", "TrainingStopped", "fit"]

STATE = "state.pt"


class TrainingStopped(Exception):  # noqa: N818 - no error: it was asked for
    """A training was asked to stop and has saved where it stands.

    Attributes:
        steps: that are done.
    """

    def __init__(self, steps: int) -> None:
        super().__init__(f"stopped after {steps} steps; resume to go on")
        self.steps = steps


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
    loss_batch: LossBatch = "global",
    sync_batchnorm: bool = False,
    compile_network: bool = False,
    accelerator: str = "auto",
    workers: int = 0,
    seed: int = 0,
    part_maps: PartMaps | None = None,
    cache: PixelCache | None = None,
    resume: bool = False,
    log_every: int = 10,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_epoch: Callable[[int, Network], None] = lambda epoch, network: None,
    stop: Callable[[], bool] = lambda: False,
) -> Network:
    """Train a network in place and return it, in evaluation mode on the CPU.

    A step is a function of the weights before it and of (seed, epoch, step) alone, so a run that was killed and
    resumed ends in the same weights as one that was not: bit for bit on one machine, on the CPU in float32.

    Started by torchrun or srun in several processes, each calls this and they train together: every one draws an equal
    part of the step's identities, gradients are averaged, and the first alone writes and reports. The step's batch is
    the same for any number of processes, its augmentation and BatchNorm's statistics are not.

    Args:
        records: the ``train`` split is trained on; see `IdentitySampler` for P, K and the length of an epoch.
        out: run directory; the state after each whole epoch, a JSON-lines log and a TensorBoard log go there.
        views: augmentation by the name that the network's streams use.
        criterion: see `Criterion`.
        identities, images: P and K, of the whole step; P is a multiple of the processes.
        learning_rate, head_learning_rate, momentum, weight_decay, nesterov: see `make_optimizer`.
        warmup_epochs, milestones: see `learning_rate_factor`.
        accumulate: batches whose gradients are averaged into one optimiser step. Metric losses and BatchNorm see one
            batch at a time, so this is not the same as a larger batch.
        precision: ``32``, ``bf16`` or ``16`` autocast; ``16`` scales the loss and needs a GPU.
        loss_batch: of several processes; ``global`` gathers the outputs of all (with gradients), so that metric losses
            find their pairs in the whole step; ``local`` finds them among a process's own identities, of which it then
            needs at least 2.
        sync_batchnorm: let BatchNorm see the rows of all processes; needs GPUs. Else each normalises by its own, and
            the running statistics are those of the first.
        compile_network: let torch.compile make one program of the network: quicker steps after minutes of compiling,
            and sums in another order, so losses differ in the last digits.
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
        stop: asked after each step, of several processes every ``log_every`` steps; True, from any of them, saves the
            state in the middle of the epoch, too, and ends the training.

    Raises:
        TrainingStopped: ``stop`` said so; ``resume`` goes on from there, to the same weights.
        VireidError: a loss, a gradient or a weight that is not finite (with its step and name; the batch is kept in
            ``failed_step.pt``, see `vireid.training.load_failed_step`), a state of another training, a log that lacks
            steps, arguments out of range, a disk that is full, or what `join_processes` refuses.
    """
    if min(epochs, accumulate, log_every) < 1:
        raise VireidError(
            f"epochs, accumulate and log_every must be at least 1, got {epochs}, {accumulate}, {log_every}"
        )
    fabric = join_processes(accelerator, precision)
    processes = fabric.world_size
    sampler = IdentitySampler(
        records, identities=identities, images=images, seed=seed, rank=fabric.global_rank, processes=processes
    )
    # Here, once: on a GPU the loss does not look at labels, for it would have to wait for them.
    check_labels(torch.arange(len(sampler.persons)), network.head.classifier.out_features)
    if processes > 1:
        _check_together(fabric, identities // processes, loss_batch, sync_batchnorm)
    steps = max(1, sampler.steps // accumulate)
    if sync_batchnorm and processes > 1:
        # In place, for all BatchNorms lie within; timm's own function, for timm's BatchNorms hold activations too.
        convert_sync_batchnorm(network)
    # Before the optimiser: its state is restored to where the weights are, and nothing moves it later. Convolutions run
    # faster on this layout of the same numbers, on CPUs as on GPUs.
    network.to(fabric.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = make_optimizer(
        network,
        learning_rate=learning_rate,
        head_learning_rate=head_learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov,
    )
    scaling = fabric.strategy.precision
    first = done = 0
    if resume and (out / STATE).exists():
        state = load_state(out / STATE)
        first, done = _restore(state, network, optimizer, scaling, out / STATE, an_epoch=steps)
    if fabric.broadcast((first, done)) != (first, done):
        raise VireidError(
            f"the processes of a training must see the same {out}, but this one finds {first * steps + done} steps "
            "done in it and the first another number; put it on a disk that all machines share"
        )
    trained: Any = torch.compile(network) if compile_network else network
    module, optimizer = fabric.setup(trained, optimizer)
    every = [(epoch, number) for epoch in range(first, epochs) for number in range(steps * accumulate)]
    order = every[done * accumulate :]
    source_of_batches = TrainingBatches(records, sampler, network.image_size, part_maps, cache)
    batches = load_ahead(
        source_of_batches,
        order,
        workers=workers,
        pin_memory=fabric.device.type == "cuda",
    )

    def source(epoch: int, step: int, name: str) -> torch.Generator:
        # The first process draws what a process alone would.
        return generator(seed, epoch, step, f"{name} of process {fabric.global_rank}" if fabric.global_rank else name)

    def inputs_of(key: tuple[int, int], batch: Batch) -> StepInputs:
        return make_inputs(network, views, batch, partial(source, *key), part_maps, fabric.device)

    def save(epoch: int, step: int = 0) -> None:
        """Keep where the training stands: so many epochs are done, and so many steps of the next."""
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "scaler": scaling.state_dict()}
        save_state(out / STATE, {"epoch": epoch, "step": step, **state})

    def keep_failed(error: NotFiniteError) -> None:
        """Keep the step that broke; it is made anew, for it is a function of where it stands."""
        keys = [(error.epoch, error.step % steps * accumulate + part) for part in range(accumulate)]
        drawn = [sampler.batch(*key) for key in keys]
        save_failed_step(
            out / FAILED,
            error,
            inputs=[inputs_of(key, source_of_batches[key]) for key in keys],
            paths=[records.paths[np.concatenate([rows.visible, rows.infrared])].tolist() for rows in drawn],
            seeds=[source(*key, "network").initial_seed() for key in keys],
            network=network.state_dict() if take.looks_at_once and error.weights_before else None,
        )

    take = Steps(
        fabric=fabric,
        module=module,
        weights={name: weight for name, weight in network.named_parameters() if weight.requires_grad},
        optimizer=optimizer,
        criterion=criterion,
        streams=len(network.streams),
        an_epoch=steps,
        accumulate=accumulate,
        loss_batch=loss_batch,
        scaled=isinstance(scaling, MixedPrecision) and scaling.scaler is not None,
        seed_of=lambda epoch, batch: source(epoch, batch, "network").initial_seed(),
    )
    prepared = one_ahead((inputs_of(key, batch) for key, batch in zip(order, batches)), fabric.device)
    forked = [fabric.device.index or 0] if fabric.device.type == "cuda" else []
    log = RunLog(out, keep_steps=first * steps + done) if fabric.is_global_zero else None
    try:
        with log or nullcontext(), torch.random.fork_rng(devices=forked):
            for epoch in range(first, epochs):
                factor = learning_rate_factor(epoch, warmup_epochs=warmup_epochs, milestones=milestones)
                set_learning_rate(optimizer, factor)
                module.train()
                pending: list[Taken] = []
                for step in range(done if epoch == first else 0, steps):
                    pending.append(take.take(epoch, step, prepared))
                    last = step == steps - 1
                    due = last or len(pending) == log_every
                    stopping = not last and (due or processes == 1) and _any_stops(fabric, stop)
                    if due or stopping:
                        at = {"step": epoch * steps + step, "epoch": epoch}
                        reports = _reports(fabric, pending, **at, learning_rate=learning_rate * factor)
                        pending = []
                        if log:
                            for report in reports:
                                log.write(report)
                                on_step(report)
                    if last or stopping:
                        # Nobody is to see, and no file to hold, weights that are none.
                        check_weights(network.state_dict(), step=epoch * steps + step, epoch=epoch)
                    if stopping:
                        if log:
                            log.flush()
                            save(epoch, step + 1)
                        fabric.barrier()
                        raise TrainingStopped(epoch * steps + step + 1)
                network.eval()
                if log:
                    log.flush()
                    # Before the state is saved: a run killed in between does the epoch again, and nobody misses it.
                    on_epoch(epoch, network)
                    save(epoch + 1)
                fabric.barrier()
                if epoch < epochs - 1 and _any_stops(fabric, stop):
                    raise TrainingStopped((epoch + 1) * steps)
    except NotFiniteError as error:
        if log:
            keep_failed(error)
        raise VireidError(
            f"{error}; the batch is kept in {out / FAILED}. Lower the learning rate or lengthen the warm-up, and look "
            "at the images with vireid doctor"
        ) from error
    return network.cpu().eval()


def _restore(
    state: dict[str, Any],
    network: Network,
    optimizer: torch.optim.Optimizer,
    scaling: PrecisionPlugin,
    file: Path,
    *,
    an_epoch: int,
) -> tuple[int, int]:
    """Take the state up; how many epochs are done, and how many steps of the next.

    Args:
        an_epoch: steps in it.
    """
    try:
        network.load_state_dict(state["network"])
        if name := first_not_finite(network.state_dict()):
            raise VireidError(
                f"a training goes on from finite weights only, but {name!r} in {file} is not finite; remove the file, "
                "and the same command starts from the beginning"
            )
        restore_optimizer(optimizer, state["optimizer"])
        scaling.load_state_dict(state["scaler"])
        epoch, step = int(state["epoch"]), int(state.get("step", 0))
        if epoch < 0 or not 0 <= step < an_epoch:
            raise ValueError(f"it stands at step {step} of epoch {epoch}, where an epoch has {an_epoch} steps")
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError, OverflowError) as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise VireidError(
            f"{file} belongs to another training than this one: {said}; resume with the settings that the run was "
            "started with"
        ) from error
    return epoch, step


def _check_together(fabric: Fabric, identities: int, loss_batch: LossBatch, sync_batchnorm: bool) -> None:
    """Refuse what several processes cannot do."""
    if loss_batch == "local" and identities < 2:
        raise VireidError(
            "a metric loss of each process alone needs at least 2 identities a process, got 1; take more identities a "
            "step, fewer processes, or the global batch"
        )
    if sync_batchnorm and fabric.device.type != "cuda":
        raise VireidError(f"BatchNorm over all processes needs GPUs, but these train on {fabric.device}; leave it out")


def _any_stops(fabric: Fabric, stop: Callable[[], bool]) -> bool:
    """Whether any process was told to stop; all of them must ask."""
    if fabric.world_size == 1:
        return stop()
    told: Any = fabric.all_reduce(torch.tensor(float(stop()), device=fabric.device), reduce_op="sum")
    return bool(told)


def _reports(fabric: Fabric, pending: list[Taken], *, step: int, epoch: int, learning_rate: float) -> list[StepReport]:
    """What the steps up to ``step`` did, averaged over the processes; the only place where a GPU is waited for.

    Raises:
        NotFiniteError: a loss term or a gradient of one of them is not finite.
    """
    rows = [torch.stack([*taken.terms.values(), taken.gradient]) for taken in pending]
    values: Any = fabric.all_reduce(torch.stack(rows))
    reports = []
    for number, (taken, (*found, gradient)) in enumerate(zip(pending, values.tolist()), start=step - len(pending) + 1):
        terms = dict(zip(taken.terms, found))
        check_terms(terms, step=number, epoch=epoch)
        check_gradients(gradient, {}, step=number, epoch=epoch)
        reports.append(
            StepReport(step=number, epoch=epoch, terms=terms, learning_rate=learning_rate, images=taken.images)
        )
    return reports
