"""The folder of a run: who may train into it, and with which settings."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vireid.cli.config import TrainConfig
from vireid.cli.console import say
from vireid.cli.recipe_config import RecipeConfig
from vireid.cli.run_settings import write_settings
from vireid.cli.selection import BEST, SCORES
from vireid.data import same_data
from vireid.models import WEIGHTS
from vireid.sharing.card_file import CARD
from vireid.training import code_fingerprint, describe_hardware, library_versions, processes_of_job
from vireid.training.failed_step import FAILED
from vireid.training.log import LOG
from vireid.training.loop import STATE
from vireid.training.run_record import CONFIG, CONFIG_FORMAT, read_run
from vireid.types import VireidError, check_own_places, left_drafts, write_atomically

__all__ = ["claimed", "is_finished", "remove_drafts"]

LOCK = "run.lock"
BOARD = "tensorboard"
BEFORE_THE_FIRST_REPORT = {CONFIG, LOG, LOCK, FAILED, BOARD}
WRITTEN = (CONFIG, LOG, STATE, FAILED, WEIGHTS, SCORES, BEST, CARD)

# What may differ when a run is continued: where it runs, not what it computes.
FREE_TO_CHANGE = {"root", "part_maps", "cache", "out", "resume", "workers", "accelerator", "compile_network"}


def is_finished(config: TrainConfig) -> bool:
    """Whether nothing is left to do.

    Raises:
        VireidError: a folder that this run may not go on in: of another run, of other settings, of other files.
    """
    out, file = config.out, config.out / CONFIG
    if out.exists() and not out.is_dir():
        raise VireidError(f"a run needs a folder of its own, but {out} is a file; choose another")
    there = {each.name for each in out.iterdir()} if out.exists() else set()
    there -= {draft.name for draft in left_drafts(out, WRITTEN)}
    if there <= BEFORE_THE_FIRST_REPORT and not _is_begun(out):
        return False
    if not file.exists():
        if there:
            raise VireidError(f"a run needs a folder of its own, but {out} holds other files; choose another")
        return False
    if not config.resume:
        raise VireidError(f"{out} holds a run already; continue it with --resume or choose another folder")
    before = read_run(out, log=False).settings
    if not before:
        raise VireidError(f"{file} is not the configuration of a run: it has no 'settings'; choose another folder")
    settings = write_settings(config)
    # A run of an older version lacks the settings that came later; it did what their defaults do.
    before = write_settings(TrainConfig(root=config.root, out=out, recipe=RecipeConfig())) | before
    changed = sorted(key for key in {*before, *settings} - FREE_TO_CHANGE if before[key] != settings.get(key, ...))
    if "name" in changed:
        # Two recipes differ in many settings: the name says it best.
        raise VireidError(f"{out} holds a run of {before['name']}, not of {config.name}; choose another folder")
    if changed:
        differences = "; ".join(f"{key} was {before.get(key)}, now {settings.get(key)}" for key in changed)
        raise VireidError(
            f"a run is resumed with the settings it was started with, but {differences}; take these back or choose "
            "another folder"
        )
    return (out / WEIGHTS).exists()


@contextmanager
def claimed(config: TrainConfig, *, data: Mapping[str, object], reproduces: str = "") -> Iterator[None]:
    """Keep the folder from other trainings, and the configuration with the run.

    If the run fails before its first report, nothing is left but the step at which its loss broke: a mended command
    finds the folder free.

    Args:
        data: what is trained on; a run goes on with the same only.
        reproduces: kept with the configuration; see `vireid.training.RunRecord`.

    Raises:
        VireidError: another process trains into the folder, the run was begun on other data, or a link would carry
            something out of the folder.
    """
    if not processes_of_job().first:
        yield
        return
    out, file = config.out, config.out / CONFIG
    was_there = out.exists()
    out.mkdir(parents=True, exist_ok=True)
    check_own_places(out, (*WRITTEN, LOCK, BOARD))
    lock = FileLock(out / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise VireidError(f"another process is training into {out}; wait for it or choose another folder") from None
    remove_drafts(out)
    (out / FAILED).unlink(missing_ok=True)
    if not file.exists() or not _is_begun(out):
        document = {
            "format": CONFIG_FORMAT,
            "settings": write_settings(config),
            **({"reproduces": reproduces} if reproduces else {}),
            "processes": processes_of_job().count,
            "versions": library_versions(),
            "code": code_fingerprint(),
            "data": dict(data),
            "hardware": describe_hardware(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        with write_atomically(file) as draft:
            draft.write_text(json.dumps(document, indent=2))
    try:
        _check_data(file, data)
        yield
    except BaseException:
        if not _is_begun(out) and not (out / FAILED).exists():
            for left in (file, out / LOG, out / LOCK):
                left.unlink(missing_ok=True)
            shutil.rmtree(out / BOARD, ignore_errors=True)
            if not was_there:
                out.rmdir()
        raise
    finally:
        lock.release()
        (out / LOCK).unlink(missing_ok=True)


def remove_drafts(out: Path) -> None:
    """Remove what a killed training left half-written."""
    for draft in left_drafts(out, WRITTEN):
        draft.unlink(missing_ok=True)


def _check_data(file: Path, data: Mapping[str, object]) -> None:
    before = read_run(file.parent, log=False).data or data
    same = same_data(before, data)
    if same is None:
        say(
            f"{file.parent} keeps the fingerprint of its data in the form of another version: whether these are the "
            "images that it was started on is not known"
        )
    elif not same:
        raise VireidError(
            f"a run is resumed on the data that it was started on, but these were {dict(before)} and are {dict(data)}; "
            "bring the images back, or train anew in another folder"
        )


def _is_begun(out: Path) -> bool:
    """Whether anything of a run is worth keeping; one that was killed before its first report has settings only."""
    log = out / LOG
    return (out / STATE).exists() or (out / WEIGHTS).exists() or (log.exists() and log.stat().st_size > 0)
