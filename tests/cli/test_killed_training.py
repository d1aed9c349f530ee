"""Trainings that are killed at random moments, or told to end, and go on as if nothing had been."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from vireid.cli.termination import TERMINATED

# Forks a training for each line it reads, so that only one process pays for the imports.
HELPER = """
import os, resource, signal, sys
import vireid.cli.train
from vireid.cli.main import main
import vireid.models, vireid.training.loop, tensorboard
print("ready", flush=True)
for line in sys.stdin:
    room, *arguments = line.rstrip("\\n").split("\\t")
    worker = os.fork()
    if not worker:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if int(room):
            # Writes beyond so many bytes fail, as they do where a disk is full.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(room), resource.RLIM_INFINITY))
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
        os._exit(code)
    print(worker, flush=True)
    _, status = os.waitpid(worker, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Trainings:
    """Runs ``vireid train`` in children that are quickly made."""

    def __init__(self, root: Path, flags: list[str]) -> None:
        self._flags = ["train", "mscmnet-small", "--root", str(root), *flags, "--epochs", "4"]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the helper
        self._helper = subprocess.Popen(
            [sys.executable, "-c", HELPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self._read() == "ready"

    def start(self, out: Path, *more: str, room: int = 0) -> int:
        """Begin or go on; the process."""
        assert self._helper.stdin
        resumed = ["--resume"] if out.exists() else []
        self._helper.stdin.write("\t".join([str(room), *self._flags, "--out", str(out), *resumed, *more]) + "\n")
        self._helper.stdin.flush()
        return int(self._read())

    def end(self) -> int:
        """Wait for it; its exit code, below 0 for a signal."""
        return int(self._read())

    def run(self, out: Path, *more: str, room: int = 0) -> int:
        """Begin or go on, and wait."""
        self.start(out, *more, room=room)
        return self.end()

    def said(self) -> str:
        """The last that any of them wrote on standard error."""
        self._said.seek(0)
        return self._said.read()[-2000:].decode()

    def close(self) -> None:
        self._helper.kill()
        self._helper.communicate()
        self._said.close()

    def _read(self) -> str:
        assert self._helper.stdout
        line = self._helper.stdout.readline()
        assert line, "the helper died"
        return line.strip()


@pytest.fixture(scope="module")
def trainings(tiny_world, tiny_flags):
    made = Trainings(tiny_world, tiny_flags)
    yield made
    made.close()


@pytest.fixture(scope="module")
def unbroken(trainings, tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken") / "run"
    began = time.monotonic()
    assert trainings.run(out) == 0
    return out, time.monotonic() - began


def log_of(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def assert_same(out: Path, other: Path) -> None:
    """The same weights, bit for bit, and a line for each step, once."""
    one, two = (load_file(run / "weights.safetensors") for run in (out, other))
    assert one.keys() == two.keys()
    assert all(one[name].equal(two[name]) for name in one)
    assert log_of(out) == log_of(other)
    assert [line["step"] for line in log_of(out)] == list(range(len(log_of(out))))
    assert not [file.name for file in out.iterdir() if file.name.startswith(".")]


def kill_again_and_again(trainings: Trainings, unbroken: tuple[Path, float], folder: Path, kills: int) -> None:
    chance = random.Random(kills)
    whole, seconds = unbroken
    done, cut_short, number = 0, 0, 0
    while done < kills:
        out = folder / f"run{number}"
        number += 1
        while True:
            worker = trainings.start(out)
            if chance.random() < 0.3:
                # In the middle of writing the state: its draft lies beside it.
                deadline = time.monotonic() + 2 * seconds
                while not list(out.glob(".state.pt.*")) and not (out / "weights.safetensors").exists():
                    if time.monotonic() > deadline:
                        break
            else:
                time.sleep(chance.uniform(0, seconds))
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
            code = trainings.end()
            done += 1
            if code == 0:
                break
            assert code == -signal.SIGKILL, trainings.said()
            cut_short += 1
            if done >= kills:
                assert trainings.run(out) == 0
                break
        assert_same(out, whole)
        shutil.rmtree(out)
    assert cut_short >= kills // 2


def test_a_training_killed_at_random_moments_ends_in_the_same_weights(trainings, unbroken, tmp_path):
    kill_again_and_again(trainings, unbroken, tmp_path, 6)


@pytest.mark.slow
def test_a_training_killed_at_many_random_moments_ends_in_the_same_weights(trainings, unbroken, tmp_path):
    kill_again_and_again(trainings, unbroken, tmp_path, 60)


def test_a_disk_that_fills_up_costs_no_step_that_was_kept(trainings, unbroken, tmp_path):
    whole, _ = unbroken
    size = (whole / "state.pt").stat().st_size
    out = tmp_path / "run"
    # Room for the log, not for a state; then for a state that was there before.
    for room in (size // 2, size - 1):
        assert trainings.run(out, room=room) == 2
        assert not (out / "state.pt").exists()
    assert trainings.run(out) == 0
    assert_same(out, whole)


def test_sigterm_saves_the_step_and_the_run_goes_on_from_it(trainings, unbroken, tmp_path):
    whole, seconds = unbroken
    chance = random.Random(0)
    told = 0
    for number in range(3):
        out = tmp_path / f"run{number}"
        code = None
        while code != 0:
            worker = trainings.start(out, "--workers", str(number % 2))
            deadline = time.monotonic() + 20
            while not (out / "log.jsonl").exists() and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, seconds / 2))
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGTERM)
            code = trainings.end()
            if code == TERMINATED:
                told += 1
                assert len(log_of(out)) > 0
            else:
                # Before the first step, or while it puts the weights down, the signal ends it as it ends any program.
                assert code in (0, -signal.SIGTERM), trainings.said()
        assert_same(out, whole)
    assert told
