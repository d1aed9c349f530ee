"""Describe crops that lie in any layout by a manifest, and let the doctor look at them.

The names of the files say who, where and when, by a regular expression with the groups person, camera, modality and
perhaps time and track. A share of the people is kept for the test. Without arguments a few made crops are described:

    python examples/own_data_manifest.py --root crops --pattern '(?P<camera>\\w+)/(?P<modality>ir|rgb)_(?P<person>\\d+)'
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from vireid.data import diagnose
from vireid.synthetic import write_world

PATTERN = r"(?P<camera>\w+)/(?P<time>[\dTZ]+)_(?P<modality>ir|rgb)_(?P<person>\w+)\.jpg"
MODALITIES = {"ir": "infrared", "nir": "infrared", "thermal": "infrared", "rgb": "visible", "vis": "visible"}
COLUMNS = ("path", "person", "camera", "modality", "split", "time", "track")


def write_manifest(root: Path, pattern: str, test_fraction: float) -> tuple[Path, list[str]]:
    """Write ROOT/manifest.csv; returns it, and the images whose names say nothing."""
    images = sorted(file for file in root.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp"))
    rows, unread = [], []
    for image in images:
        path = image.relative_to(root).as_posix()
        said = re.search(pattern, path)
        if said is None:
            unread.append(path)
            continue
        facts = said.groupdict()
        facts["modality"] = MODALITIES.get(facts["modality"].lower(), facts["modality"])
        rows.append({"path": path, **facts})
    if not rows:
        raise SystemExit(f"no image fits the pattern {pattern!r}; the first of {len(images)} is {unread[:1]}")
    people = sorted({row["person"] for row in rows})
    tested = set(people[: round(test_fraction * len(people))])  # a person is in one split only
    file = root / "manifest.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"split": "test" if row["person"] in tested else "train"})
    return file, unread


def make_crops(root: Path, persons: int) -> None:
    """Made crops in a layout of their own: gate/20260101T101500Z_rgb_0007.jpg."""
    world = root.parent / "world"
    write_world(world, layout="folder", persons=persons, images_per_camera=2, height=64, width=32, seed=0, workers=1)
    names = {"1": "gate", "2": "hall", "3": "gate-night", "4": "yard"}
    for number, image in enumerate(sorted(world.glob("*/*/*.jpg"))):
        camera = names[image.name[0]]
        time = f"20260101T{number // 3600 % 24:02d}{number // 60 % 60:02d}{number % 60:02d}Z"
        modality = "rgb" if image.parent.parent.name == "visible" else "ir"
        target = root / camera / f"{time}_{modality}_{image.parent.name}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        image.replace(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of your crops; the manifest is written there")
    parser.add_argument("--pattern", default=PATTERN, help="what the path of an image says, below the root")
    parser.add_argument("--test-fraction", type=float, default=1 / 3)
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        root = options.root or Path(scratch) / "crops"
        if options.root is None:
            make_crops(root, persons=9)
        file, unread = write_manifest(root, options.pattern, options.test_fraction)
        print(file.read_text(encoding="utf-8").splitlines()[1])
        for path in unread:
            print(f"left out, since the pattern does not fit: {path}")
        diagnosis = diagnose("folder", root)
        for count in diagnosis.counts:
            print(f"{count.split} {count.modality}: {count.persons} people, {count.images} images")
        for fault in diagnosis.faults:
            print(f"{fault.severity}: {fault}")
        print(
            f"{diagnosis.looked_into} images looked into: {'mend it first' if diagnosis.failed else 'a run can start'}"
        )


if __name__ == "__main__":
    main()
