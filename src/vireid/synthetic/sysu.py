"""A made world in SYSU-MM01's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io

from vireid.synthetic.camera import cameras_of
from vireid.synthetic.plan import Plan, Shot, comma_line, split_people
from vireid.synthetic.stream import Topic, stream

TRIALS = 10
VALIDATION_SHARE = 0.25


def seen_by(seed: int, person: int) -> tuple[int, ...]:
    """Cameras that meet a person: most people pass all six, some stay indoors, some outdoors, some miss one.

    Everybody is met in both kinds of light.

    Args:
        seed: of the world.
        person: number of the person.
    """
    rng = stream(seed, Topic.PRESENCE, person)
    draw = rng.random()
    if draw < 0.06:
        return (4, 5, 6)
    if draw < 0.14:
        return (1, 2, 3)
    if draw < 0.28:
        missed = int(rng.choice((2, 4, 5, 6)))
        return tuple(camera for camera in range(1, 7) if camera != missed)
    return (1, 2, 3, 4, 5, 6)


def plan_sysu(seed: int, persons: int, images_per_camera: int, test_fraction: float) -> Plan:
    """Pictures and split files of SYSU-MM01's layout; arguments as in `world.write_world`."""
    shots = [
        Shot(
            path=f"cam{camera.number}/{person:04d}/{image:04d}.jpg",
            person=person,
            camera=camera,
            image=image,
        )
        for camera in cameras_of("sysu", seed)
        for person in range(1, persons + 1)
        if camera.number in seen_by(seed, person)
        for image in range(1, images_per_camera + 1)
    ]
    known, test = split_people(seed, persons, test_fraction)
    held = max(1, round(VALIDATION_SHARE * len(known)))
    mixed = stream(seed, Topic.SPLIT, persons, 1).permutation(known)
    lists = {
        "train_id": sorted(int(person) for person in mixed[held:]),
        "val_id": sorted(int(person) for person in mixed[:held]),
        "test_id": test,
        "available_id": sorted(known + test),
    }

    def write_splits(root: Path) -> None:
        folder = root / "exp"
        folder.mkdir(parents=True, exist_ok=True)
        for name, people in lists.items():
            (folder / f"{name}.txt").write_text(comma_line(people))
            scipy.io.savemat(folder / f"{name}.mat", {"id": np.array([people], dtype=np.uint16)})
        scipy.io.savemat(
            folder / "rand_perm_cam.mat", {"rand_perm_cam": gallery_draws(seed, persons, images_per_camera)}
        )

    return Plan(shots=shots, write_splits=write_splits)


def gallery_draws(seed: int, persons: int, images_per_camera: int) -> np.ndarray:
    """The official draw of gallery images: a 6 x 1 cell of P x 1 cells of 10 x N permutations of 1..N.

    Args:
        seed: of the world.
        persons: how many there are, numbered from 1.
        images_per_camera: N; a person whom a camera does not meet has a 10 x 0 matrix.
    """
    cells = np.empty((6, 1), dtype=object)
    for camera in range(1, 7):
        cells[camera - 1, 0] = np.empty((persons, 1), dtype=object)
        for person in range(1, persons + 1):
            count = images_per_camera if camera in seen_by(seed, person) else 0
            rng = stream(seed, Topic.DRAW, camera, person)
            rows = [rng.permutation(count) + 1 for _ in range(TRIALS)]
            cells[camera - 1, 0][person - 1, 0] = np.array(rows, dtype=np.uint16).reshape(TRIALS, count)
    return cells
