"""``vireid train``: a recipe on a data set, into a run directory."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from rich.console import Group
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from vireid.cli.config import TrainConfig
from vireid.cli.console import TimeColumn, progress_bar, progress_console, quiet_unless_first, say, shown_while
from vireid.cli.recipe_config import NetworkConfig
from vireid.cli.recipes import method_of, reconstruction_of
from vireid.cli.run_folder import claimed, is_finished, remove_drafts
from vireid.cli.selection import BestOnTest
from vireid.cli.sharing import refresh_card
from vireid.cli.termination import (
    CACHE_KEPT,
    TERMINATED,
    tell_what_is_kept,
    telling_what_is_kept,
    termination_noted,
)
from vireid.data import (
    HOW_TO_GET_PART_MAPS,
    PART_MAP_FOLDER,
    PixelCache,
    count_part_maps,
    fingerprint_records,
    open_pixel_cache,
    read,
)
from vireid.data.sampler import IdentitySampler
from vireid.models import (
    DUAL_STREAMS,
    QUADRUPLE_STREAMS,
    SHARED_STREAMS,
    TRIPLE_STREAMS,
    WEIGHTS,
    build_network,
    save_network,
)
from vireid.sharing.card_file import CARD
from vireid.training import PartMaps, StepReport, TrainingStopped, fit, join_processes, make_criterion, processes_of_job
from vireid.training.loop import STATE
from vireid.transforms import make_movement, make_views
from vireid.types import Records, VireidError, VireidWarning, naming_place, printable

__all__ = ["describe_data", "network_arguments", "train"]

STREAMS = {
    "quadruple": QUADRUPLE_STREAMS,
    "shared": SHARED_STREAMS,
    "triple": TRIPLE_STREAMS,
    "dual": DUAL_STREAMS,
}


def train(config: TrainConfig, *, reproduces: str = "") -> Path:
    """Train, show progress, and leave weights, logs, state and the resolved configuration in ``config.out``.

    Started by torchrun or srun, all processes call it and the first leaves the files.

    Args:
        reproduces: kept with the configuration; see `vireid.training.RunRecord`.

    Raises:
        SystemExit: SIGTERM came; where the training stands is saved.
        VireidError: a run is there already and ``resume`` is not set, a loss that the streams do not fit, or what the
            parts refuse.
    """
    out, recipe = config.out, config.recipe
    quiet_unless_first(processes_of_job().first)
    # All processes look before the first one writes.
    finished = is_finished(config)
    join_processes(config.accelerator).barrier()
    if finished:
        if processes_of_job().first and not (out / CARD).exists():
            # Killed when all but the card was written.
            remove_drafts(out)
            refresh_card(out)
        say(f"{out} holds a finished run; nothing to do")
        return out
    records = read(config.dataset, config.root, trial=config.trial, splits=("train",))
    sampler = IdentitySampler(records, identities=recipe.identities, images=recipe.images, seed=config.seed)
    if len(sampler.skipped):
        everyone = len(sampler.persons) + len(sampler.skipped)
        say(f"not trained on, because seen in one modality only: {len(sampler.skipped)} of {everyone} identities")
    part_maps = _part_maps(config, records)
    arguments = network_arguments(recipe.network, identities=len(sampler.persons), seed=config.seed)
    criterion = make_criterion(streams=arguments["streams"], **dataclasses.asdict(recipe.loss))
    if recipe.network.weights == "imagenet":
        progress_console.print(f"fetching the ImageNet weights of {recipe.network.backbone} unless they are cached")
    network = build_network(**arguments)
    facts = {
        "recipe": method_of(config.name, recipe),
        "reconstruction": reconstruction_of(recipe),
        "dataset": config.dataset,
        "trial": config.trial,
        "seed": config.seed,
    }
    selection = BestOnTest(config, facts=facts) if config.select == "best-on-test" else None
    steps = max(1, sampler.steps // recipe.accumulate)
    optimizer = dataclasses.asdict(recipe.optimizer)
    cache = _pixel_cache(config, records, _trained_on(records, sampler))
    # Only the first process keeps it, and the others need not ask the disk for every file.
    data = describe_data(records, sampler) if processes_of_job().first else {}
    with (
        _telling_what_is_kept(out),
        _telling_warnings(),
        naming_place(out),
        claimed(config, data=data, reproduces=reproduces),
        termination_noted() as told,
        _training_bar(recipe.epochs, steps) as on_step,
    ):
        fit(
            network,
            records,
            out=out,
            views=make_views(**dataclasses.asdict(recipe.views)),
            part_maps=part_maps,
            cache=cache,
            criterion=criterion,
            epochs=recipe.epochs,
            identities=recipe.identities,
            images=recipe.images,
            accumulate=recipe.accumulate,
            precision=recipe.precision,
            accelerator=config.accelerator,
            workers=config.workers,
            loss_batch=config.loss_batch,
            sync_batchnorm=config.sync_batchnorm,
            compile_network=config.compile_network,
            seed=config.seed,
            resume=config.resume,
            on_step=on_step,
            stop=told,
            **({"on_epoch": selection} if selection else {}),
            **optimizer,
        )
    if not processes_of_job().first:
        return out
    network, facts = selection.best() if selection else (network, facts | {"checkpoint_rule": "last epoch"})
    save_network(network, out / WEIGHTS, facts=facts)
    refresh_card(out)
    say(f"weights in {out / WEIGHTS}")
    return out


@contextmanager
def _telling_what_is_kept(out: Path) -> Iterator[None]:
    """Let SIGTERM, which a training answers after its step, and Ctrl-C say from where the run goes on."""
    how = "continue with the same command and --resume"
    try:
        yield
    except TrainingStopped as stopped:
        ending = SystemExit(TERMINATED)
        tell_what_is_kept(ending, f"{stopped.steps} steps are kept: {how}")
        raise ending from None
    except (KeyboardInterrupt, SystemExit) as ending:
        if (out / STATE).exists():
            tell_what_is_kept(ending, f"every whole epoch is kept: {how}")
        raise


@contextmanager
def _telling_warnings() -> Iterator[None]:
    """Let what the library warns of be a line like any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", VireidWarning)
        show = warnings.showwarning

        def told(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if issubclass(category, VireidWarning):
                say(printable(str(message)), to=progress_console)
            else:
                show(message, category, *where)

        warnings.showwarning = told
        yield


def describe_data(records: Records, sampler: IdentitySampler) -> dict[str, object]:
    """What a training draws from: its fingerprint, and how many images of how many identities."""
    rows = _trained_on(records, sampler)
    return {
        "fingerprint": fingerprint_records(records, rows),
        "images": len(rows),
        "identities": len(sampler.persons),
    }


def _trained_on(records: Records, sampler: IdentitySampler) -> Int64[np.ndarray, " k"]:
    return records.rows(splits=["train"], persons=sampler.persons.tolist())


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
        "streams": STREAMS[config.streams],
    }


def _part_maps(config: TrainConfig, records: Records) -> PartMaps | None:
    """The part maps of a training that is guided by some; refuses one that finds none."""
    recipe = config.recipe
    if not recipe.loss.parsing_weight:
        if config.part_maps:
            raise VireidError(
                "part maps guide a parsing loss, which this recipe has not; leave --part-maps out, or set "
                "--loss.parsing-weight and --network.parts"
            )
        return None
    if recipe.network.parts < 2:
        raise VireidError(
            "the parsing loss needs a network that predicts parts; set --network.parts to their number, background "
            "included"
        )
    folder = config.part_maps or config.root / PART_MAP_FOLDER
    rows = records.rows(splits=["train"])
    found = count_part_maps(records, rows, folder=folder)
    if not found:
        say(HOW_TO_GET_PART_MAPS, to=progress_console)
        raise VireidError(
            f"the parsing loss needs part maps, but {folder} has none of the images'; make some, or name their folder "
            "with --part-maps"
        )
    if found < len(rows):
        say(f"part maps guide {found} of {len(rows)} images; the others are trained on without")
    views = recipe.views
    movement = make_movement(style=views.style, padding=views.padding, erasing=views.erasing)
    return PartMaps(folder=folder, parts=recipe.network.parts, movement=movement)


def _pixel_cache(config: TrainConfig, records: Records, rows: Int64[np.ndarray, " k"]) -> PixelCache | None:
    """The cache that is asked for, with the images of the people who are trained on."""
    if config.cache is None:
        return None
    network = config.recipe.network
    with telling_what_is_kept(CACHE_KEPT), progress_bar("caching") as progress:
        return open_pixel_cache(
            records,
            rows,
            folder=config.cache,
            height=network.height,
            width=network.width,
            progress=progress,
            say=partial(say, to=progress_console),
        )


@contextmanager
def _training_bar(epochs: int, steps: int) -> Iterator[Callable[[StepReport], None]]:
    """Epoch, images a second and time left in a line, the loss terms in the next; in a log file a line an epoch."""
    progress = Progress(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]}"),
        TimeColumn(),
        speed_estimate_period=60,
        auto_refresh=False,
    )
    task = progress.add_task("", total=epochs * steps, epoch=f"1/{epochs}", rate="")
    losses = Text()
    began, images = time.monotonic(), 0

    def on_step(report: StepReport) -> None:
        nonlocal images
        if not images:
            # A resumed run is timed from where it goes on.
            progress.update(task, total=epochs * steps - report.step)
        images += report.images
        rate = f"{images / max(time.monotonic() - began, 1e-9):.0f} images/s"
        epoch = f"{report.epoch + 1}/{epochs}"
        progress.update(task, advance=1, epoch=epoch, rate=rate)
        terms = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in report.terms.items())
        losses.plain = f"  loss: {terms}"
        if not progress_console.is_terminal and (report.step + 1) % steps == 0:
            progress_console.print(f"epoch {epoch}: loss {terms}; {rate}", soft_wrap=True)

    with shown_while(Group(progress, losses)) as live:
        yield on_step
        live.transient = not progress_console.is_terminal
