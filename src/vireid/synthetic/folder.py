"""A made world as a user's own folder: ``<modality>/<person>/<camera>_*.jpg`` with a manifest beside it."""

from __future__ import annotations

import csv
from pathlib import Path

from vireid.synthetic.camera import cameras_of
from vireid.synthetic.plan import Plan, Shot, split_people
from vireid.synthetic.stream import Topic, stream

COLUMNS = ("path", "person", "camera", "modality", "split", "time", "track")
_START, _DAY = 1_767_225_600.0, 86_400.0


def plan_folder(seed: int, persons: int, images_per_camera: int, test_fraction: float) -> Plan:
    """Pictures and manifest of the generic layout; arguments as in `world.write_world`."""
    shots = [
        Shot(
            path=f"{camera.modality.value}/{person:04d}/{camera.number}_{image:04d}.jpg",
            person=person,
            camera=camera,
            image=image,
        )
        for camera in cameras_of("folder", seed)
        for person in range(1, persons + 1)
        for image in range(1, images_per_camera + 1)
    ]
    _, test = split_people(seed, persons, test_fraction)
    tested = set(test)

    def write_splits(root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as stream_out:
            writer = csv.writer(stream_out)
            writer.writerow(COLUMNS)
            for shot in sorted(shots, key=lambda shot: shot.path):
                writer.writerow(_row(seed, shot, "test" if shot.person in tested else "train"))

    return Plan(shots=shots, write_splits=write_splits)


def _row(seed: int, shot: Shot, split: str) -> tuple[object, ...]:
    """A person passes a camera once, in half a second steps, at a moment of one day."""
    start = _START + _DAY * float(stream(seed, Topic.TRACK, shot.person, shot.camera.number).random())
    return (
        shot.path,
        f"{shot.person:04d}",
        shot.camera.number,
        shot.camera.modality.value,
        split,
        f"{start + 0.5 * (shot.image - 1):.1f}",
        f"p{shot.person:04d}c{shot.camera.number}",
    )
