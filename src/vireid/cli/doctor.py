"""``vireid doctor``: what is wrong with a data set on disk, before a run finds out."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from vireid.cli.config import DoctorConfig
from vireid.cli.console import console, progress_bar
from vireid.data import HOW_TO_OBTAIN, Diagnosis, diagnose

__all__ = ["doctor", "show_diagnosis"]

MARKS = {"error": "[bold red]error[/]", "warning": "[yellow]warning[/]", "note": "[blue]note[/]"}


def doctor(config: DoctorConfig) -> int:
    """Check and report; the exit code is 1 when a run would fail or be wrong."""
    if config.how_to_obtain:
        console.print(HOW_TO_OBTAIN[config.dataset])
        return 0
    with progress_bar("looking into", "images") as progress:
        diagnosis = diagnose(config.dataset, config.root, trial=config.trial, quick=config.quick, progress=progress)
    if config.list_bad:
        sys.stdout.writelines(f"{path}\n" for path in diagnosis.bad_paths)
    else:
        show_diagnosis(diagnosis)
        if not Path(config.root).is_dir():
            console.print(HOW_TO_OBTAIN[config.dataset])
    return int(diagnosis.failed)


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Counts, then every fault with what, where and what to do, then the verdict."""
    table = Table(title=f"{diagnosis.dataset} in {diagnosis.root}", title_justify="left")
    for name in ("split", "modality", "persons", "cameras", "images"):
        table.add_column(name, justify="left" if name in ("split", "modality") else "right")
    for count in diagnosis.counts:
        table.add_row(count.split, count.modality, str(count.persons), str(count.cameras), str(count.images))
    console.print(table)
    for found in diagnosis.faults:
        console.print(f"{MARKS[found.severity]} {escape(str(found))}")
    verdict = "a run would fail or be wrong" if diagnosis.failed else "a run can start"
    console.print(f"{diagnosis.looked_into} of {diagnosis.images} images looked into: {verdict}")
