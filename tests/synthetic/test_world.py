from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vireid.data import read
from vireid.synthetic import is_made_world, world, write_world
from vireid.types import VireidError

SMALL = {"layout": "folder", "persons": 4, "images_per_camera": 1, "height": 32, "width": 16, "seed": 0, "workers": 1}


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_any_number_of_workers_writes_the_same_bytes(tmp_path: Path) -> None:
    settings = {**SMALL, "persons": 5, "images_per_camera": 4, "part_maps": True}
    write_world(tmp_path / "one", **settings)
    write_world(tmp_path / "two", **{**settings, "workers": 2})
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_more_people_and_images_change_no_picture(tmp_path: Path) -> None:
    write_world(tmp_path / "few", **SMALL)
    write_world(tmp_path / "many", **{**SMALL, "persons": 6, "images_per_camera": 2})
    few, many = content(tmp_path / "few"), content(tmp_path / "many")
    for path in few:
        if path.endswith(".jpg"):
            assert few[path] == many[path]


def test_seeds_differ(tmp_path: Path) -> None:
    write_world(tmp_path / "a", **SMALL)
    write_world(tmp_path / "b", **{**SMALL, "seed": 1})
    first, second = content(tmp_path / "a"), content(tmp_path / "b")
    assert all(first[path] != second[path] for path in first if path.endswith(".jpg"))


def test_summary_and_progress_count_the_images(tmp_path: Path) -> None:
    calls = []
    summary = write_world(
        tmp_path / "out", **{**SMALL, "images_per_camera": 3}, progress=lambda done, total: calls.append((done, total))
    )
    assert summary.images == len(list((tmp_path / "out").rglob("*.jpg"))) == 4 * 4 * 3
    assert (summary.persons, summary.cameras, summary.part_maps) == (4, 4, False)
    assert str(summary).startswith("48 images of 4 people by 4 cameras in the layout folder, ")
    assert calls[-1] == (48, 48)
    assert calls == sorted(calls)
    assert not (tmp_path / "out" / "parts").exists()


@pytest.mark.parametrize("layout", ["sysu", "regdb", "llcm", "folder"])
def test_a_world_says_what_it_is_and_is_read_as_before(tmp_path: Path, layout: str) -> None:
    write_world(tmp_path / "out", **{**SMALL, "layout": layout, "seed": 3})
    facts = json.loads((tmp_path / "out" / "made_by_vireid.json").read_text())
    assert (facts["what"], facts["layout"], facts["seed"]) == ("a made world", layout, 3)
    assert is_made_world(tmp_path / "out")
    before = read(layout, tmp_path / "out")
    (tmp_path / "out" / "made_by_vireid.json").unlink()
    assert not is_made_world(tmp_path / "out")
    assert read(layout, tmp_path / "out").paths.tolist() == before.paths.tolist()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"layout": "market"}, r"layout must be one of sysu, regdb, llcm, folder, got 'market'"),
        ({"persons": 3}, r"persons must be from 4 to 9999, got 3"),
        ({"images_per_camera": 0}, r"images_per_camera must be from 1 to 9999, got 0"),
        ({"seed": -1}, r"seed must be from 0 to \d+, got -1"),
        ({"workers": 0}, r"workers must be from 1 to 1024, got 0"),
        ({"height": 31}, r"at least 32 x 16 and at most 2048 x 2048 pixels \(height x width\), got 31 x 16"),
        ({"width": 4000}, r"got 32 x 4000"),
        ({"test_fraction": 1.0}, r"test_fraction must lie between 0 and 1, got 1.0"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, change: dict[str, object], text: str) -> None:
    with pytest.raises(VireidError, match=text):
        write_world(tmp_path / "out", **{**SMALL, **change})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(VireidError, match="must be a new or an empty folder"):
        write_world(tmp_path, **SMALL)
    assert content(tmp_path) == {"notes.txt": b"mine"}


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_world(tmp_path / "out", **SMALL)
    assert (tmp_path / "out" / "manifest.csv").is_file()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(VireidError, match=r"No space left on device; nothing was left half-written"):
        write_world(tmp_path / "out", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world, "render", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_world(tmp_path / "out", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_no_folder_that_looks_whole(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from vireid.synthetic import write_world; "
        f"write_world(Path({str(tmp_path / 'out')!r}), layout='folder', persons=400, images_per_camera=20, "
        "height=128, width=64, seed=0, workers=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 120
        while not any(tmp_path.rglob("*.jpg")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "out").exists()
    assert [path.name.startswith(".out.unfinished-") for path in tmp_path.iterdir()] == [True]


def test_an_error_in_the_progress_of_several_workers_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        write_world(tmp_path / "out", **{**SMALL, "images_per_camera": 20, "workers": 2}, progress=stop)
    assert list(tmp_path.iterdir()) == []
