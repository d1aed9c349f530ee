"""``vireid train``: a recipe on a data set, into a run directory."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import timm
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import vireid
from vireid.cli.config import NetworkConfig, TrainConfig
from vireid.cli.console import console
from vireid.cli.selection import BestOnTest
from vireid.data import read
from vireid.data.sampler import IdentitySampler
from vireid.models import DUAL_STREAMS, QUADRUPLE_STREAMS, build_network, save_network
from vireid.training import StepReport, fit, make_criterion
from vireid.transforms import make_views
from vireid.types import VireidError, write_atomically

__all__ = ["network_arguments", "train"]

# What may differ when a run is continued: where it runs, not what it computes.
FREE_TO_CHANGE = {"root", "out", "resume", "workers", "accelerator"}


def train(config: TrainConfig) -> Path:
    """Train, show progress, and leave weights, logs, state and the resolved configuration in ``config.out``.

    Raises:
        VireidError: a run is there already and ``resume`` is not set, or what the parts refuse.
    """
    out, recipe = config.out, config.recipe
    _claim(config)
    if (out / "weights.safetensors").exists():
        console.print(f"{out} holds a finished run; nothing to do")
        return out
    records = read(config.dataset, config.root, trial=config.trial, splits=("train",))
    sampler = IdentitySampler(records, identities=recipe.identities, images=recipe.images, seed=config.seed)
    if len(sampler.skipped):
        console.print(f"{len(sampler.skipped)} identities are seen in one modality only and are not trained on")
    arguments = network_arguments(recipe.network, identities=len(sampler.persons), seed=config.seed)
    network = build_network(**arguments)
    selection = BestOnTest(config, arguments) if config.select == "best-on-test" else None
    steps = max(1, sampler.steps // recipe.accumulate)
    loss, optimizer = dataclasses.asdict(recipe.loss), dataclasses.asdict(recipe.optimizer)
    with _training_bar(recipe.epochs, steps) as on_step:
        fit(
            network,
            records,
            out=out,
            views=make_views(**dataclasses.asdict(recipe.views)),
            criterion=make_criterion(**loss),
            epochs=recipe.epochs,
            identities=recipe.identities,
            images=recipe.images,
            accumulate=recipe.accumulate,
            precision=recipe.precision,
            accelerator=config.accelerator,
            workers=config.workers,
            seed=config.seed,
            resume=config.resume,
            on_step=on_step,
            **({"on_epoch": selection} if selection else {}),
            **optimizer,
        )
    facts = training_facts(config) | {"checkpoint_rule": "last epoch"}
    if selection:
        network, facts = selection.best()
    save_network(network, out / "weights.safetensors", arguments=arguments, facts=facts)
    console.print(f"weights in {out / 'weights.safetensors'}")
    return out


def network_arguments(config: NetworkConfig, *, identities: int, seed: int) -> dict[str, Any]:
    """Keywords of `build_network` for a configuration."""
    arguments = dataclasses.asdict(config)
    size = (arguments.pop("height"), arguments.pop("width"))
    options = {key: arguments.pop(key) for key in ("channels", "stem_width")}
    return arguments | {
        "identities": identities,
        "seed": seed,
        "image_size": size,
        "backbone_options": {key: value for key, value in options.items() if value is not None},
        "streams": QUADRUPLE_STREAMS if config.streams == "quadruple" else DUAL_STREAMS,
    }


def training_facts(config: TrainConfig) -> dict[str, Any]:
    """What results of these weights must be able to say of their training."""
    return {"recipe": config.name, "dataset": config.dataset, "trial": config.trial, "seed": config.seed}


def _claim(config: TrainConfig) -> None:
    file = config.out / "config.json"
    settings = _plain(config)
    if not file.exists():
        if config.out.exists() and any(config.out.iterdir()):
            raise VireidError(f"a run needs a folder of its own, but {config.out} holds other files; choose another")
        document = {"settings": settings, "versions": _versions(), "started": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        with write_atomically(file) as draft:
            draft.write_text(json.dumps(document, indent=2))
        return
    if not config.resume:
        raise VireidError(f"{config.out} holds a run already; continue it with --resume or choose another folder")
    try:
        before = json.loads(file.read_text())["settings"]
    except (ValueError, KeyError) as error:
        raise VireidError(f"{file} is not the configuration of a run: {error}") from error
    changed = sorted(
        key for key in {*before, *settings} - FREE_TO_CHANGE if before.get(key, ...) != settings.get(key, ...)
    )
    if changed:
        differences = ", ".join(f"{key} was {before.get(key)!r}, now {settings.get(key)!r}" for key in changed)
        raise VireidError(f"a run is resumed with the settings it was started with, but {differences}")


def _plain(config: TrainConfig) -> dict[str, Any]:
    """Settings by their dotted names, as JSON gives them back."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, values: dict[str, Any]) -> None:
        for key, value in values.items():
            if isinstance(value, dict):
                walk(f"{prefix}{key}.", value)
            else:
                flat[prefix + key] = str(value) if isinstance(value, Path) else value

    settings = dataclasses.asdict(config)
    walk("", settings.pop("recipe"))
    walk("", settings)
    return json.loads(json.dumps(flat))


def _versions() -> dict[str, str]:
    return {
        "vireid": vireid.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "lightning": lightning.__version__,
        "numpy": np.__version__,
    }


@contextmanager
def _training_bar(epochs: int, steps: int) -> Iterator[Any]:
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f} % {task.fields[terms]} {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, speed_estimate_period=60) as progress:
        task = progress.add_task("", total=epochs * steps, epoch=f"1/{epochs}", terms="", rate="")
        began, images = time.monotonic(), 0

        def on_step(report: StepReport) -> None:
            nonlocal images
            if not images:
                # A resumed run is timed from where it goes on.
                progress.update(task, total=epochs * steps - report.step)
            images += report.images
            rate = images / max(time.monotonic() - began, 1e-9)
            terms = " ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in report.terms.items())
            progress.update(
                task,
                advance=1,
                epoch=f"{report.epoch + 1}/{epochs}",
                terms=terms,
                rate=f"{rate:.0f} images/s",
            )
            if not console.is_terminal and (report.step + 1) % steps == 0:
                # A log file has no bar to watch: a line an epoch takes its place.
                console.print(f"epoch {report.epoch + 1}/{epochs}  {terms}  {rate:.0f} images/s")

        yield on_step
