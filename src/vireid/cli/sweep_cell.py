"""One training of a sweep: train, score, and keep the result with what it was made from."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import pickle
import platform
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from vireid.cli.config import TrainConfig
from vireid.cli.console import progress_bar
from vireid.cli.device import pick_device
from vireid.cli.plan import make_plan
from vireid.cli.termination import ended_by_termination, kept_after
from vireid.cli.train import train
from vireid.data import PART_MAP_FOLDER
from vireid.evaluation import chance, evaluate, rows_of
from vireid.models import fingerprint, load_network
from vireid.retrieval import embed_records
from vireid.types import VireidError, write_atomically

__all__ = ["attempt", "main", "read_result", "run_cell"]

RESULT = "result.json"


def run_cell(config: TrainConfig) -> dict[str, Any]:
    """Train, or go on with what was begun, then score by the data set's default protocol; the result is kept.

    Raises:
        VireidError: another process is at work on this cell, or what training and scoring refuse.
    """
    with _alone(config.out):
        train(config)
        result = _score(config)
        with write_atomically(config.out / RESULT) as draft:
            draft.write_text(json.dumps(result, indent=1))
    return result


def read_result(config: TrainConfig) -> dict[str, Any] | None:
    """The result kept for exactly this training and its weights as they are now; None where there is none."""
    try:
        result = json.loads((config.out / RESULT).read_text())
        same = result["settings"] == _settings(config) and result["weights"] == fingerprint(config.out, "bn")
    except (OSError, ValueError, KeyError, TypeError, VireidError):
        return None
    return result if same else None


def attempt(config: TrainConfig) -> str:
    """`run_cell`; the answer is what went wrong, empty where nothing did."""
    try:
        run_cell(config)
    except (VireidError, OSError) as error:
        return str(error)
    except Exception as error:
        # One cell's fault, whatever it is, must not end the others; the trace is for whoever mends it.
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    """Run the cell that stands pickled on standard input, for `vireid.cli.sweep_jobs`."""
    # Ctrl-C goes to the sweep and its cells at once; the sweep answers it, and tells them to save where they are.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ended_by_termination():
            message = attempt(pickle.load(sys.stdin.buffer))
    except SystemExit as ending:
        sys.stderr.write(f"terminated; {kept_after(ending) or 'finished work is kept'}\n")
        raise
    if message:
        sys.exit(" ".join(message.split()))


def _score(config: TrainConfig) -> dict[str, Any]:
    network, facts = load_network(config.out)
    plan = make_plan(
        config.dataset,
        config.root,
        feature="bn",
        checkpoint_rule=facts["checkpoint_rule"],
        method=facts["recipe"],
        reconstruction=facts["reconstruction"],
        trial=config.trial,
    )
    with progress_bar("embedding") as progress:
        embeddings = embed_records(
            network,
            plan.records,
            rows_of(plan.trials),
            device=pick_device(config.accelerator),
            precision="32",
            workers=config.workers,
            progress=progress,
        )
    evaluation = evaluate(plan.records, embeddings, plan.trials, plan.protocol)
    return {
        "settings": _settings(config),
        "weights": fingerprint(config.out, "bn"),
        "versions": json.loads((config.out / "config.json").read_text())["versions"],
        "hardware": _hardware(config),
        "evaluation": evaluation.to_json(),
        "chance": chance(plan.records, plan.trials),
    }


def _settings(config: TrainConfig) -> dict[str, Any]:
    """What the numbers depend on, as JSON gives it back."""
    settings = {
        "recipe": dataclasses.asdict(config.recipe),
        "dataset": config.dataset,
        "trial": config.trial,
        "seed": config.seed,
    }
    if config.recipe.loss.parsing_weight:
        settings["part_maps"] = _fingerprint_of_maps(config.part_maps or config.root / PART_MAP_FOLDER)
    return json.loads(json.dumps(settings))


def _fingerprint_of_maps(folder: Path) -> str:
    """16 hexadecimal digits of the list of part maps and the size of each."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.png")):
        digest.update(repr((file.relative_to(folder).as_posix(), file.stat().st_size)).encode())
    return digest.hexdigest()[:16]


def _hardware(config: TrainConfig) -> str:
    device = pick_device(config.accelerator)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{platform.machine()} {device.type.upper()}, {threads} thread{'s' if threads > 1 else ''}"


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold a run's folder, so that a cell whose sweep was killed, and is still at work, is not run a second time."""
    out.mkdir(parents=True, exist_ok=True)
    handle = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VireidError(
                f"another process is at work in {out}; wait for it to end, then run the sweep again"
            ) from None
        yield
    finally:
        os.close(handle)
