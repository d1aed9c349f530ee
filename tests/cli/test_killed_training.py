"""Trainings that are killed at random moments, told to end or out of disk, and go on as if nothing had been."""

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
from vireid.training.checkpoint import load_state

# Forks a training for each line it reads, so that only one process pays for the imports. In the n-th state that it
# writes it may be killed, or the disk be full, with a share of the state written.
HELPER = """
import errno, io, os, resource, signal, sys, torch
import vireid.cli.train
from vireid.cli.main import main
import vireid.models, vireid.training.loop, tensorboard
print("ready", flush=True)

def break_a_state(kind, left, share):
    write = torch.save
    def broken(state, draft):
        nonlocal left
        left -= 1
        if left > 0:
            return write(state, draft)
        whole = io.BytesIO()
        write(state, whole)
        draft.write_bytes(whole.getvalue()[: int(share * whole.tell())])
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    torch.save = broken

for line in sys.stdin:
    room, fault, *arguments = line.rstrip("\\n").split("\\t")
    worker = os.fork()
    if not worker:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if int(room):
            # Writes beyond so many bytes fail, as they do where a disk is full.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(room), resource.RLIM_INFINITY))
        if fault:
            kind, left, share = fault.split()
            break_a_state(kind, int(left), float(share))
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

    def start(self, out: Path, *more: str, room: int = 0, fault: str = "") -> int:
        """Begin or go on; the process."""
        assert self._helper.stdin
        resumed = ["--resume"] if out.exists() else []
        line = [str(room), fault, *self._flags, "--out", str(out), *resumed, *more]
        self._helper.stdin.write("\t".join(line) + "\n")
        self._helper.stdin.flush()
        return int(self._read())

    def end(self) -> int:
        """Wait for it; its exit code, below 0 for a signal."""
        return int(self._read())

    def run(self, out: Path, *more: str, room: int = 0, fault: str = "") -> int:
        """Begin or go on, and wait."""
        self.start(out, *more, room=room, fault=fault)
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


def left_drafts(out: Path) -> list[Path]:
    return list(out.glob(".state.pt.*"))


def kill_again_and_again(trainings: Trainings, unbroken: tuple[Path, float], folder: Path, kills: int) -> None:
    """Kill at any moment, every third time in the middle of a state, and fill the disk up in between."""
    chance = random.Random(kills)
    whole, seconds = unbroken
    done, cut_short, in_a_state, full, number = 0, 0, 0, 0, 0
    while done < kills:
        out = folder / f"run{number}"
        number += 1
        code = None
        while code != 0 and done < kills:
            where = f"{chance.randint(1, 2)} {chance.random()}"
            if done % 3 == 1:
                code = trainings.run(out, fault=f"killed {where}")
                in_a_state += bool(left_drafts(out))
            else:
                worker = trainings.start(out)
                time.sleep(chance.uniform(0, seconds))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                code = trainings.end()
            done += 1
            assert code in (0, -signal.SIGKILL), trainings.said()
            cut_short += code != 0
            if code and done % 4 == 0:
                code = trainings.run(out, fault=f"full {where}")
                assert code in (0, 2), trainings.said()
                assert not left_drafts(out)
                full += code == 2
        if code:
            assert trainings.run(out) == 0, trainings.said()
        assert_same(out, whole)
        shutil.rmtree(out)
    assert cut_short >= kills // 2
    assert in_a_state >= kills // 6
    assert full >= kills // 12


def test_a_training_killed_at_random_moments_ends_in_the_same_weights(trainings, unbroken, tmp_path):
    kill_again_and_again(trainings, unbroken, tmp_path, 6)


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine with other work
def test_a_training_killed_at_many_random_moments_ends_in_the_same_weights(trainings, unbroken, tmp_path):
    kill_again_and_again(trainings, unbroken, tmp_path, 60)


def test_a_disk_that_fills_up_costs_no_step_that_was_kept(trainings, unbroken, tmp_path):
    whole, _ = unbroken
    out = tmp_path / "run"
    # Room for the log, not for a state.
    assert trainings.run(out, room=(whole / "state.pt").stat().st_size // 2) == 2
    assert not (out / "state.pt").exists()
    # Room for one state, not for the next beside it.
    assert trainings.run(out, fault="full 2 0.5") == 2
    assert "cannot write" in trainings.said()
    assert load_state(out / "state.pt")["epoch"] == 1
    assert not left_drafts(out)
    assert trainings.run(out) == 0
    assert_same(out, whole)


def test_sigterm_saves_the_step_and_the_run_goes_on_from_it(trainings, unbroken, tmp_path):
    whole, seconds = unbroken
    chance = random.Random(0)
    told = 0
    for number in range(2):
        out = tmp_path / f"run{number}"
        code = None
        while code != 0:
            worker = trainings.start(out, "--workers", str(number))
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
