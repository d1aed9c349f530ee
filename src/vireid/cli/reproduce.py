"""``vireid reproduce``: train a run again and say whether the same came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from vireid.cli.config import EvaluateConfig, TrainConfig
from vireid.cli.console import console, quiet_unless_first, say
from vireid.cli.evaluate import RANKS, measure, rates_row
from vireid.cli.reproduce_config import ReproduceConfig
from vireid.cli.run_settings import read_settings
from vireid.cli.termination import telling_what_is_kept
from vireid.cli.train import describe_data, train
from vireid.data import read, same_data
from vireid.data.sampler import IdentitySampler
from vireid.models import WEIGHTS, load_network, weights_file
from vireid.sharing.shared_files import A_FILE
from vireid.training import (
    RunRecord,
    code_fingerprint,
    describe_hardware,
    join_processes,
    library_versions,
    processes_of_job,
    read_run,
)
from vireid.training.loop import STATE
from vireid.training.run_record import CONFIG
from vireid.types import VireidError, sha256_of

__all__ = ["reproduce"]

CODE, PROCESSES, ACCELERATOR = "vireid's own code", "processes", "--accelerator"


def reproduce(config: ReproduceConfig) -> int:
    """Train with the run's settings into a folder beside it and compare; 0 where every weight is the same, else 1.

    The folder is marked as this run's when it is begun, and only one so marked is gone on in or compared: anything
    else, such as a copy of the run, would prove nothing.

    Raises:
        VireidError: a run that has not ended or was not trained by vireid, a folder that was not begun for this run,
            data that are not the run's, or what `train` refuses.
    """
    quiet_unless_first(processes_of_job().first)
    before = read_run(config.run)
    weights_file(config.run)
    if not before.settings:
        raise VireidError(
            f"{config.run} says nothing of its training, so it cannot be trained again; a run of vireid train holds a "
            "config.json"
        )
    out = config.out or config.run.with_name(f"{config.run.name}-reproduced")
    if out.resolve() == config.run.resolve():
        raise VireidError(f"the second training needs a folder of its own, not the run's {out}; give another --out")
    root = config.root or before.settings.get("root")
    if root is None:
        raise VireidError(f"{config.run} does not say where its data lie, as a run from elsewhere; give --root ROOT")
    if not isinstance(root, str | Path):
        raise VireidError(f"the root of {config.run} must be a path, got {root!r}; give --root ROOT")
    if before.settings.get("network.weights") == A_FILE:
        raise VireidError(
            f"{config.run} began from a file of weights that did not come with it; train with --network.weights FILE"
        )
    mark = _mark(config.run)
    if (out / CONFIG).exists() and read_run(out, log=False).reproduces != mark:
        raise VireidError(
            f"a run is compared with a training that vireid reproduce began for it, as it is now, but {out} holds "
            "another; remove that folder, or give another --out"
        )
    settings = read_settings(before.settings, root=Path(root), out=out)
    again = dataclasses.replace(
        settings,
        resume=out.exists(),
        accelerator=config.accelerator,
        workers=config.workers,
        cache=config.cache,
    )
    _check_data(again, before)
    _check_processes(before)
    goes_on = (out / STATE).exists() and not (out / WEIGHTS).exists()
    with telling_what_is_kept("what was trained stays: start the same command again to go on"):
        train(again, reproduces=mark)
    # The first process writes the weights when the others are done.
    join_processes(again.accelerator).barrier()
    after = read_run(out)
    _tell_surroundings(before, after)
    if goes_on:
        _tell_change(after)
    if _same_weights(config.run, out):
        say(f"reproduced: every weight of {out} is that of {config.run}, bit for bit", style="bold green")
        return 0
    _tell_losses(before, after)
    _compare_scores(again, config.run, out)
    say(f"not reproduced to the bit: the weights of {out} differ from those of {config.run}", style="bold")
    return 1


def _mark(run: Path) -> str:
    """16 hexadecimal digits of a run's weights and of all that it says of its training."""
    parts = [sha256_of(weights_file(run)), sha256_of(run / CONFIG)]
    return sha256_of(" ".join(parts).encode())[:16]


def _check_data(config: TrainConfig, before: RunRecord) -> None:
    """Refuse other data before hours are spent on them."""
    records = read(config.dataset, config.root, trial=config.trial, splits=("train",))
    recipe = config.recipe
    sampler = IdentitySampler(records, identities=recipe.identities, images=recipe.images, seed=config.seed)
    now = describe_data(records, sampler)
    same = same_data(before.data, now)
    if not before.data:
        say("the run does not say what data it was trained on: whether these are the same is not known")
    elif same is None:
        say(
            "the run keeps the fingerprint of its data in the form of another version: whether these are the same is "
            "not known"
        )
    elif not same:
        raise VireidError(
            f"{config.root} does not hold the data of the run: {_plain(before.data)} then, {_plain(now)} now; give "
            "theirs as --root ROOT"
        )


def _check_processes(before: RunRecord) -> None:
    """Say before hours are spent that another number of processes trains, which changes what each sees."""
    then, now = before.processes, processes_of_job().count
    if then not in (0, now):
        how = "without torchrun" if then == 1 else f"by torchrun --nproc-per-node {then} -m vireid"
        say(
            f"processes that train together: {then} then, {now} now, so other weights are to be expected; start it "
            f"{how} to have as many"
        )


def _tell_surroundings(before: RunRecord, after: RunRecord) -> None:
    """Say what is not as it was: the usual reasons for another result."""
    then, now = _surroundings(before), _surroundings(after)
    parts = {"libraries": "versions", "code": "code", "machine": "hardware", "processes": "processes"}
    unknown = [name for name, part in parts.items() if not getattr(before, part)]
    changed = {name: (value, now.get(name, "none")) for name, value in then.items() if now.get(name) != value}
    if unknown:
        say(f"the run does not say its {', '.join(unknown)}: whether these are the same is not known")
    if not changed and not unknown:
        say(f"libraries, code, machine and processes that {after.folder} was begun with are those of the run")
    for name, (value, today) in changed.items():
        say(f"  {name}: {value} then, {today} in {after.folder}")


def _tell_change(after: RunRecord) -> None:
    """Say what has changed since the second training was begun, where it went on: it is of both then."""
    here = {**library_versions(), **describe_hardware(), CODE: code_fingerprint(), PROCESSES: processes_of_job().count}
    for name, value in _surroundings(after).items():
        if name in here and here[name] != value:
            say(f"  {name}: {value} when {after.folder} was begun, {here[name]} when it went on")


def _surroundings(record: RunRecord) -> dict[str, Any]:
    """What a result may depend on beside settings and data, by name; what the record does not say is left out."""
    known = {CODE: record.code, PROCESSES: record.processes, ACCELERATOR: record.settings.get("accelerator")}
    return {**record.versions, **record.hardware} | {name: value for name, value in known.items() if value}


def _same_weights(one: Path, other: Path) -> bool:
    first, second = (load_network(run)[0].state_dict() for run in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def _tell_losses(before: RunRecord, after: RunRecord) -> None:
    def losses(step: Mapping[str, Any]) -> dict[str, float]:
        return {name: value for name, value in step.items() if name.startswith("loss/")}

    parted = next(
        (step for step, other in zip(before.steps, after.steps) if losses(step) != losses(other)),
        None,
    )
    if parted is None:
        say("the losses in the logs are the same")
        return
    step = int(parted["step"])
    say(f"the losses part at step {step}:")
    for name, then in losses(parted).items():
        say(f"  {name.removeprefix('loss/')}: {then:.6g} then, {after.steps[step].get(name, float('nan')):.6g} now")


def _compare_scores(config: TrainConfig, run: Path, out: Path) -> None:
    """Where the last digits differ, say what it comes to: the default protocol of the data set."""
    results = {
        name: measure(
            EvaluateConfig(
                dataset=config.dataset,
                root=config.root,
                checkpoint=folder,
                trial=config.trial,
                accelerator=config.accelerator,
                precision="32",
            )
        )
        for name, folder in {"the run": run, "trained again": out}.items()
    }
    table = Table()
    for name in ("", *(f"Rank-{rank}" for rank in RANKS), "mAP", "mINP"):
        table.add_column(name, justify="right" if name else "left")
    for name, result in results.items():
        if result is not None:
            table.add_row(name, *rates_row(result.mean))
    console.print(table)


def _plain(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in data.items())
