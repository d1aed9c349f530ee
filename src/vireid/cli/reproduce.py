"""``vireid reproduce``: train a run again and say whether the same came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from vireid.cli.config import EvaluateConfig, TrainConfig
from vireid.cli.console import console, say
from vireid.cli.evaluate import RANKS, measure, rates_row
from vireid.cli.reproduce_config import ReproduceConfig
from vireid.cli.run_settings import read_settings
from vireid.cli.termination import telling_what_is_kept
from vireid.cli.train import describe_data, train
from vireid.data import read
from vireid.data.sampler import IdentitySampler
from vireid.models import load_network, weights_file
from vireid.sharing.shared_files import A_FILE
from vireid.training import RunRecord, code_fingerprint, describe_hardware, library_versions, read_run
from vireid.types import VireidError

__all__ = ["reproduce"]


def reproduce(config: ReproduceConfig) -> int:
    """Train with the run's settings into a folder beside it and compare; 0 where every weight is the same, else 1.

    Raises:
        VireidError: a run that has not ended or was not trained by vireid, data that are not the run's, or what
            `train` refuses.
    """
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
    settings = read_settings(before.settings, root=Path(root), out=out)
    again = dataclasses.replace(
        settings,
        resume=out.exists(),
        accelerator=config.accelerator,
        workers=config.workers,
        cache=config.cache,
    )
    _check_data(again, before)
    with telling_what_is_kept("what was trained stays: start the same command again to go on"):
        train(again)
    after = read_run(out)
    _tell_surroundings(before)
    if _same_weights(config.run, out):
        say(f"reproduced: every weight of {out} is that of {config.run}, bit for bit", style="bold green")
        return 0
    _tell_losses(before, after)
    _compare_scores(again, config.run, out)
    say(f"not reproduced to the bit: the weights of {out} differ from those of {config.run}", style="bold")
    return 1


def _check_data(config: TrainConfig, before: RunRecord) -> None:
    """Refuse other data before hours are spent on them."""
    records = read(config.dataset, config.root, trial=config.trial, splits=("train",))
    recipe = config.recipe
    sampler = IdentitySampler(records, identities=recipe.identities, images=recipe.images, seed=config.seed)
    now = describe_data(records, sampler)
    if not before.data:
        say("the run does not say what data it was trained on: whether these are the same is not known")
    elif before.data != now:
        raise VireidError(
            f"{config.root} does not hold the data of the run: {_plain(before.data)} then, {_plain(now)} now; give "
            "theirs as --root ROOT"
        )


def _tell_surroundings(before: RunRecord) -> None:
    """Say what is not as it was: the usual reasons for another result."""
    now = library_versions()
    changed = {
        name: (version, now.get(name, "none")) for name, version in before.versions.items() if now.get(name) != version
    }
    hardware = describe_hardware()
    changed |= {
        name: (value, hardware.get(name)) for name, value in before.hardware.items() if hardware.get(name) != value
    }
    if before.code and before.code != (code := code_fingerprint()):
        changed["vireid's own code"] = (before.code, code)
    if not changed:
        say("libraries, code and machine are those of the run")
    for name, (then, today) in changed.items():
        say(f"  {name}: {then} then, {today} now")


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
