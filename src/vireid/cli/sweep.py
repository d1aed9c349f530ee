"""``vireid sweep``: train and score every cell of a named grid, and keep one table of them all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vireid.cli.config import SweepConfig, TrainConfig
from vireid.cli.console import say
from vireid.cli.device import pick_device
from vireid.cli.sweep_cell import attempt, read_result
from vireid.cli.sweep_facts import describe_sweep, fingerprint_of, form_of
from vireid.cli.sweep_jobs import run_in_jobs, start_in_process, start_in_scheduler
from vireid.cli.sweep_table import make_rows, to_csv, to_markdown
from vireid.cli.sweeps import COSTED, Cell, make_cells
from vireid.cli.termination import telling_what_is_kept
from vireid.data import read
from vireid.models import load_network
from vireid.models.cost import Cost, measure_cost
from vireid.types import Records, VireidError, write_atomically

__all__ = ["sweep"]

SWEEP = "sweep.json"
COST = "cost.json"

# Seconds between two looks at jobs; a scheduler is asked less often.
PAUSE = {"here": 0.2, "local": 0.5, "slurm": 10.0}


def sweep(config: SweepConfig) -> int:
    """Run what is not done yet; the exit code is 2 where a cell failed, else 0.

    ``config.out`` holds a folder for each cell with a run for each seed, ``table.md`` and ``table.csv``, written anew
    after each training.

    Raises:
        VireidError: nothing to run, a folder that holds something else, or a data set that cannot be read.
    """
    if min(config.seeds, config.jobs) < 1:
        raise VireidError(f"a sweep needs at least 1 seed and 1 job, got {config.seeds} and {config.jobs}")
    if config.submit == "here" and config.submit_options:
        raise VireidError("--submit-options are for a scheduler; name one with --submit slurm, or leave them out")
    cells = make_cells(config.name, small=config.small, epochs=config.epochs, weights=config.weights)
    backbones = sorted({cell.recipe.network.backbone for cell in cells})
    if config.weights not in (None, "imagenet", "none") and len(backbones) > 1:
        raise VireidError(
            f"a file of weights fits one backbone, but {config.name} has {', '.join(backbones)}; use imagenet or none"
        )
    records = read(config.dataset, config.root, trial=config.trial)
    fingerprint = fingerprint_of(records)
    _claim(config, fingerprint)
    trainings = {cell.key: [_training(config, cell, seed) for seed in range(config.seeds)] for cell in cells}
    table = _Table(config, cells, trainings, records, fingerprint)
    # A whole table of one seed comes before the second seed.
    ordered = [trainings[cell.key][seed] for seed in range(config.seeds) for cell in cells]
    waiting = [training for training in ordered if read_result(training) is None]
    if len(waiting) < len(ordered):
        say(f"{len(ordered) - len(waiting)} of {len(ordered)} trainings are done already")
    table.write()
    with telling_what_is_kept("finished cells and every whole epoch are kept: go on with the same command"):
        failed = _run(config, waiting, table)
        if config.name in COSTED:
            # One after the other, when no training runs any more.
            _costs(config, trainings, measure=True)
    table.write()
    say(table.text)
    for training, message in failed:
        say(f"failed: {_title(training)}: {message}")
    return 2 if failed else 0


class _Table:
    """``table.md`` and ``table.csv`` of a sweep, from the results that there are."""

    def __init__(
        self,
        config: SweepConfig,
        cells: Sequence[Cell],
        trainings: Mapping[str, Sequence[TrainConfig]],
        records: Records,
        fingerprint: str,
    ) -> None:
        self.text = ""
        self._config, self._cells, self._trainings = config, cells, trainings
        self._records, self._fingerprint = records, fingerprint

    def write(self) -> None:
        """Costs are measured last: until then a table that has their columns has them empty."""
        found = {key: [read_result(training) for training in several] for key, several in self._trainings.items()}
        results = {key: [result for result in several if result] for key, several in found.items()}
        measured = _costs(self._config, self._trainings) if self._config.name in COSTED else None
        rows = make_rows(self._cells, results, measured, self._config.dataset)
        self.text = to_markdown(rows, self._cells)
        facts = describe_sweep(self._config, self._cells, self._records, self._fingerprint, results, measured)
        lines = [f"# Sweep {self._config.name}", "", *(f"- {name}: {fact}" for name, fact in facts.items() if fact)]
        for file, content in (
            ("table.md", "\n".join([*lines, "", self.text, ""])),
            ("table.csv", to_csv(rows)),
        ):
            with write_atomically(self._config.out / file) as draft:
                draft.write_text(content, encoding="utf-8")


def _run(config: SweepConfig, waiting: Sequence[TrainConfig], table: _Table) -> list[tuple[TrainConfig, str]]:
    failed: list[tuple[TrainConfig, str]] = []
    ended = 0

    def on_start(training: TrainConfig) -> None:
        say(f"{_title(training)}: started")

    def on_end(training: TrainConfig, message: str) -> None:
        nonlocal ended
        ended += 1
        result = None if message else read_result(training)
        if result is None:
            message = message or f"it ended without a result in {training.out}"
            failed.append((training, message))
        else:
            mean = result["evaluation"]["mean"]
            message = f"Rank-1 {100 * mean['cmc'][0]:.2f}, mAP {100 * mean['map']:.2f}"
            table.write()
        say(f"{_title(training)}: {message} ({ended} of {len(waiting)})")

    if config.submit == "here" and config.jobs == 1:
        for training in waiting:
            on_start(training)
            on_end(training, attempt(training))
    elif waiting:
        if config.submit == "here":
            start = start_in_process(jobs=config.jobs, accelerator=config.accelerator)
        else:
            start = start_in_scheduler(config.submit, config.out / "jobs", config.submit_options)
        run_in_jobs(waiting, start, jobs=config.jobs, pause=PAUSE[config.submit], on_start=on_start, on_end=on_end)
    return failed


def _training(config: SweepConfig, cell: Cell, seed: int) -> TrainConfig:
    return TrainConfig(
        # A job may start in another folder.
        root=config.root.resolve(),
        out=config.out.resolve() / cell.key / f"seed-{seed}",
        recipe=cell.recipe,
        name=f"{config.name}/{cell.key} ({form_of(config)}, {cell.recipe.epochs} epochs)",
        dataset=config.dataset,
        trial=config.trial,
        seed=seed,
        resume=True,
        part_maps=config.part_maps.resolve() if config.part_maps and cell.recipe.loss.parsing_weight else None,
        cache=config.cache.resolve() if config.cache else None,
        accelerator=config.accelerator,
        workers=config.workers,
    )


def _title(training: TrainConfig) -> str:
    return f"{training.out.parent.name}, seed {training.seed}"


def _costs(
    config: SweepConfig, trainings: Mapping[str, Sequence[TrainConfig]], *, measure: bool = False
) -> dict[str, Cost]:
    """Of every trained cell as it was measured before; where that is missing, measured here and now if asked to."""
    costs = {}
    for key, (first, *_) in trainings.items():
        file = first.out.parent / COST
        if file.exists():
            costs[key] = Cost.from_json(json.loads(file.read_text()))
        elif measure and read_result(first) is not None:
            network, _ = load_network(first.out)
            costs[key] = measure_cost(network.to(pick_device(config.accelerator)))
            with write_atomically(file) as draft:
                draft.write_text(json.dumps(costs[key].to_json(), indent=1))
    return costs


def _claim(config: SweepConfig, fingerprint: str) -> None:
    """Keep what the sweep is; refuse a folder of another one."""
    out, file = config.out, config.out / SWEEP
    document: dict[str, Any] = {
        "name": config.name,
        "form": form_of(config),
        "epochs": config.epochs,
        "weights": config.weights,
        "dataset": config.dataset,
        "trial": config.trial,
        "data": fingerprint,
    }
    if not file.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise VireidError(f"a sweep needs a folder of its own, but {out} holds something else; choose another")
        with write_atomically(file) as draft:
            draft.write_text(json.dumps(document, indent=1))
        return
    try:
        before = json.loads(file.read_text())
        changed = [key for key in document if before.get(key, ...) != document[key]]
    except (ValueError, AttributeError) as error:
        raise VireidError(f"{file} is not what a sweep leaves: {error}; choose another folder") from error
    if changed:
        differences = "; ".join(f"{key} was {before.get(key)}, now {document[key]}" for key in changed)
        raise VireidError(
            f"{out} holds another sweep: {differences}; go on with the settings that it was started with, or choose "
            "another folder"
        )
