"""Tiny data trees in each layout, written by Pillow."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image


def write_image(file: Path, *, seed: int = 0, gray: bool = False, size: tuple[int, int] = (16, 32)) -> Path:
    """A noise image; a gray one has one channel."""
    file.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    shape = (height, width) if gray else (height, width, 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(file)
    return file


def write_text(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def write_permutations(root: Path, counts: dict[tuple[int, int], int], persons: int) -> None:
    """``rand_perm_cam.mat`` in which row t of a cell is 1 .. N rolled by t."""
    outer = np.empty((6, 1), dtype=object)
    for camera in range(1, 7):
        cells = np.empty((persons, 1), dtype=object)
        for person in range(1, persons + 1):
            count = counts.get((camera, person), 0)
            rows = [np.roll(np.arange(1, count + 1), trial) for trial in range(10)]
            cells[person - 1, 0] = np.array(rows, dtype=np.uint8).reshape(10, count)
        outer[camera - 1, 0] = cells
    (root / "exp").mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(root / "exp" / "rand_perm_cam.mat", {"rand_perm_cam": outer})


@pytest.fixture
def sysu(tmp_path: Path) -> Path:
    """Six identities, two images in each camera; train 1 and 2, val 3, test 4 and 5, none 6."""
    root = tmp_path / "sysu"
    for camera in range(1, 7):
        for person in range(1, 7):
            for number in (1, 2):
                file = root / f"cam{camera}" / f"{person:04d}" / f"{number:04d}.jpg"
                write_image(file, seed=100 * camera + 10 * person + number, gray=camera in (3, 6))
    write_text(root / "exp" / "train_id.txt", "1,2\n")
    write_text(root / "exp" / "val_id.txt", "3\n")
    write_text(root / "exp" / "test_id.txt", "4,5")
    counts = {(camera, person): 2 for camera in range(1, 7) for person in range(1, 7)}
    write_permutations(root, counts, persons=6)
    return root


@pytest.fixture
def regdb(tmp_path: Path) -> Path:
    """Four identities, two images in each modality; trial 1 trains on 7 and 12, trial 2 on 3 and 20."""
    root = tmp_path / "regdb"
    halves = {1: ((7, 12), (3, 20)), 2: ((3, 20), (7, 12))}
    for folder in ("Visible", "Thermal"):
        for person in (3, 7, 12, 20):
            for number in (1, 2):
                file = root / folder / str(person) / f"f_{number}_{person}.bmp"
                write_image(file, seed=10 * person + number + len(folder), gray=folder == "Thermal")
        for trial, splits in halves.items():
            for split, persons in zip(("train", "test"), splits):
                lines = [
                    f"{folder}/{person}/f_{number}_{person}.bmp {label}"
                    for label, person in enumerate(persons)
                    for number in (1, 2)
                ]
                write_text(root / "idx" / f"{split}_{folder.lower()}_{trial}.txt", "\n".join(lines) + "\n")
    return root


@pytest.fixture
def llcm(tmp_path: Path) -> Path:
    """Train 3 and 9 in cameras 1 and 6, test 5 and 11 in cameras 2 and 4, and 40 in no list."""
    root = tmp_path / "llcm"
    for folder in ("vis", "nir"):
        lines = []
        for label, person in enumerate((3, 9)):
            for camera in (1, 6):
                path = f"{folder}/{person:04d}/{person:04d}_c{camera:02d}_s2006_f4830_{folder}.jpg"
                write_image(root / path, seed=person + camera + len(lines), gray=folder == "nir")
                lines.append(f"{path} {label}")
        write_text(root / "idx" / f"train_{folder}.txt", "\n".join(lines))
        for person in (5, 11, 40):
            for camera in (2, 4):
                name = f"{person:04d}_c{camera:02d}_s1_f2_{folder}.jpg"
                file = root / f"test_{folder}" / f"cam{camera}" / f"{person:04d}" / name
                write_image(file, seed=1000 + person + camera, gray=folder == "nir")
    write_text(root / "idx" / "test_id.txt", "5,11")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """No manifest: ann and bob, cameras door and yard."""
    root = tmp_path / "folder"
    for modality in ("visible", "infrared"):
        for person in ("ann", "bob"):
            for camera in ("door", "yard"):
                write_image(root / modality / person / f"{camera}_1.png", gray=modality == "infrared")
    return root


@pytest.fixture(name="write_permutations")
def give_write_permutations():
    return write_permutations


@pytest.fixture(name="write_image")
def give_write_image():
    return write_image
