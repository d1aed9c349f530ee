"""A made world in RegDB's layout: one aligned pair of cameras, ten divisions of the people.

Deviation: RegDB's second camera is thermal; this one sees the near infrared, as those of the other layouts do.
"""

from __future__ import annotations

from pathlib import Path

from vireid.synthetic.camera import cameras_of
from vireid.synthetic.plan import Plan, Shot, split_people
from vireid.types import Modality

TRIALS = 10
_FOLDERS = {Modality.VISIBLE: ("Visible", "v"), Modality.INFRARED: ("Thermal", "t")}


def plan_regdb(seed: int, persons: int, images_per_camera: int, test_fraction: float) -> Plan:
    """Pictures and split files of RegDB's layout; arguments as in `world.write_world`."""
    shots = []
    for camera in cameras_of("regdb", seed):
        folder, letter = _FOLDERS[camera.modality]
        for person in range(1, persons + 1):
            for image in range(1, images_per_camera + 1):
                path = f"{folder}/{person}/{letter}_{image:05d}_{person}.jpg"
                shots.append(Shot(path=path, person=person, camera=camera, image=image))

    def write_splits(root: Path) -> None:
        (root / "idx").mkdir(parents=True, exist_ok=True)
        for trial in range(1, TRIALS + 1):
            sides = split_people(seed, persons, test_fraction, trial)
            for side, people in zip(("train", "test"), sides):
                label = {person: index for index, person in enumerate(people)}
                for modality, name in ((Modality.VISIBLE, "visible"), (Modality.INFRARED, "thermal")):
                    rows = [
                        f"{shot.path} {label[shot.person]}\n"
                        for shot in shots
                        if shot.camera.modality is modality and shot.person in label
                    ]
                    (root / "idx" / f"{side}_{name}_{trial}.txt").write_text("".join(rows))

    return Plan(shots=shots, write_splits=write_splits)
