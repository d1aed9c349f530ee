"""Sweeps that are killed at random moments, and caches whose filling is told to end, go on as if nothing had been."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vireid.cli.termination import TERMINATED
from vireid.data import read
from vireid.data.pixel_store import PixelStore

# Forks a sweep of two tiny cells for each line it reads, so that only one process pays for the imports.
HELPER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_sweep import NO_MIMB, TINY, cell
from vireid.cli import sweep
from vireid.cli.main import main
import vireid.models, vireid.training.loop, vireid.evaluation, tensorboard
sweep.make_cells = lambda name, **keywords: [cell("plain", NO_MIMB), cell("full", TINY)]
print("ready", flush=True)
for line in sys.stdin:
    worker = os.fork()
    if not worker:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(main(line.rstrip("\\n").split("\\t")))
    print(worker, flush=True)
    _, status = os.waitpid(worker, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Sweeps:
    """Runs ``vireid sweep`` in children that are quickly made."""

    def __init__(self, root: Path) -> None:
        self._flags = ["sweep", "table4", "--root", str(root), "--small", "--accelerator", "cpu", "--out"]
        self._helper = subprocess.Popen(
            [sys.executable, "-c", HELPER, str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self._read() == "ready"

    def run(self, out: Path, kill_after: float | None = None) -> int:
        """Begin or go on, and kill it after some seconds; its exit code."""
        assert self._helper.stdin
        self._helper.stdin.write("\t".join([*self._flags, str(out)]) + "\n")
        self._helper.stdin.flush()
        worker = int(self._read())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        return int(self._read())

    def close(self) -> None:
        self._helper.kill()
        self._helper.communicate()

    def _read(self) -> str:
        assert self._helper.stdout
        line = self._helper.stdout.readline()
        assert line, "the helper died"
        return line.strip()


@pytest.fixture(scope="module")
def sweeps(tiny_world):
    made = Sweeps(tiny_world)
    yield made
    made.close()


@pytest.fixture(scope="module")
def unbroken(sweeps, tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken") / "sweep"
    began = time.monotonic()
    assert sweeps.run(out) == 0
    return out, time.monotonic() - began


def results(out: Path) -> dict[str, tuple[int, str]]:
    """When each finished cell was written, and its content."""
    return {
        file.parent.parent.name: (file.stat().st_mtime_ns, file.read_text()) for file in out.glob("*/*/result.json")
    }


def kill_again_and_again(sweeps: Sweeps, unbroken: tuple[Path, float], folder: Path, kills: int) -> None:
    chance = random.Random(kills)
    whole, seconds = unbroken
    done, cut_short, between, number = 0, 0, 0, 0
    while done < kills:
        out = folder / f"sweep{number}"
        number += 1
        finished: dict[str, tuple[int, str]] = {}
        code = None
        while code != 0:
            # The last one of all may end in peace.
            code = sweeps.run(out, chance.uniform(0, 1.2 * seconds) if done < kills else None)
            done += 1
            assert code in (0, -signal.SIGKILL)
            cut_short += code != 0
            now = results(out)
            assert {key: now[key] for key in finished} == finished, "a finished cell was done again"
            between += bool(now) and code != 0
            finished = now
        assert (out / "table.csv").read_bytes() == (whole / "table.csv").read_bytes()
        for key, (_, text) in results(whole).items():
            assert json.loads(finished[key][1])["weights"] == json.loads(text)["weights"]
    assert cut_short >= kills // 3
    assert between or kills < 10, "no kill left a finished cell"


def test_a_sweep_killed_at_random_moments_ends_in_the_same_table(sweeps, unbroken, tmp_path):
    kill_again_and_again(sweeps, unbroken, tmp_path, 4)


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine with other work
def test_a_sweep_killed_at_many_random_moments_ends_in_the_same_table(sweeps, unbroken, tmp_path):
    kill_again_and_again(sweeps, unbroken, tmp_path, 40)


# Decodes slowly, writes three images at a time, and says when the first are on the disk.
CACHING = """
import sys, time
from vireid.cli.main import main
from vireid.data import pixel_cache
from vireid.data.dataset import ImageDataset
from vireid.data.pixel_store import PixelStore
pixel_cache._CHUNK = 3 * 3 * 32 * 16
decode, append = ImageDataset.__getitem__, PixelStore.append
def slowly(self, row):
    time.sleep(0.02)
    return decode(self, row)
def told(self, images):
    append(self, images)
    print("written", flush=True)
ImageDataset.__getitem__, PixelStore.append = slowly, told
sys.exit(main(sys.argv[1:]))
"""


def test_sigterm_ends_the_filling_of_a_cache_cleanly_and_it_goes_on(vireid, tiny_world, tiny_flags, tmp_path):
    out, cache = tmp_path / "run", tmp_path / "cache"
    arguments = ["train", "mscmnet-small", "--root", tiny_world, "--out", out, "--cache", cache, *tiny_flags]
    process = subprocess.Popen(
        [sys.executable, "-c", CACHING, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    while process.stdout.readline() != "written\n":
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == TERMINATED
    ended = "vireid: terminated; the images that were cached stay: start the same command again to go on"
    assert ended in " ".join(said.split())
    assert "Traceback" not in said
    assert not out.exists(), "no run was begun"
    everything = len(read("sysu", tiny_world, splits=("train",)))
    kept = len(PixelStore(cache, height=32, width=16).read().slots)
    assert 3 <= kept < everything
    assert vireid(*arguments).code == 0
    assert len(PixelStore(cache, height=32, width=16).read().slots) > kept
