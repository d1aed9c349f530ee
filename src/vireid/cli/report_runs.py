"""What a report is made of: the runs, the data that they are measured on, and what came out."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vireid.cli.console import printable, progress_bar, progress_console, say
from vireid.cli.plan import Plan, make_plan
from vireid.cli.refuse_export import refuse_export
from vireid.cli.report_config import ReportConfig
from vireid.cli.setting_kinds import is_of_kind, name_of_kind
from vireid.data import DATASETS, DatasetName
from vireid.evaluation import Evaluation, StoredResult, evaluate, read_results, refuse_other_trial, store_result
from vireid.figures.style import shorten_to_letters
from vireid.models import Network, build_network, fingerprint, load_network
from vireid.retrieval import autocast_type, embed_records
from vireid.training import RunRecord, read_run
from vireid.types import Embeddings, VireidError

__all__ = ["Data", "MeasuredNetwork", "ReportedRun", "find_data", "measure_runs", "read_runs", "untrained"]

_LONGEST_LABEL = 28


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportedRun:
    """A run as it lies on disk.

    Attributes:
        label: what the report calls it, alone of all its runs.
        facts: saved with the weights.
        weights: `vireid.models.fingerprint`.
        stored: results that were kept with it.
    """

    label: str
    record: RunRecord
    network: Network
    facts: dict[str, Any]
    weights: str
    stored: Sequence[StoredResult]

    @property
    def method(self) -> str:
        """The recipe, as results name it."""
        return self.facts.get("recipe") or "not known"


@dataclass(frozen=True, eq=False, kw_only=True)
class Data:
    """The test side that a report is measured on, and how."""

    dataset: str
    trial: int
    plan: Plan


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasuredNetwork:
    """A network on the test side.

    Attributes:
        label: the run's, or what an untrained network is called.
        result: its scores in the trials.
        note: what a caption must say of it, empty for a run.
    """

    label: str
    network: Network
    embeddings: Embeddings
    result: Evaluation
    note: str = ""


def read_runs(folders: Sequence[Path]) -> list[ReportedRun]:
    """Load each run and call it by its recipe, or by its folder where recipes are the same or not known.

    Raises:
        VireidError: no run, one given twice, two of the same weights, an export, or what cannot be read.
    """
    if not folders:
        raise VireidError("a report needs a run; name a run directory, as vireid train makes it")
    places = [folder.resolve() for folder in folders]
    twice = next((folder for folder, place in zip(folders, places) if places.count(place) > 1), None)
    if twice is not None:
        raise VireidError(f"a report compares different runs, but {twice} was given more than once; give it once")
    for folder in folders:
        refuse_export(folder)
    read = [(read_run(folder), *load_network(folder)) for folder in folders]
    weights = [fingerprint(folder, "bn") for folder in folders]
    for number, one in enumerate(weights):
        if one in weights[:number]:
            raise VireidError(
                f"a report compares different weights, but {folders[weights.index(one)]} and {folders[number]} have "
                f"the same ({one.split(' ')[0]}); leave one of them out"
            )
    labels = _labels(places, [str(facts.get("recipe", "")) for _, _, facts in read])
    return [
        ReportedRun(
            label=label,
            record=record,
            network=network,
            facts=facts,
            weights=own,
            stored=read_results(folder),
        )
        for folder, label, own, (record, network, facts) in zip(folders, labels, weights, read)
    ]


def find_data(config: ReportConfig, run: ReportedRun, device: torch.device) -> Data:
    """Where the data of a run are, by what it was asked or by its own settings.

    Raises:
        VireidError: it is known neither from the run nor from the command, or the data are not there.
    """
    settings = run.record.settings
    for name, kind in {"dataset": DatasetName, "root": Path, "trial": int}.items():
        if not is_of_kind(settings.get(name), kind | None):
            raise VireidError(
                f"the {name} in the settings of {run.record.folder} must be {name_of_kind(kind)}, got "
                f"{reprlib.repr(settings[name])}; correct its config.json, or remove it and give --dataset and --root"
            )
    dataset: Any = config.dataset or settings.get("dataset") or run.facts.get("dataset")
    root: Any = config.root or settings.get("root")
    missing = [flag for flag, value in {"--dataset": dataset, "--root": root}.items() if not value]
    if missing:
        raise VireidError(
            f"{run.record.folder} does not say what it was trained on; give {' and '.join(missing)} of the data set"
        )
    if dataset not in DATASETS:
        raise VireidError(
            f"the data set of a report is one of {', '.join(DATASETS)}, but {run.record.folder} names "
            f"{reprlib.repr(dataset)}; give --dataset and --root"
        )
    trial = next(each for each in (config.trial, settings.get("trial"), run.facts.get("trial"), 1) if each is not None)
    kind = autocast_type("auto", device)
    plan = make_plan(
        dataset,
        Path(root),
        feature="bn" + ("" if kind is None else f" computed in {str(kind).removeprefix('torch.')}"),
        checkpoint_rule=run.facts.get("checkpoint_rule") or "not known",
        method=run.method,
        reconstruction=run.facts.get("reconstruction") or "none",
        mode=config.mode,
        trial=trial,
    )
    return Data(dataset=dataset, trial=trial, plan=plan)


def untrained(run: ReportedRun) -> tuple[str, str, Network]:
    """The network of a run with the weights that its seed draws, what to call it and what to say of it."""
    arguments: dict[str, Any] = {**run.network.arguments, "weights": "none"}
    network = build_network(**arguments).eval()
    if run.record.settings.get("network.weights") == "none":
        return "untrained", "Untrained: the same network before its first step, as its seed drew it.", network
    note = (
        "Random weights: the same network as a seed draws it. The run started from other weights, which no report has."
    )
    return "random weights", note, network


def measure_runs(
    runs: Sequence[ReportedRun], data: Data, *, device: torch.device, workers: int
) -> tuple[list[MeasuredNetwork], MeasuredNetwork | None]:
    """Embed the test side by each network and score it; the result of a run stays with it, too.

    Returns:
        What each run made; and for a single run what its network makes untrained, else None.

    Raises:
        VireidError: a run of another trial of RegDB, or what embedding and scoring refuse.
    """
    for run in runs:
        if data.dataset == "regdb" and run.facts.get("dataset") == "regdb":
            refuse_other_trial(run.facts.get("trial"), data.trial)
    measured = []
    for run in runs:
        embeddings = _embed(run.network, data, run.label, device, workers)
        facts = {
            "method": run.method,
            "checkpoint_rule": run.facts.get("checkpoint_rule") or "not known",
            "reconstruction": run.facts.get("reconstruction") or "none",
        }
        protocol = dataclasses.replace(data.plan.protocol, **facts)
        result = evaluate(data.plan.records, embeddings, data.plan.trials, protocol)
        _keep(run, result)
        measured.append(MeasuredNetwork(label=run.label, network=run.network, embeddings=embeddings, result=result))
    if len(runs) > 1:
        return measured, None
    label, note, network = untrained(runs[0])
    embeddings = _embed(network, data, label, device, workers)
    protocol = dataclasses.replace(data.plan.protocol, method=label, checkpoint_rule="before any training")
    result = evaluate(data.plan.records, embeddings, data.plan.trials, protocol)
    return measured, MeasuredNetwork(label=label, network=network, embeddings=embeddings, result=result, note=note)


def _embed(network: Network, data: Data, label: str, device: torch.device, workers: int) -> Embeddings:
    with progress_bar(f"embedding, {label}") as progress:
        return embed_records(network, data.plan.records, device=device, workers=workers, progress=progress)


def _keep(run: ReportedRun, result: Evaluation) -> None:
    if not run.record.folder.is_dir():
        return
    try:
        store_result(run.record.folder, result, weights=run.weights)
    except VireidError as error:
        say(f"the result is not kept with the run: {error}", to=progress_console)


def _labels(folders: Sequence[Path], recipes: Sequence[str]) -> list[str]:
    """Short names, no two alike."""
    names = [folder.stem if folder.is_file() else folder.name for folder in folders]
    for candidates in (
        recipes,
        names,
        [f"{folder.parent.name}/{name}" for folder, name in zip(folders, names)],
    ):
        shown = [printable(each) for each in candidates]
        if all(0 < len(each) <= _LONGEST_LABEL for each in shown) and len(set(shown)) == len(shown):
            return shown
    return [
        f"{number}. {shorten_to_letters(printable(name), _LONGEST_LABEL - 3)}"
        for number, name in enumerate(names, start=1)
    ]
