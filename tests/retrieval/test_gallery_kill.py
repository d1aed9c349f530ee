"""What a gallery acknowledged is there after ``kill -9`` at any moment, whole."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from vireid.retrieval import Conditions, Sighting, open_gallery
from vireid.types import Modality

DIMENSION = 32
BATCH = 120

# Forks a worker for each line it reads, so that only one process pays for the imports.
HELPER = """
import os, random, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from test_gallery_kill import work
print("ready", flush=True)
for line in sys.stdin:
    worker = os.fork()
    if not worker:
        folder, first, seed = line.rstrip("\\n").split("\\t")
        work(folder, int(first), random.Random(int(seed)))
    print("worker", worker, flush=True)
    os.waitpid(worker, 0)
    print("ended", flush=True)
"""


def sighting(number: int) -> Sighting:
    return Sighting(
        key=hashlib.sha256(str(number).encode()).hexdigest(),
        path=f"images/{number}.jpg",
        modality=Modality.INFRARED if number % 2 else Modality.VISIBLE,
        camera=f"camera {number % 5}",
        time=datetime(2026, 11, 1, tzinfo=timezone.utc) + timedelta(microseconds=number),
        track=f"batch {number // BATCH}",
        person=f"person {number % 7}" if number % 3 else None,
        tags=("tag",) * (number % 2),
    )


def feature(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)


def work(folder: str, first: int, chance: random.Random) -> None:
    """Add batch after batch, now and then delete one or compact, and say when each begins and is acknowledged."""
    gallery = open_gallery(folder)
    batch, deletable = first, list(range(max(0, first - 3), first))
    while True:
        deed = chance.choice(["add", "add", "add", "delete", "compact"])
        if deed == "add":
            print("begin add", batch, flush=True)
            numbers = range(batch * BATCH, (batch + 1) * BATCH)
            gallery.add([sighting(n) for n in numbers], np.stack([feature(n) for n in numbers]), model="m")
            deletable.append(batch)
            batch += 1
        elif deed == "delete" and deletable:
            gone = deletable.pop(chance.randrange(len(deletable)))
            print("begin delete", gone, flush=True)
            gallery.delete(Conditions(tracks=(f"batch {gone}",)))
        else:
            print("begin compact -1", flush=True)
            gallery.compact()
        print("done", flush=True)


def kill_and_look(tmp_path, times: int) -> None:
    folder = tmp_path / "gallery"
    open_gallery(folder, create=True, model="m", dimension=DIMENSION).close()
    chance = random.Random(0)
    there: set[int] = set()
    first = 0
    cut_short = []
    with subprocess.Popen(
        [sys.executable, "-c", HELPER, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as helper:
        try:
            assert helper.stdout.readline() == "ready\n"
            for seed in range(times):
                helper.stdin.write(f"{folder}\t{first}\t{seed}\n")
                helper.stdin.flush()
                worker = None
                pending = None
                kill_at = None
                lines = 0
                while (line := helper.stdout.readline()) != "ended\n":
                    assert line, "the helper died"
                    word, *rest = line.split()
                    if word == "worker":
                        worker = int(rest[0])
                    elif word == "begin":
                        pending = rest[0], int(rest[1])
                        first = max(first, pending[1] + 1)
                    else:
                        there = after(there, pending)
                        pending = None
                        lines += 1
                    if worker and lines >= 2 and kill_at is None:
                        kill_at = chance.uniform(0, 0.4)
                        time.sleep(kill_at)
                        os.kill(worker, signal.SIGKILL)
                cut_short.append(pending and pending[0])
                there = look(folder, there, pending)
        finally:
            helper.kill()
    assert len(there) > BATCH
    # A kill between two changes proves little; most must fall into one.
    assert sum(deed is not None for deed in cut_short) >= times // 2, cut_short


def after(there: set[int], change: tuple[str, int]) -> set[int]:
    deed, batch = change
    numbers = set(range(batch * BATCH, (batch + 1) * BATCH))
    return there | numbers if deed == "add" else there - numbers if deed == "delete" else there


def look(folder, there: set[int], pending: tuple[str, int] | None) -> set[int]:
    """Open the gallery after a kill; every sighting must be whole, only the change that was cut short is open."""
    with open_gallery(folder) as gallery:
        numbers = set()
        for sightings, features in gallery._store().each(Conditions()):
            for one, row in zip(sightings, features, strict=True):
                number = int(one.path[len("images/") : -len(".jpg")])
                assert one == sighting(number)
                wanted = feature(number)
                np.testing.assert_allclose(row, wanted / np.linalg.norm(wanted), atol=1e-6)
                assert number not in numbers
                numbers.add(number)
        done = after(there, pending) if pending else there
        assert there & done <= numbers <= there | done
        assert gallery.info().sightings == len(numbers)
        if numbers:
            probe = max(numbers)
            [[match]] = gallery.search(feature(probe)[None], model="m", top=1)
            assert match.sighting == sighting(probe)
            assert gallery.count(Conditions(tracks=(sighting(probe).track,))) == len(
                [n for n in numbers if n // BATCH == probe // BATCH]
            )
        return numbers


def test_three_kills_lose_nothing_acknowledged(tmp_path):
    kill_and_look(tmp_path, 3)


@pytest.mark.slow
def test_thirty_kills_lose_nothing_acknowledged(tmp_path):
    kill_and_look(tmp_path, 30)
