"""What all benchmarks share: which machine this is, how long a call took, and two ways to do one thing, in turns."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch

from vireid.training import describe_hardware

_Result = TypeVar("_Result")


def describe(command: str, *packages: str) -> str:
    """Hardware, versions, date and the command: the list at the head of every table."""
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {importlib.metadata.version(name)}" for name in ("torch", *packages)]
    machine = describe_hardware()
    lines = [
        f"- `{command}`, {datetime.date.today().isoformat()}",
        f"- {machine['processor']}, {machine['cores']} cores, {machine['system']}, "
        f"load average {os.getloadavg()[0]:.1f} at the end",
        f"- {', '.join(versions)}",
    ]
    if torch.cuda.is_available():
        lines.append(f"- {torch.cuda.get_device_name()}, {torch.cuda.get_device_properties(0).total_memory >> 30} GiB")
    return "\n".join(lines)


def timed(call: Callable[[], _Result]) -> tuple[float, float, _Result]:
    """Wall seconds, CPU seconds of all threads of this process, and the result; a GPU is waited for."""
    wait_for_gpu()
    wall, busy = time.perf_counter(), time.process_time()
    result = call()
    wait_for_gpu()
    return time.perf_counter() - wall, time.process_time() - busy, result


def wait_for_gpu() -> None:
    """Until everything that a GPU was given is done; nothing where there is none."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def in_turns(calls: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Wall seconds of each call in each round, after one round that does not count.

    All are called once a round, so that whatever else the machine does falls on all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            wall, _, _ = timed(call)
            if number:
                seconds[name].append(wall)
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> str:
    """How many times as long the slow one took: the middle of the rounds' ratios, least and most."""
    ratios = sorted(one / other for one, other in zip(slow, fast, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f})"
