"""Where the cells of a sweep run when several run at a time: processes of this machine, or jobs of a scheduler."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from vireid.cli.config import TrainConfig
from vireid.cli.sweep_cell import attempt
from vireid.types import MissingExtraError, VireidError

__all__ = ["Job", "run_in_jobs", "start_in_process", "start_in_scheduler"]

# Python would look for modules in the folder where the sweep was started, before its own.
CODE = "import sys; sys.path[:] = filter(None, sys.path); from vireid.cli.sweep_cell import main; main()"

# What a user calls an option of a job, and what submitit calls it; others are sbatch's own.
OPTIONS = {
    "partition": ("slurm_partition", str),
    "time": ("timeout_min", int),
    "gpus": ("gpus_per_node", int),
    "cpus": ("cpus_per_task", int),
    "memory": ("mem_gb", float),
}


class Job(Protocol):
    """A cell at work elsewhere."""

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        ...

    def message(self) -> str:
        """What went wrong, once it has ended; empty where nothing did."""
        ...

    def stop(self) -> None:
        """Tell it to end; what it has kept stays."""
        ...

    def wait(self) -> None:
        """Until it has ended, where it is one of this machine."""
        ...


def run_in_jobs(
    configs: Sequence[TrainConfig],
    start: Callable[[TrainConfig, int], Job],
    *,
    jobs: int,
    pause: float,
    on_start: Callable[[TrainConfig], None],
    on_end: Callable[[TrainConfig, str], None],
) -> None:
    """Run trainings, some at a time, in their order; an error in one leaves the others alone.

    Args:
        start: given a training and the number of its place, 0 to jobs - 1, which no other job has at that time.
        jobs: places.
        pause: seconds between two looks at the jobs.
        on_start, on_end: called for each training; the latter with its message, empty where all went well.
    """
    waiting = list(configs)
    running: dict[int, tuple[TrainConfig, Job]] = {}
    try:
        while waiting or running:
            for place in range(jobs):
                if waiting and place not in running:
                    config = waiting.pop(0)
                    running[place] = (config, start(config, place))
                    on_start(config)
            time.sleep(pause)
            for place, (config, job) in list(running.items()):
                if job.done():
                    del running[place]
                    on_end(config, job.message())
    finally:
        # All are told before any is waited for: after a warning there may be half a minute for them together.
        for _, job in running.values():
            job.stop()
        for _, job in running.values():
            job.wait()


def start_in_process(*, jobs: int, accelerator: str) -> Callable[[TrainConfig, int], Job]:
    """Starts each training in a process of this machine: a place has a GPU, or its share of the CPU's threads."""
    gpus = [] if accelerator in ("cpu", "mps") else _visible_gpus()
    threads = max(1, torch.get_num_threads() // jobs)

    def start(config: TrainConfig, place: int) -> Job:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
        return _Process(config, environment)

    return start


def start_in_scheduler(
    scheduler: Literal["slurm", "local"], folder: Path, options: Sequence[str]
) -> Callable[[TrainConfig, int], Job]:
    """Starts each training as a job of submitit, whose files go to ``folder``.

    Raises:
        VireidError: submitit is not installed, there is no such scheduler, or an option that it does not know.
    """
    try:
        import submitit
    except ModuleNotFoundError:
        raise MissingExtraError("running cells through a scheduler", "submitit", "slurm") from None
    parameters = _parameters(options)
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=scheduler)
        executor.update_parameters(name="vireid-sweep", **parameters)
    except (RuntimeError, NameError, ValueError, TypeError, AssertionError) as error:
        raise VireidError(
            f"the scheduler {scheduler!r} cannot be used with {parameters}: {' '.join(str(error).split())}; run where "
            "its commands are found, and give options that it knows"
        ) from error

    def start(config: TrainConfig, place: int) -> Job:
        return _Submitted(executor.submit(_Resumable(config)))

    return start


class _Process:
    def __init__(self, config: TrainConfig, environment: dict[str, str]) -> None:
        # Beside the run, which must find its folder empty.
        self._log = config.out.with_name(f"{config.out.name}.log")
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment
            )
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            pipe.write(pickle.dumps(config))

    def done(self) -> bool:
        return self._process.poll() is not None

    def message(self) -> str:
        code = self._process.returncode
        if code < 0:
            return f"its process was killed by signal {-code} (out of memory?); what it printed is in {self._log}"
        if code:
            lines = self._log.read_text(errors="replace").split("\n")
            said = next((line for line in reversed(lines) if line.strip()), f"exit code {code}")
            return f"{said.strip()} ({self._log})"
        return ""

    def stop(self) -> None:
        self._process.terminate()

    def wait(self) -> None:
        self._process.wait()


class _Submitted:
    def __init__(self, job: Any) -> None:
        self._job = job

    def done(self) -> bool:
        return self._job.done()

    def message(self) -> str:
        try:
            return self._job.result()
        # A job that did not end is reported by submitit in several ways, all of them Exceptions.
        except Exception as error:
            return f"job {self._job.job_id} did not end: {' '.join(str(error).split())} ({self._job.paths.stderr})"

    def stop(self) -> None:
        self._job.cancel()

    def wait(self) -> None:
        """A scheduler sees to it."""


class _Resumable:
    """A training that submitit starts again where its time ran out; it goes on from its last whole epoch."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config

    def __call__(self) -> str:
        return attempt(self._config)

    def checkpoint(self) -> Any:
        import submitit

        return submitit.helpers.DelayedSubmission(_Resumable(self._config))


def _parameters(options: Sequence[str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not (key and equals and value):
            raise VireidError(f"an option of a job is KEY=VALUE, such as partition=gpu, got {option!r}")
        name, kind = OPTIONS.get(key, (f"slurm_{key}", str))
        try:
            parameters[name] = kind(value)
        except ValueError:
            raise VireidError(f"the option {key} of a job must be a number, got {value!r}") from None
    return parameters


def _visible_gpus() -> list[str]:
    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",")[:count] if named else [str(index) for index in range(count)]
