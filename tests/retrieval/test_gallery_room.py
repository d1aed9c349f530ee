"""A disk that fills: refused in a sentence, and nothing acknowledged is lost."""

import hashlib
import shutil
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from vireid.retrieval import Conditions, Sighting, open_gallery
from vireid.types import Modality, VireidError

MIB = 1 << 20
Usage = namedtuple("Usage", ["total", "used", "free"])


def rows(start: int, stop: int) -> list[Sighting]:
    return [
        Sighting(
            key=hashlib.sha256(str(number).encode()).hexdigest(),
            path=f"{number}.jpg",
            modality=Modality.VISIBLE,
            camera=f"c{number % 3}",
        )
        for number in range(start, stop)
    ]


def test_growing_stops_before_the_disk_is_full_and_deleting_goes_on(tmp_path, monkeypatch):
    folder = tmp_path / "g"
    with open_gallery(folder, create=True, model="m", dimension=2) as gallery:
        gallery.add(rows(0, 9), np.ones((9, 2), np.float32), model="m")
        monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(1 << 40, 0, 150 * MIB))
        with pytest.raises(VireidError, match=r"cannot add to the gallery: .* 150 MiB free, and this takes 193 MiB"):
            gallery.add(rows(9, 12), np.ones((3, 2), np.float32), model="m")
        with pytest.raises(VireidError, match=r"cannot compact the gallery: .* nothing was changed; make room"):
            gallery.compact()
        assert gallery.count() == 9
        assert gallery.delete(Conditions(cameras=("c0",))) == 3
    with open_gallery(folder) as gallery:
        assert gallery.count() == 6
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(1 << 40, 0, 10 * MIB))
    with pytest.raises(VireidError, match=r"cannot open the gallery: .* 10 MiB free"):
        open_gallery(folder)
    monkeypatch.undo()
    with open_gallery(folder) as gallery:
        assert gallery.add(rows(0, 12), np.ones((12, 2), np.float32), model="m").new == 6


CHILD = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from test_gallery_room import rows
from vireid.retrieval import Conditions, open_gallery
from vireid.types import VireidError

gallery = open_gallery(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    for batch in range(100):
        gallery.add(rows(batch * 500, batch * 500 + 500), np.ones((500, 512), np.float32), model="m")
        print("added", flush=True)
    gallery.delete(Conditions(cameras=("c0",)))
    print("deleted", flush=True)
    gallery.compact()
except VireidError as error:
    print("refused", error, flush=True)
"""


def child(folder, argument) -> list[str]:
    command = [sys.executable, "-c", CHILD, str(__file__).rpartition("/")[0], str(folder), str(argument)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("limit", [20 * MIB, 8 * MIB])
def test_files_that_may_not_grow_are_an_error_and_nothing_acknowledged_is_lost(tmp_path, limit):
    """Stands for a disk quota: the engine is told that a file must not grow."""
    open_gallery(tmp_path / "g", create=True, model="m", dimension=512).close()
    lines = child(tmp_path / "g", limit)
    assert lines[-1].startswith("refused cannot "), lines
    added = lines.count("added") * 500
    with open_gallery(tmp_path / "g") as gallery:
        if "deleted" in lines:
            assert gallery.count() == added - -(-added // 3)
        else:
            assert added <= gallery.count() <= added + 500
        assert sum(len(sightings) for sightings, _ in gallery._store().each(Conditions())) == gallery.count()
        assert gallery.add(rows(0, 50_500), np.ones((50_500, 512), np.float32), model="m").new > 0


@pytest.mark.slow
def test_a_disk_that_is_small_is_never_filled(tmp_path):
    """On a disk of its own, where the machine lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting takes root")
    try:
        open_gallery(disk / "g", create=True, model="m", dimension=512).close()
        lines = child(disk / "g", 1 << 40)
        assert lines[-1].startswith("refused cannot add to the gallery: the disk of"), lines
        added = lines.count("added") * 500
        assert added >= 2000
        with open_gallery(disk / "g") as gallery:
            assert gallery.count() == added
            assert gallery.delete(Conditions(cameras=("c0",))) == -(-added // 3)
        with open_gallery(disk / "g") as gallery:
            assert gallery.count() == added - -(-added // 3)
    finally:
        subprocess.run(["umount", disk], check=True)
