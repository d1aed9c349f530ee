"""``vireid doctor``: what is wrong with a data set on disk, before a run finds out."""

from __future__ import annotations

import re
import sys

from rich.table import Table

from vireid.cli.config import DoctorConfig
from vireid.cli.console import console, printable, progress_bar, progress_console, say
from vireid.data import HOW_TO_OBTAIN, Diagnosis, Fault, diagnose
from vireid.types import VireidError

__all__ = ["doctor", "show_diagnosis"]

STYLES = {"error": "bold red", "warning": "yellow", "note": "blue"}
INDENT = " " * 9


def doctor(config: DoctorConfig) -> int:
    """Check and report; the exit code is 1 when a run would fail or be wrong.

    Raises:
        VireidError: no folder is given, or what `vireid.data.diagnose` refuses.
    """
    if config.how_to_obtain:
        say(_how_to_obtain(config.dataset))
        return 0
    if config.root is None:
        raise VireidError("doctor needs the folder of a data set: vireid doctor ROOT --dataset NAME")
    with progress_bar("looking into") as progress:
        diagnosis = diagnose(config.dataset, config.root, trial=config.trial, quick=config.quick, progress=progress)
    if config.list_bad:
        sys.stdout.writelines(f"{printable(path)}\n" for path in diagnosis.bad_paths)
        if diagnosis.failed and not diagnosis.bad_paths:
            progress_console.print("every image can be read, but other things are wrong: leave out --list-bad")
        return int(diagnosis.failed)
    show_diagnosis(diagnosis)
    if not config.root.is_dir():
        say(f"\n{_how_to_obtain(config.dataset)}")
    return int(diagnosis.failed)


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Counts, then every fault with what, where and what to do, then the verdict."""
    say(f"{printable(str(diagnosis.root))}, read as {diagnosis.dataset}")
    if diagnosis.counts:
        table = Table()
        for name in ("split", "modality", "persons", "cameras", "images"):
            table.add_column(name, justify="left" if name in ("split", "modality") else "right")
        for count in diagnosis.counts:
            table.add_row(count.split, count.modality, str(count.persons), str(count.cameras), str(count.images))
        console.print(table)
    for found in diagnosis.faults:
        _show_fault(found)
    verdict = "a run would fail or be wrong" if diagnosis.failed else "a run can start"
    say(f"{diagnosis.looked_into} of {diagnosis.images} images looked into: {verdict}", style="bold")


def _show_fault(found: Fault) -> None:
    say(f"{found.severity:<{len(INDENT)}}{printable(found.what)}", style=STYLES[found.severity], indent=INDENT)
    more = found.count - len(found.where)
    for place in (*found.where, *([f"and {more} more"] if more > 0 else [])):
        say(f"{INDENT}- {printable(place)}", indent="  ")
    say(f"{INDENT}to do: {printable(found.what_to_do)}", indent="  ")


def _how_to_obtain(dataset: str) -> str:
    """The text for a screen of any width: a paragraph in one line, and what is said of a path below it."""
    paragraphs = re.sub(r"(?<=\S)\n(?=\S)", lambda found: "\n" if _is_listed(found) else " ", HOW_TO_OBTAIN[dataset])
    return re.sub(r"(?<=\S) {2,}", "\n      ", paragraphs)


def _is_listed(end: re.Match[str]) -> bool:
    return end.string[: end.start()].rpartition("\n")[2].startswith(" ")
