"""Indexing: all of a folder in the gallery once, whatever is broken, known already or killed."""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from vireid.cli.main import main
from vireid.data import guarded_file
from vireid.data.listing import walk_images
from vireid.retrieval import (
    Added,
    Conditions,
    Embedder,
    index_folder,
    index_sources,
    indexing,
    open_gallery,
    sources_of_folder,
)
from vireid.types import Embeddings, Modality, VireidError

# Forks a worker for each line it reads, so that only one process pays for the imports.
HELPER = """
import os, sys
from vireid.cli.main import main
from vireid.cli import index
from vireid.retrieval import Gallery, image_embedder, indexing
indexing._AT_ONCE = 8
image_embedder.usual_batch_size = lambda device, size: 4
add = Gallery.add
def told(*arguments, **keywords):
    added = add(*arguments, **keywords)
    print("added", added.new, flush=True)
    return added
Gallery.add = told
print("ready", flush=True)
for line in sys.stdin:
    worker = os.fork()
    if not worker:
        code = main(line.rstrip("\\n").split("\\t"))
        print("code", code, flush=True)
        os._exit(0)
    print("worker", worker, flush=True)
    os.waitpid(worker, 0)
    print("ended", flush=True)
"""


@pytest.fixture(scope="module")
def embedder(tiny_run):
    return Embedder.from_run(tiny_run)


@pytest.fixture
def gallery(tmp_path, embedder):
    with open_gallery(tmp_path / "gallery", create=True, model=embedder.model, dimension=embedder.dimension) as opened:
        yield opened


@pytest.fixture
def crops(tiny_world, tmp_path):
    root = tmp_path / "crops"
    for camera in ("cam1", "cam3"):
        shutil.copytree(tiny_world / camera, root / camera)
    return root


def test_a_folder_is_indexed_once(embedder, gallery, crops):
    files = [crops / path for path in walk_images(crops)]
    assert index_folder(embedder, gallery, crops, levels=("camera", "person"), tags=("a",)) == Added(len(files), 0)
    seen = []
    added = index_folder(embedder, gallery, crops, progress=lambda *each: seen.append(each))
    assert added == Added(0, len(files))
    assert seen[-1] == (len(files), len(files))
    features, modalities = embedder.embed(files)
    assert set(modalities) == set(Modality)
    for file, feature, modality in zip(files, features, modalities):
        key = hashlib.sha256(file.read_bytes()).hexdigest()
        [[match]] = gallery.search(feature[None], model=embedder.model, top=1, conditions=Conditions(keys=(key,)))
        assert match.score == pytest.approx(1, abs=1e-6)
        sighting = match.sighting
        assert (sighting.path, sighting.modality, sighting.tags) == (str(file), modality, ("a",))
        assert (sighting.camera, sighting.person) == (file.parts[-3], file.parts[-2])
    assert gallery.count(Conditions(modality=Modality.INFRARED)) == len(list(walk_images(crops / "cam3")))


def test_the_same_image_twice_is_one_sighting(embedder, gallery, crops):
    count = len(list(walk_images(crops)))
    shutil.copytree(crops / "cam1", crops / "cam9")
    twice = len(list(walk_images(crops / "cam9")))
    assert index_folder(embedder, gallery, crops) == Added(count, twice)
    assert "cam9" not in gallery.cameras()


def test_broken_images_are_told_and_the_others_go_on(embedder, gallery, crops):
    count = len(list(walk_images(crops)))
    good = next(crops.glob("cam1/*/*.jpg"))
    (crops / "cam1" / "cut.jpg").write_bytes(good.read_bytes()[:300])
    (crops / "cam1" / "empty.png").write_bytes(b"")
    (crops / "cam1" / "gone.jpg").symlink_to("nowhere.jpg")
    (crops / "cam1" / os.fsdecode(b"gate\xe9.jpg")).write_bytes(good.read_bytes() + b"\0")
    broken = {}
    seen = []
    added = index_folder(
        embedder,
        gallery,
        crops,
        progress=lambda *each: seen.append(each),
        on_broken=lambda path, fault: broken.update({path.name: str(fault)}),
    )
    assert added == Added(count, 0)
    assert seen[-1] == (count + 4, count + 4)
    assert sorted(broken) == sorted(["cut.jpg", "empty.png", "gone.jpg", os.fsdecode(b"gate\xe9.jpg")])
    assert "cannot be decoded" in broken["cut.jpg"]
    assert "is an empty file" in broken["empty.png"]
    assert "cannot be read: No such file" in broken["gone.jpg"]
    assert "is no Unicode text" in broken[os.fsdecode(b"gate\xe9.jpg")]
    with pytest.raises(VireidError, match=r"cut\.jpg cannot be decoded"):
        index_folder(embedder, gallery, crops)


def test_an_image_below_a_folder_with_a_control_character_in_its_name_is_broken(embedder, gallery, crops):
    count = len(list(walk_images(crops)))
    bad = crops / "door\x1b[2J" / "a.jpg"
    bad.parent.mkdir()
    bad.write_bytes(next(crops.glob("cam1/*/*.jpg")).read_bytes() + b"\0")
    broken = {}
    added = index_folder(embedder, gallery, crops, on_broken=lambda path, fault: broken.update({path: str(fault)}))
    assert added == Added(count, 0)
    assert list(broken) == [bad]
    assert "the camera of a sighting must be without control characters" in broken[bad]
    assert "\x1b" not in broken[bad]


def test_what_is_refused(embedder, gallery, crops, tmp_path, monkeypatch):
    (tmp_path / "hollow").mkdir()
    with pytest.raises(VireidError, match=r"there are no images in .*hollow"):
        index_folder(embedder, gallery, tmp_path / "hollow")
    monkeypatch.setattr(guarded_file, "MAX_BYTES", 1 << 10)
    with pytest.raises(VireidError, match=r"at most 1024 bytes, but .*\.jpg has \d+; save it as a JPEG"):
        index_folder(embedder, gallery, crops)
    assert gallery.count() == 0


def test_memory_holds_no_more_than_what_waits(embedder, gallery, crops, monkeypatch):
    """Sources are asked for a few chunks ahead of what has been added, not all at once."""
    monkeypatch.setattr(indexing, "_CHUNK", 2)
    monkeypatch.setattr(indexing, "_AT_ONCE", 4)
    small = Embedder(embedder._network, model=embedder.model, batch_size=2)
    asked, ahead = 0, []

    def sources():
        nonlocal asked
        for source in sources_of_folder(crops):
            asked += 1
            yield source

    total = len(list(walk_images(crops)))
    index_sources(small, gallery, sources(), total=total, progress=lambda done, total: ahead.append(asked - done))
    assert asked == total
    # Chunks being read and waiting, both modalities' batches, and what waits to be added.
    assert max(ahead) <= 2 * (small.reading_threads + 2) + 2 * 2 + 4 + 2
    assert total > 2 * max(ahead)


class Indexings:
    """Runs ``vireid index`` in children that are quickly made."""

    def __init__(self, crops: Path, run: Path) -> None:
        self._arguments = ["index", crops, "--checkpoint", run, "--levels", "camera", "person", "--gallery"]
        self._helper = subprocess.Popen(
            [sys.executable, "-c", HELPER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert self._line() == ["ready"]

    def run(self, gallery: Path, *, kill_after: int | None = None, seconds: float = 0.0) -> list[int]:
        """Begin or go on, and kill it so many seconds after so many additions; how many were new in each addition."""
        assert self._helper.stdin
        self._helper.stdin.write("\t".join(map(str, [*self._arguments, gallery])) + "\n")
        self._helper.stdin.flush()
        word, worker = self._line()
        assert word == "worker"
        added: list[int] = []
        while True:
            if len(added) == kill_after:
                time.sleep(seconds)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(worker), signal.SIGKILL)
                kill_after = None
            said = self._line()
            if said == ["ended"]:
                return added
            if said[0] == "added":
                added.append(int(said[1]))

    def close(self) -> None:
        self._helper.kill()
        self._helper.communicate()

    def _line(self) -> list[str]:
        assert self._helper.stdout
        line = self._helper.stdout.readline()
        assert line, "the helper died"
        return line.split()


@pytest.fixture
def indexings(crops, tiny_run):
    made = Indexings(crops, tiny_run)
    yield made
    made.close()


def assert_same_gallery(one: Path, other: Path, count: int) -> None:
    tables, features = [], []
    for place in (one, other):
        with open_gallery(place) as gallery:
            assert gallery.count() == count
            gallery.export(place.with_suffix(".npz"))
        tables.append(pyarrow.parquet.read_table(place.with_suffix(".parquet")))
        features.append(Embeddings.load(place.with_suffix(".npz")).features)
    assert tables[0].equals(tables[1])
    # Batches are cut otherwise after a kill, which moves the last digits.
    np.testing.assert_allclose(features[0], features[1], atol=2e-4)


def count_of(gallery: Path) -> int:
    """How many sightings are in it; 0 where the kill came before it was made."""
    if not (gallery / "gallery.json").exists():
        return 0
    with open_gallery(gallery) as opened:
        return opened.count()


def test_sigkill_twice_and_resumed_is_as_if_in_one_go(indexings, crops, tmp_path):
    killed = [indexings.run(tmp_path / "killed", kill_after=count) for count in (2, 1)]
    rest = indexings.run(tmp_path / "killed")
    indexings.run(tmp_path / "whole")
    count = len(list(walk_images(crops)))
    assert rest, "the kills came too late to mean anything"
    assert sum(map(sum, killed)) < count
    assert_same_gallery(tmp_path / "killed", tmp_path / "whole", count)


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine with other work
def test_sigkill_at_many_random_moments_is_as_if_in_one_go(indexings, crops, tmp_path):
    for file in list(crops.rglob("*.jpg")):  # enough images to be killed in the middle
        for number in range(4):
            file.with_name(f"{file.stem}-{number}.jpg").write_bytes(file.read_bytes() + bytes([number]))
    chance = random.Random(0)
    count = len(list(walk_images(crops)))
    began = time.monotonic()
    indexings.run(tmp_path / "whole")
    seconds = time.monotonic() - began
    kills = cut_short = in_the_middle = number = 0
    while kills < 40:
        gallery = tmp_path / f"killed{number}"
        number += 1
        for _ in range(4):
            kills += 1
            if chance.random() < 0.3:
                indexings.run(gallery, kill_after=0, seconds=chance.uniform(0, seconds / 2))
            else:
                indexings.run(gallery, kill_after=chance.randint(1, 2), seconds=chance.uniform(0, 0.05))
            found = count_of(gallery)
            cut_short += found < count
            in_the_middle += 0 < found < count
        indexings.run(gallery)
        assert_same_gallery(gallery, tmp_path / "whole", count)
    assert cut_short >= 20
    assert in_the_middle >= 5


def test_sigterm_ends_indexing_cleanly_and_it_goes_on(crops, tiny_run, tmp_path):
    for camera in ("cam1", "cam3"):  # enough images to be told in the middle
        for file in list((crops / camera).glob("*/*.jpg")):
            for number in range(12):
                file.with_name(f"{file.stem}-{number}.jpg").write_bytes(file.read_bytes() + bytes([number]))
    gallery = tmp_path / "gallery"
    command = [sys.executable, "-c", TOLD, "index", crops, "--gallery", gallery, "--checkpoint", tiny_run]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout
    assert process.stdout.readline() == "added\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "vireid: terminated; what was added stays: start the same command again to go on" in " ".join(said.split())
    assert "Traceback" not in said
    count = len(list(walk_images(crops)))
    with open_gallery(gallery) as opened:
        assert 8 <= opened.count() < count
    assert main(["index", str(crops), "--gallery", str(gallery), "--checkpoint", str(tiny_run)]) == 0
    with open_gallery(gallery) as opened:
        assert opened.count() == count


# Says when the first sightings are in the gallery; they are added a few at a time.
TOLD = """
import sys
from vireid.cli.main import main
from vireid.retrieval import Gallery, image_embedder, indexing
indexing._AT_ONCE = 8
image_embedder.usual_batch_size = lambda device, size: 4
add = Gallery.add
def told(*arguments, **keywords):
    added = add(*arguments, **keywords)
    print("added", flush=True)
    return added
Gallery.add = told
sys.exit(main(sys.argv[1:]))
"""
