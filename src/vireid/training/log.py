"""What a training writes down, step by step."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from vireid.types import VireidError, VireidWarning, write_atomically

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
        keep_steps: steps that the state to resume from has done; what a killed run wrote after them is cut off. A log
            that was removed begins anew after them, with a `VireidWarning`.

    Raises:
        VireidError: the log cannot be written, or the one that is there lacks steps that are done.
    """

    def __init__(self, out: Path, *, keep_steps: int) -> None:
        file = out / LOG
        kept = _lines_of_steps(file, keep_steps) if keep_steps else []
        with write_atomically(file) as draft:
            draft.write_bytes(b"".join(kept))
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


def _lines_of_steps(file: Path, steps: int) -> list[bytes]:
    """The lines of the steps before ``steps``: a line each, without a gap up to the last.

    They are on the disk before a state says that these steps are done, so that no kill loses one. The first steps may
    be missing: then the file was removed when they were done.

    Raises:
        VireidError: another step is missing, or what is there is no log.
    """
    lines: list[bytes] = []
    first = steps
    try:
        for line in _whole_lines(file):
            step = json.loads(line)["step"]
            if type(step) is not int or (lines and step != first + len(lines)):
                raise ValueError(f"it holds step {step!r}")
            if not lines:
                first = min(step, steps)
            if first + len(lines) == steps:
                break
            lines.append(line)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unsound(file, steps, f"but line {len(lines) + 1} does not go on: {error}") from error
    if lines and first + len(lines) != steps:
        raise _unsound(file, steps, f"but ends with step {first + len(lines) - 1}")
    if first:
        warnings.warn(
            f"{file} lacks the first {first} steps, which are done: it was removed; it goes on after them",
            VireidWarning,
            stacklevel=3,
        )
    return lines


def _whole_lines(file: Path) -> Iterator[bytes]:
    if not file.exists():
        return
    if not file.is_file():
        raise OSError("it is no regular file")
    with file.open("rb") as stream:
        # The last one may be half-written.
        yield from (line for line in stream if line.endswith(b"\n"))


def _unsound(file: Path, steps: int, what: str) -> VireidError:
    return VireidError(
        f"{file} must hold a line for each step that is done, up to step {steps - 1}, {what}; move it away, and the "
        "same command goes on with a new log from there"
    )
