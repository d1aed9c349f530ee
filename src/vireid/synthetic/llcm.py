"""A made world in LLCM's layout: nine cameras by day, eight of them also by night."""

from __future__ import annotations

from pathlib import Path

from vireid.synthetic.camera import cameras_of
from vireid.synthetic.plan import Plan, Shot, comma_line, split_people
from vireid.types import Modality

_NAMES = {Modality.VISIBLE: "vis", Modality.INFRARED: "nir"}


def plan_llcm(seed: int, persons: int, images_per_camera: int, test_fraction: float) -> Plan:
    """Pictures and split files of LLCM's layout; arguments as in `world.write_world`."""
    train, test = split_people(seed, persons, test_fraction)
    tested = set(test)
    shots = []
    for camera in cameras_of("llcm", seed):
        word = _NAMES[camera.modality]
        for person in range(1, persons + 1):
            folder = f"test_{word}/cam{camera.number}" if person in tested else word
            scene = 200000 + 100 * camera.moment + person % 100
            for image in range(1, images_per_camera + 1):
                name = f"{person:04d}_c{camera.number:02d}_s{scene:06d}_f{25 * image:04d}_{word}.jpg"
                path = f"{folder}/{person:04d}/{name}"
                shots.append(Shot(path=path, person=person, camera=camera, image=image))

    def write_splits(root: Path) -> None:
        (root / "idx").mkdir(parents=True, exist_ok=True)
        (root / "idx" / "test_id.txt").write_text(comma_line(test))
        label = {person: index for index, person in enumerate(train)}
        for modality, word in _NAMES.items():
            rows = [
                f"{shot.path} {label[shot.person]}\n"
                for shot in shots
                if shot.camera.modality is modality and shot.person in label
            ]
            (root / "idx" / f"train_{word}.txt").write_text("".join(rows))

    return Plan(shots=shots, write_splits=write_splits)
