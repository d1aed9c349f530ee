from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io

from vireid.synthetic import PART_NAMES

INFRARED_FOLDERS = {"cam3", "cam6", "Thermal", "nir", "test_nir", "infrared"}


def images(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.rglob("*.jpg"))


def id_line(file: Path) -> list[int]:
    text = file.read_text()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    return [int(word) for word in text.split(",")]


def test_sysu_split_files_agree_and_share_nobody(made_worlds: dict[str, Path]) -> None:
    exp = made_worlds["sysu"] / "exp"
    lists = {}
    for name in ("train_id", "val_id", "test_id", "available_id"):
        lists[name] = id_line(exp / f"{name}.txt")
        matrix = scipy.io.loadmat(exp / f"{name}.mat")["id"]
        assert matrix.shape == (1, len(lists[name]))
        assert matrix.dtype.kind == "u"
        assert matrix[0].tolist() == lists[name]
    parts = lists["train_id"] + lists["val_id"] + lists["test_id"]
    assert sorted(parts) == lists["available_id"] == list(range(1, 8))
    assert min(len(lists[name]) for name in lists) >= 1


def test_sysu_images_stand_where_the_cameras_meet_people(made_worlds: dict[str, Path]) -> None:
    met = defaultdict(set)
    for path in images(made_worlds["sysu"]):
        camera, person, name = path.parts
        met[person].add(camera)
        assert name in ("0001.jpg", "0002.jpg")
    assert sorted(met) == [f"{person:04d}" for person in range(1, 8)]
    for cameras in met.values():
        assert cameras & {"cam1", "cam2", "cam4", "cam5"}
        assert cameras & {"cam3", "cam6"}


def test_sysu_official_draw_has_the_shape_of_the_real_file(made_worlds: dict[str, Path]) -> None:
    root = made_worlds["sysu"]
    cells = scipy.io.loadmat(root / "exp" / "rand_perm_cam.mat")["rand_perm_cam"]
    assert cells.shape == (6, 1)
    assert cells.dtype == object
    for camera in range(1, 7):
        assert cells[camera - 1, 0].shape == (7, 1)
        for person in range(1, 8):
            count = len(list((root / f"cam{camera}" / f"{person:04d}").glob("*.jpg")))
            draw = cells[camera - 1, 0][person - 1, 0]
            assert draw.shape == (10, count)
            assert draw.dtype.kind in "ui"
            for row in draw:
                assert sorted(row) == list(range(1, count + 1))


def test_sysu_draw_also_holds_people_whom_a_camera_does_not_meet() -> None:
    from vireid.synthetic.sysu import gallery_draws, seen_by

    missing = [
        (camera, person) for person in range(1, 40) for camera in range(1, 7) if camera not in seen_by(0, person)
    ]
    assert missing
    cells = gallery_draws(0, 39, 4)
    for camera, person in missing:
        assert cells[camera - 1, 0][person - 1, 0].shape == (10, 0)


def test_regdb_trials_halve_the_people_and_list_every_image_once(made_worlds: dict[str, Path]) -> None:
    root = made_worlds["regdb"]
    halves = set()
    for trial in range(1, 11):
        sides = {}
        for side in ("train", "test"):
            for modality, folder in (("visible", "Visible"), ("thermal", "Thermal")):
                rows = [
                    line.split(" ") for line in (root / f"idx/{side}_{modality}_{trial}.txt").read_text().splitlines()
                ]
                people = {}
                for path, label in rows:
                    assert (root / path).is_file()
                    assert path.startswith(folder)
                    people.setdefault(path.split("/")[1], set()).add(int(label))
                assert sorted(label for labels in people.values() for label in labels) == list(range(len(people)))
                assert len(rows) == 2 * len(people)
                assert sides.setdefault(side, people) == people
        assert not set(sides["train"]) & set(sides["test"])
        assert {len(sides["train"]), len(sides["test"])} == {3, 4}
        halves.add(tuple(sorted(sides["train"])))
    assert len(halves) > 1


def test_regdb_pairs_are_aligned(made_worlds: dict[str, Path]) -> None:
    parts = made_worlds["regdb"] / "parts"
    for visible in sorted((parts / "Visible").rglob("*.png")):
        thermal = parts / "Thermal" / visible.parent.name / visible.name.replace("v_", "t_")
        assert (cv2.imread(str(visible), -1) == cv2.imread(str(thermal), -1)).all()


def test_llcm_names_folders_and_lists_agree(made_worlds: dict[str, Path]) -> None:
    root = made_worlds["llcm"]
    tested = id_line(root / "idx" / "test_id.txt")
    listed = {}
    for word in ("vis", "nir"):
        rows = [line.split(" ") for line in (root / "idx" / f"train_{word}.txt").read_text().splitlines()]
        listed[word] = {path for path, _ in rows}
        labels = {int(path.split("/")[1]): int(label) for path, label in rows}
        assert sorted(labels.values()) == list(range(7 - len(tested)))
        assert not set(labels) & set(tested)
    cameras = {"vis": set(), "nir": set()}
    for path in images(root):
        word = path.stem.split("_")[-1]
        person, camera = int(path.stem[:4]), int(path.stem.split("_")[1][1:])
        cameras[word].add(camera)
        if person in tested:
            assert path.parts[:3] == (f"test_{word}", f"cam{camera}", f"{person:04d}")
        else:
            assert path.parts[:2] == (word, f"{person:04d}")
            assert path.as_posix() in listed[word]
    assert cameras == {"vis": set(range(1, 10)), "nir": set(range(1, 10)) - {3}}


def test_folder_manifest_lists_every_image(made_worlds: dict[str, Path]) -> None:
    root = made_worlds["folder"]
    with (root / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [Path(row["path"]) for row in rows] == images(root)
    splits = defaultdict(set)
    for row in rows:
        modality, person, name = row["path"].split("/")
        assert (row["modality"], row["person"], row["camera"]) == (modality, person, name.split("_")[0])
        assert float(row["time"]) > 0
        assert row["track"]
        splits[row["split"]].add(person)
    assert set(splits) == {"train", "test"}
    assert not splits["train"] & splits["test"]


@pytest.mark.parametrize("layout", ["sysu", "regdb", "llcm", "folder"])
def test_infrared_files_are_gray_and_visible_ones_are_not(made_worlds: dict[str, Path], layout: str) -> None:
    root = made_worlds[layout]
    for path in images(root):
        pixels = cv2.imread(str(root / path), cv2.IMREAD_UNCHANGED)
        assert pixels.shape == (64, 32, 3)
        spread = int(np.ptp(pixels.astype(int), axis=2).max())
        assert (spread == 0) == (path.parts[0] in INFRARED_FOLDERS), path


@pytest.mark.parametrize("layout", ["sysu", "regdb", "llcm", "folder"])
def test_every_image_has_a_part_map(made_worlds: dict[str, Path], layout: str) -> None:
    root = made_worlds[layout]
    seen = set()
    for path in images(root):
        parts = cv2.imread(str((root / "parts" / path).with_suffix(".png")), cv2.IMREAD_UNCHANGED)
        assert parts.shape == (64, 32)
        assert parts.dtype == np.uint8
        seen |= set(np.unique(parts).tolist())
    assert seen == set(range(len(PART_NAMES)))
