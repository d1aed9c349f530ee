"""``vireid report``: everything that can be shown of a run, as figures and one page that needs nothing else."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from vireid.cli.console import printable, progress_bar, progress_console, say
from vireid.cli.device import pick_device
from vireid.cli.report_config import ReportConfig
from vireid.cli.report_drawing import Drawing
from vireid.cli.report_photographs import activation_pictures, alb_pictures, confusion_pictures, ranked_pictures
from vireid.cli.report_plots import (
    accuracy_pictures,
    cmc_picture,
    distance_pictures,
    loss_picture,
    map_pictures,
    token_pictures,
)
from vireid.cli.report_results import (
    asked_for,
    kept_results,
    name_protocol,
    other_results_table,
    protocol_table,
    results_table,
)
from vireid.cli.report_runs import Data, MeasuredNetwork, ReportedRun, find_data, measure_runs, read_runs
from vireid.cli.report_tables import NAMES, configuration_tables, machine_tables, runs_table, test_side
from vireid.evaluation import Averages, Evaluation, chance
from vireid.figures.report import Picture, Report, Section, Table, render_report
from vireid.figures.report_folder import FIGURES, PAGE, check_report_folder, report_folder
from vireid.types import MissingExtraError, VireidError

__all__ = ["report"]

PRIVACY = (
    "This page contains images of people. Share it only as the licence of the data set allows, with people who need it."
)
NO_IMAGES = "Images of people were left out. People are still told apart by the numbers or names of the data set."

Draw = Callable[[Drawing], list[Picture]]

OF_NETWORKS: dict[str, list[tuple[Draw, bool]]] = {
    "Ranked lists": [(ranked_pictures, True)],
    "Where the network looks": [(activation_pictures, True)],
    "What each scale brings": [(alb_pictures, True), (token_pictures, False)],
    "Map of embeddings": [(map_pictures, False)],
    "Distances within and between people": [(distance_pictures, False)],
    "Accuracy by camera and by person": [(accuracy_pictures, False)],
    "Hardest confusions": [(confusion_pictures, True)],
}
"""What draws each part that needs the data, and whether it shows people."""


def report(config: ReportConfig) -> Path:
    """Measure the runs, draw every figure, and put figures and page into ``config.out``, all or nothing.

    What cannot be drawn is named on the page and why; without the data set there are still settings, curves, and the
    results that were kept with the runs.

    Returns:
        The page.

    Raises:
        VireidError: no room for a report there, runs that cannot be read, data that were asked for and are not there,
            nothing to report at all, or a package that is missing.
    """
    began = time.monotonic()
    check_report_folder(config.out)
    _check_packages()
    runs = read_runs(config.runs)
    device = pick_device(config.accelerator)
    data, missing = _data(config, runs, device)
    networks, results, rates = [], kept_results(runs, config), None
    if data is not None:
        measured, before = measure_runs(runs, data, device=device, workers=config.workers)
        networks = measured if before is None else [before, *measured]
        results = {each.label: each.result for each in networks}
        rates = chance(data.plan.records, data.plan.trials)
    elif not results and not any(run.record.steps for run in runs):
        raise VireidError(f"there is nothing to report: no results or log are kept with the run, and {missing}")
    elif not results and asked_for(config):
        say(_none_kept(config), to=progress_console)
    with report_folder(config.out) as folder:
        figures = folder / FIGURES
        sections = [
            Section(
                title="Results",
                text=[each.note for each in networks if each.note],
                tables=_results_tables(runs, results, rates),
            ),
            *_curves(figures, runs, results, rates),
            *(_drawn(config, data, networks, figures) if data is not None else ()),
            Section(title="Protocol", tables=_protocol_tables(results, data)),
            Section(title="Runs", tables=[runs_table(runs)]),
            Section(title="Configuration", tables=configuration_tables(runs)),
            Section(title="Machines and versions", tables=machine_tables(runs)),
            Section(title="How this report was made", text=_how(config, data)),
        ]
        page = Report(
            title=_title(runs),
            notices=_notices(config, results, data),
            summary=_summary(runs, results, data),
            sections=[section for section in sections if section.text or section.tables or section.pictures],
        )
        (folder / PAGE).write_text(render_report(page), encoding="utf-8", errors="backslashreplace")
        figures.mkdir(exist_ok=True)
    size = (config.out / PAGE).stat().st_size / 1e6
    took = time.monotonic() - began
    say(f"{config.out / PAGE} ({size:.1f} MB) in {took:.0f} s; every figure is in {config.out / FIGURES}")
    return config.out / PAGE


def _check_packages() -> None:
    for module, package in {"matplotlib": "matplotlib", "sklearn": "scikit-learn", "captum": "captum"}.items():
        if find_spec(module) is None:
            raise MissingExtraError("a report", package, "report")


def _data(config: ReportConfig, runs: Sequence[ReportedRun], device: torch.device) -> tuple[Data | None, str]:
    """The data, or what is missing of them; data that were asked for must be there."""
    try:
        return find_data(config, runs[-1], device), ""
    except VireidError as error:
        if config.root is not None:
            raise
        say(
            f"no figure or score that needs images: {error}. With --root FOLDER they are taken from there",
            to=progress_console,
        )
        return None, str(error)


def _results_tables(
    runs: Sequence[ReportedRun], results: Mapping[str, Evaluation], rates: Averages | None
) -> list[Table]:
    tables = [results_table(results, rates)] if results else []
    other = other_results_table(runs, results)
    return [*tables, other] if other is not None else tables


def _protocol_tables(results: Mapping[str, Evaluation], data: Data | None) -> list[Table]:
    rule = data.plan.trials[0].rule if data is not None else None
    return [protocol_table(result, rule) for result in [*results.values()][-1:]]


def _curves(
    figures: Path, runs: Sequence[ReportedRun], results: Mapping[str, Evaluation], rates: Averages | None
) -> Iterator[Section]:
    if results:
        yield _guarded("Matching curves", lambda: [cmc_picture(figures, results, rates)])
    if any(run.record.steps for run in runs):
        yield _guarded("Losses", lambda: [loss_picture(figures, runs)])


def _guarded(title: str, draw: Callable[[], list[Picture]], root: Path | None = None) -> Section:
    """A section with its pictures, or with the reason why they cannot be drawn."""
    try:
        return Section(title=title, pictures=draw())
    except VireidError as error:
        # The message may name a file: on the page without the folders of this machine.
        reason = str(error) if root is None else str(error).replace(str(root), "ROOT")
        return Section(title=title, text=[f"Not drawn: {printable(reason)}"])


def _drawn(config: ReportConfig, data: Data, networks: Sequence[MeasuredNetwork], figures: Path) -> Iterator[Section]:
    """A section for each part that needs the data; one that cannot be drawn says why."""
    drawing = Drawing(folder=figures, data=data, networks=networks, seed=config.seed)
    allowed = {
        title: [draw for draw, photographs in several if not (photographs and config.no_images)]
        for title, several in OF_NETWORKS.items()
    }
    with progress_bar("drawing", "parts") as progress:
        for done, (title, several) in enumerate(allowed.items(), start=1):
            yield _guarded(
                title,
                lambda several=several: [picture for draw in several for picture in draw(drawing)],
                data.plan.records.root,
            )
            progress(done, len(allowed))


def _title(runs: Sequence[ReportedRun]) -> str:
    *earlier, last = [run.label for run in runs]
    return f"{last}, compared with {', '.join(earlier)}" if earlier else f"Report of {last}"


def _none_kept(config: ReportConfig) -> str:
    return f"No result of what was asked for ({asked_for(config)}) is kept with the run, so none stands at the head"


def _notices(config: ReportConfig, results: Mapping[str, Evaluation], data: Data | None) -> list[str]:
    if data is None:
        lacks = (
            "The images of the data set were not at hand: this report holds settings, curves and the results that were "
            "kept with the runs. It lacks ranked lists, Grad-CAM, attention, maps, distances, accuracy by camera and "
            "by person, and confusions. Give vireid report the folder of the data set (--root) for all of it."
        )
        return [lacks, f"{_none_kept(config)}."] if asked_for(config) and not results else [lacks]
    return [NO_IMAGES if config.no_images else PRIVACY]


def _summary(
    runs: Sequence[ReportedRun], results: Mapping[str, Evaluation], data: Data | None
) -> list[tuple[str, str]]:
    last = runs[-1]
    facts = [("method", last.method)]
    if data is not None:
        facts.append(("data", f"test side in the layout of {NAMES[data.dataset]}: {test_side(data)}"))
    if last.label in results:
        result = results[last.label]
        rank1, map_ = 100 * result.mean["cmc"][0], 100 * result.mean["map"]
        facts += [
            ("protocol", name_protocol(result.protocol)),
            ("result", f"Rank-1 {rank1:.2f}, mAP {map_:.2f} (percent)"),
        ]
    facts += [("weights", last.weights.split(" ")[0]), ("made", time.strftime("%Y-%m-%d %H:%M %z"))]
    return [(name, printable(fact)) for name, fact in facts]


def _how(config: ReportConfig, data: Data | None) -> list[str]:
    named = [*(run.resolve().name for run in config.runs), "--out", config.out.resolve().name]
    named += ["--dataset", config.dataset] if config.dataset else []
    named += ["--root", "ROOT"] if config.root is not None else []
    named += ["--trial", str(config.trial)] if config.trial is not None else []
    named += ["--mode", config.mode] if config.mode != "all" else []
    named += ["--no-images"] if config.no_images else []
    named += ["--seed", str(config.seed)] if config.seed else []
    text = [f"vireid report {printable(shlex.join(named))}"]
    text.append("Folders are given by their last names; where they lay on the machine is left out.")
    if data is not None:
        text.append(
            "Every network embedded every test image once, resized but not augmented; all figures are drawn from these "
            f"embeddings. Who is pictured was drawn by seed {config.seed}, never by a result, but for the hardest "
            "confusions. The same runs, data and seed give the same figures on one machine."
        )
    return text
