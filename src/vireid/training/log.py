"""What a training writes down, step by step."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from vireid.types import VireidError, write_atomically

__all__ = ["RunLog", "StepReport"]

LOG = "log.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What one optimiser step did: a line of the log.

    Attributes:
        step: from 0, over all epochs.
        epoch: from 0.
        terms: value of each loss term.
        learning_rate: of all but the head.
        images: seen by the network in this step, every view counted.
    """

    step: int
    epoch: int
    terms: dict[str, float]
    learning_rate: float
    images: int


class RunLog:
    """The JSON-lines and TensorBoard logs of a run.

    Args:
        out: run directory, made if it is not there.
        keep_steps: steps that the state to resume from has done; what a killed run wrote after them is cut off.

    Raises:
        VireidError: the log cannot be written.
    """

    def __init__(self, out: Path, *, keep_steps: int) -> None:
        file = out / LOG
        kept = file.read_text().splitlines(keepends=True)[:keep_steps] if file.exists() and keep_steps else []
        with write_atomically(file) as draft:
            draft.write_text("".join(kept))
        self._stream = file.open("a")
        self._board = SummaryWriter(out / "tensorboard", purge_step=keep_steps)
        self._started = time.monotonic()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._board.close()

    def write(self, report: StepReport) -> None:
        """Add a line; it is on disk for sure after `flush`."""
        line = {
            "step": report.step,
            "epoch": report.epoch,
            **{f"loss/{name}": value for name, value in report.terms.items()},
            "learning_rate": report.learning_rate,
            "images": report.images,
            "seconds": round(time.monotonic() - self._started, 3),
        }
        self._stream.write(json.dumps(line) + "\n")
        for name, value in report.terms.items():
            self._board.add_scalar(f"loss/{name}", value, report.step)
        self._board.add_scalar("learning_rate", report.learning_rate, report.step)

    def flush(self) -> None:
        """Bring every line onto the disk."""
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise VireidError(f"cannot write the log {self._stream.name}: {error.strerror}") from error
