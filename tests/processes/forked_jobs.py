"""Commands of vireid in processes that are forked from one that has paid for the imports.

As a program, this file is that process: it reads a line of JSON for each command and forks.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """A command that was begun; what it said is there once it has ended."""

    process: int
    folder: Path

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def said(self) -> str:
        """On standard error."""
        return (self.folder / "said").read_text()


class ForkedJobs:
    """Starts commands and waits for them; `close` ends what is left."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._running: list[Job] = []
        self._parent = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )
        assert self._ask() == "ready"

    def start(self, arguments: Sequence[object], environment: Mapping[str, object] | None = None) -> Job:
        """Begin ``vireid ARGUMENTS``; a word "then" begins another one in the same process after it."""
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        told = {name: str(value) for name, value in (environment or {}).items()}
        line = {"arguments": [str(each) for each in arguments], "environment": told, "folder": str(folder)}
        job = Job(int(self._ask(line)), folder)
        self._running.append(job)
        return job

    def wait(self, job: Job) -> int:
        """Its exit code, below 0 for a signal."""
        code = int(self._ask({"process": job.process}))
        self._running.remove(job)
        return code

    def start_together(self, arguments: Sequence[object], count: int = 2) -> list[Job]:
        """The same command in several processes of one job, each told what srun tells; nobody watches over them."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        told = {"SLURM_STEP_NUM_TASKS": count, "SLURM_NTASKS": count, "SLURM_NTASKS_PER_NODE": count, "SLURM_NODEID": 0}
        told |= {"SLURM_JOB_ID": 1, "SLURM_JOB_NAME": "vireid", "SLURM_NODELIST": "localhost"}
        told |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        ranks = [{"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in range(count)]
        return [self.start(arguments, told | rank) for rank in ranks]

    def run_together(self, arguments: Sequence[object], count: int = 2) -> tuple[list[int], list[Job]]:
        """Exit codes of the processes of a job, and what they said."""
        jobs = self.start_together(arguments, count)
        return [self.wait(job) for job in jobs], jobs

    def close(self) -> None:
        for job in self._running:
            os.kill(job.process, signal.SIGKILL)
        self._parent.kill()
        self._parent.communicate()
        self._folder.cleanup()

    def _ask(self, line: dict[str, object] | None = None) -> str:
        assert self._parent.stdin
        assert self._parent.stdout
        if line is not None:
            self._parent.stdin.write(json.dumps(line) + "\n")
            self._parent.stdin.flush()
        answer = self._parent.stdout.readline()
        assert answer, "the parent of the jobs died"
        return answer.strip()


def _become(arguments: list[str], environment: dict[str, str], folder: Path) -> None:
    """Be one command, or one after the other, and end."""
    from vireid.cli.main import main

    os.environ.update(environment)
    for number, name in ((1, "out"), (2, "said")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600), number)
    code: object = 1
    try:
        for command in " \0 ".join(arguments).split(" \0 then \0 "):
            code = main(command.split(" \0 "))
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _serve() -> None:
    import tensorboard  # noqa: F401

    import vireid.cli.embed
    import vireid.cli.evaluate
    import vireid.cli.train
    import vireid.training.loop  # noqa: F401

    # A shell that runs the tests in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("ready", flush=True)
    for text in sys.stdin:
        line = json.loads(text)
        if "process" in line:
            _, status = os.waitpid(line["process"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        else:
            process = os.fork()
            if not process:
                _become(line["arguments"], line["environment"], Path(line["folder"]))
            print(process, flush=True)


if __name__ == "__main__":
    _serve()
