"""The tables of a report on its runs: where they come from, with which settings, on which machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PureWindowsPath
from typing import Any

from vireid.cli.console import printable
from vireid.cli.report_runs import Data, ReportedRun
from vireid.evaluation.standing import TABLES
from vireid.figures.report import Table
from vireid.training import code_fingerprint, describe_hardware, library_versions

__all__ = ["LAYOUTS", "NAMES", "NOT_KEPT", "configuration_tables", "machine_tables", "runs_table", "test_side"]

NOT_KEPT = "not kept"
# Where files lay on the machine of the training is nobody's business who reads a report.
PLACES = ("root", "out", "cache", "part_maps")

PACKAGES = ("matplotlib", "scikit-learn", "captum", "umap-learn")

NAMES = {**TABLES, "folder": "a folder"}
"""What people call the layouts of data sets; a made world may lie in any of them."""

LAYOUTS = {dataset: f"in the layout of {name}" for dataset, name in NAMES.items() if dataset != "folder"}


def runs_table(runs: Sequence[ReportedRun]) -> Table:
    """Where each run comes from and what its weights are; folders by their names alone."""
    facts: dict[str, list[str]] = {
        "folder": [run.record.folder.resolve().name for run in runs],
        "method": [run.method for run in runs],
        "trained on": [_trained_on(run) for run in runs],
        "training data": [_training_data(run) for run in runs],
        "checkpoint": [str(run.facts.get("checkpoint_rule", "not known")) for run in runs],
        "reconstruction": [str(run.facts.get("reconstruction", "none")) for run in runs],
        "image, height x width": ["{} x {} pixels".format(*run.network.image_size) for run in runs],
        "parameters": [f"{sum(each.numel() for each in run.network.parameters()):,}" for run in runs],
        "weights": [run.weights.split(" ")[0] for run in runs],
    }
    return Table(
        caption="The runs",
        header=["", *(run.label for run in runs)],
        rows=_shown([[name, *values] for name, values in facts.items()]),
        note="Weights: the first 16 digits of the SHA-256 of their file.",
    )


def configuration_tables(runs: Sequence[ReportedRun]) -> list[Table]:
    """Every setting by its dotted name; of several runs those that differ first."""
    trained = [run for run in runs if run.record.settings]
    names = list(dict.fromkeys(name for run in trained for name in run.record.settings if name not in PLACES))
    values = {name: [_setting(run.record.settings.get(name)) for run in trained] for name in names}
    different = [name for name in names if len(set(values[name])) > 1]
    labels = [run.label for run in trained]
    tables = []
    if different:
        tables.append(
            Table(
                caption=f"Settings that differ ({len(different)})",
                header=["setting", *labels],
                rows=_shown([[name, *values[name]] for name in different]),
            )
        )
    same = [name for name in names if name not in different]
    if same:
        alike = "Settings that all runs share" if len(trained) > 1 else "Settings"
        tables.append(
            Table(
                caption=f"{alike} ({len(same)})",
                header=["setting", "value"],
                rows=_shown([[name, values[name][0]] for name in same]),
                note="Folders of the machine are left out.",
            )
        )
    return tables


def machine_tables(runs: Sequence[ReportedRun]) -> list[Table]:
    """Hardware and versions of each training and of this report."""
    here: dict[str, Any] = describe_hardware()
    columns = [run.record.hardware for run in runs] + [here]
    header = ["", *(f"training of {run.label}" for run in runs), "this report"]
    hardware = [[_spaced(name), *(_hardware(column, name) for column in columns)] for name in here]
    hardware.append(["started", *(run.record.started or NOT_KEPT for run in runs), ""])
    hardware.append(["time of training", *(_duration(run) for run in runs), ""])
    versions = [run.record.versions for run in runs] + [_versions()]
    packages = list(dict.fromkeys(name for column in reversed(versions) for name in column))
    codes = [*(run.record.code or NOT_KEPT for run in runs), code_fingerprint()]
    return [
        Table(caption="Hardware", header=header, rows=_shown(hardware)),
        Table(
            caption="Versions",
            header=header,
            rows=_shown(
                [
                    *([name, *(column.get(name, NOT_KEPT) for column in versions)] for name in packages),
                    ["code of vireid", *codes],
                ]
            ),
            note="Code: 16 digits of the SHA-256 of the library's own source.",
        ),
    ]


def test_side(data: Data) -> str:
    """What the images of the test are, in words."""
    records = data.plan.records
    infrared = int(records.infrared.sum())
    persons = len(set(records.persons.tolist()))
    cameras = len(set(records.cameras.tolist()))
    return (
        f"{len(records):,} images ({infrared:,} infrared, {len(records) - infrared:,} visible) of {persons:,} people "
        f"from {cameras} cameras"
    )


def _trained_on(run: ReportedRun) -> str:
    dataset = str(run.facts.get("dataset") or "not known")
    trial = f", trial {run.facts.get('trial')}" if dataset == "regdb" else ""
    return LAYOUTS.get(dataset, dataset) + trial


def _training_data(run: ReportedRun) -> str:
    data = run.record.data
    if not data:
        return NOT_KEPT
    return f"{data.get('images')} images of {data.get('identities')} people, fingerprint {data.get('fingerprint')}"


def _setting(value: Any) -> str:
    """A value as the command line has it; of what is a place, the last name alone."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " ".join(_setting(each) for each in value) or "none"
    if isinstance(value, str) and re.search(r"[/\\]", value):
        return PureWindowsPath(value).name if "\\" in value else Path(value).name
    return str(value)


def _hardware(column: Mapping[str, Any], name: str) -> str:
    if not column:
        return NOT_KEPT
    value = column.get(name)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return NOT_KEPT if value is None else str(value)


def _duration(run: ReportedRun) -> str:
    """Over all parts of a training that was resumed: each counts its seconds anew."""
    counted = [float(step["seconds"]) for step in run.record.steps if "seconds" in step]
    if not counted:
        return NOT_KEPT
    seconds = sum(now for now, after in zip(counted, [*counted[1:], 0.0]) if after < now)
    return f"{seconds / 60:.1f} minutes"


def _versions() -> dict[str, str]:
    found = library_versions()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _spaced(name: str) -> str:
    return {"memory_gib": "memory (GiB)"}.get(name, name.replace("_", " "))


def _shown(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[printable(cell) for cell in row] for row in rows]
