"""Commands that SIGTERM or Ctrl-C ends: one honest line, nothing half-written, no process left; and they go on."""

from __future__ import annotations

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
from vireid.retrieval import open_gallery
from vireid.types import Embeddings

# Forks a command for each line it reads, so that only one process pays for the imports. A command sends itself the
# signal when it opens a file for the n-th time, or when so much time has gone by; Ctrl-C of a terminal goes to all
# processes of a group.
HELPER = """
import os, signal, sys
import vireid.cli.train, vireid.cli.evaluate, vireid.cli.report, vireid.cli.export, vireid.cli.index, vireid.cli.embed
import vireid.cli.search, vireid.cli.sweep, vireid.cli.reproduce, vireid.cli.doctor, vireid.cli.synth
import vireid.retrieval, vireid.models, vireid.training.loop, tensorboard, vireid.figures.report
from vireid.cli.main import main
# A shell that runs the tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
print("ready", flush=True)

def when_opened(number, at, below):
    left = at
    def look(event, arguments):
        nonlocal left
        if event == "open" and str(arguments[0]).startswith(below):
            left -= 1
            if not left:
                os.killpg(0, number)
    sys.addaudithook(look)

for line in sys.stdin:
    number, at, seconds, below, *arguments = line.rstrip("\\n").split("\\t")
    worker = os.fork()
    if not worker:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if int(at):
            when_opened(int(number), int(at), below)
        if float(seconds):
            signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, int(number)))
            signal.setitimer(signal.ITIMER_REAL, float(seconds))
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
        sys.stderr.flush()
        os._exit(code)
    _, status = os.waitpid(worker, 0)
    try:
        os.killpg(worker, 0)
        left = "left"
    except ProcessLookupError:
        left = "none"
    print(os.waitstatus_to_exitcode(status), left, flush=True)
"""

CACHED = "; the images that were cached stay: start the same command again to go on"
ADDED = "; what was added stays: start the same command again to go on"
TRAINED = "; what was trained stays: start the same command again to go on"

CODES = {signal.SIGTERM: TERMINATED, signal.SIGINT: 130}
WORDS = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupted"}


class Commands:
    """Runs ``vireid`` in children that are quickly made."""

    def __init__(self) -> None:
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

    def run(
        self, *arguments: object, number: int = 0, at: int = 0, seconds: float = 0, below: Path | str = ""
    ) -> tuple[int, str]:
        """Run one, perhaps until a signal; its exit code and what it wrote on standard error."""
        assert self._helper.stdin
        before = self._said.seek(0, os.SEEK_END)
        self._helper.stdin.write("\t".join(map(str, (int(number), at, seconds, below, *arguments))) + "\n")
        self._helper.stdin.flush()
        code, left = self._read().split()
        assert left == "none", f"{arguments} left a process behind"
        self._said.seek(before)
        return int(code), self._said.read().decode()

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
def commands():
    made = Commands()
    yield made
    made.close()


def lines(tiny_world: Path, tiny_run: Path, tiny_flags: list[str], out: Path) -> dict[str, list[object]]:
    """Commands that read images of the world, each into a place of its own."""
    tiny_run = Path(shutil.copytree(tiny_run, out / "tiny"))
    data: list[object] = ["--root", tiny_world, "--dataset", "sysu"]
    score: list[object] = ["evaluate", "--checkpoint", tiny_run, *data, "--json", out / "e.json"]
    return {
        "embed": ["embed", "--checkpoint", tiny_run, *data, "--out", out / "e.npz"],
        "embed with workers": ["embed", "--checkpoint", tiny_run, *data, "--workers", 2, "--out", out / "e.npz"],
        "evaluate": score,
        "evaluate a cache": [*score, "--cache", out / "c"],
        "index": ["index", tiny_world, "--dataset", "sysu", "--checkpoint", tiny_run, "--gallery", out / "gallery"],
        "report": ["report", tiny_run, "--root", tiny_world, "--out", out / "report"],
        "export": ["export", tiny_run, "--to", "onnx", *data, "--out", out / "export"],
        "doctor": ["doctor", tiny_world, "--dataset", "sysu"],
        "train": ["train", "mscmnet-small", "--root", tiny_world, "--out", out / "run", *tiny_flags],
        "reproduce": ["reproduce", tiny_run, "--out", out / "again"],
    }


def drafts(folder: Path) -> list[Path]:
    return [file for file in folder.rglob(".*") if not file.name.startswith(".image")]


def assert_ended_well(code: int, said: str, number: signal.Signals) -> None:
    assert code == CODES[number], said
    assert "Traceback" not in said
    assert "Error" not in said
    assert said.count("vireid: ") == 1
    assert said.splitlines()[-1].startswith(f"vireid: {WORDS[number]}"), said


@pytest.mark.parametrize(
    ("name", "number", "kept"),
    [
        ("embed", signal.SIGTERM, ""),
        ("embed with workers", signal.SIGTERM, ""),
        ("embed with workers", signal.SIGINT, ""),
        ("evaluate", signal.SIGINT, ""),
        (
            "evaluate a cache",
            signal.SIGTERM,
            "; the images that were cached stay: start the same command again to go on",
        ),
        (
            "evaluate a cache",
            signal.SIGINT,
            "; the images that were cached stay: start the same command again to go on",
        ),
        ("index", signal.SIGINT, ADDED),
        ("report", signal.SIGTERM, ""),
        ("export", signal.SIGTERM, ""),
        ("doctor", signal.SIGTERM, ""),
        ("train", signal.SIGINT, ""),
        ("reproduce", signal.SIGTERM, TRAINED),
    ],
)
def test_a_command_that_is_told_to_end_does_so_in_one_line(
    commands, tiny_world, tiny_run, tiny_flags, tmp_path, name, number, kept
):
    arguments = lines(tiny_world, tiny_run, tiny_flags, tmp_path)[name]
    # Before a training begins, and before that in reproduce, 88 images are read for the fingerprint of the data.
    at = 12 + 88 * {"train": 1, "reproduce": 2}.get(name, 0)
    code, said = commands.run(*arguments, number=number, at=at, below=tiny_world / "cam")
    assert_ended_well(code, said, number)
    assert said.splitlines()[-1] == f"vireid: {WORDS[number]}{kept}"
    assert drafts(tmp_path) == []
    assert not [tmp_path / name for name in ("e.npz", "e.json", "export", "report") if (tmp_path / name).exists()]


def test_a_sweep_that_is_told_to_end_does_so_in_one_line(commands, tiny_world, tmp_path):
    out = tmp_path / "sweep"
    sweep: list[object] = ["sweep", "table4", "--root", tiny_world, "--small", "--accelerator", "cpu", "--out", out]
    code, said = commands.run(*sweep, number=signal.SIGTERM, at=12, below=tiny_world / "cam")
    assert_ended_well(code, said, signal.SIGTERM)
    kept = "finished cells and every whole epoch are kept: go on with the same command"
    assert said.splitlines()[-1] == f"vireid: terminated; {kept}"
    assert drafts(tmp_path) == []
    assert not list(out.rglob("weights.safetensors"))
    assert not list(out.rglob("run.lock"))


def products(out: Path) -> dict[str, object]:
    """What commands leave that has to be the same however often they were ended."""
    found: dict[str, object] = {}
    if (out / "e.npz").exists():
        found["features"] = Embeddings.load(out / "e.npz").features.round(5).tolist()
    if (out / "e.json").exists():
        found["scores"] = (out / "e.json").read_text()
    if (out / "gallery").exists():
        with open_gallery(out / "gallery") as gallery:
            found["sightings"] = (gallery.count(), gallery.cameras())
    for run in ("run", "again"):
        if (out / run).exists():
            weights = load_file(out / run / "weights.safetensors")
            found[run] = {name: weight.tolist() for name, weight in weights.items()}
    for folder in ("report", "export"):
        if (out / folder).exists():
            found[folder] = sorted(str(file.relative_to(out)) for file in (out / folder).rglob("*") if file.is_file())
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine with other work
def test_commands_ended_at_random_moments_do_the_same_in_the_end(commands, tiny_world, tiny_run, tiny_flags, tmp_path):
    chance = random.Random(0)
    ended = dict.fromkeys(CODES, 0)
    for name in lines(tiny_world, tiny_run, tiny_flags, tmp_path / "names"):
        whole, out = tmp_path / name / "whole", tmp_path / name / "ended"
        more = ["--no-verify"] if name == "export" else []  # rounding shows in so short a run
        began = time.monotonic()
        code, said = commands.run(*lines(tiny_world, tiny_run, tiny_flags, whole)[name], *more)
        seconds = time.monotonic() - began
        assert code == 0, said
        arguments = [*lines(tiny_world, tiny_run, tiny_flags, out)[name], *more]
        for number in (signal.SIGTERM, signal.SIGINT) * 3:
            resumed = ["--resume"] if (out / "run").exists() else []
            code, said = commands.run(*arguments, *resumed, number=number, seconds=chance.uniform(0.01, seconds))
            if code not in (0, -number):  # else it was done before, or almost
                assert_ended_well(code, said, number)
                ended[number] += 1
            assert drafts(out) == []
        resumed = ["--resume"] if (out / "run").exists() else []
        code, said = commands.run(*arguments, *resumed)
        assert code == 0, said
        assert products(out) == products(whole)
    assert min(ended.values()) >= 10, ended
