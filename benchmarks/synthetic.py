"""How fast the made world is drawn: `python benchmarks/synthetic.py` prints a Markdown table.

One process, one thread. Times are those that the processor spent on it, so that other work on the machine does not
count; wall time stands beside them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
from machine import describe, timed

from vireid.synthetic import write_world

# height, width, pictures wanted a second and core
CASES = ((96, 48, None), (128, 64, 60), (256, 128, None), (384, 192, 12))
PERSONS, IMAGES = 16, 4


def measure(height: int, width: int, part_maps: bool) -> tuple[int, float, float]:
    """Pictures, processor seconds and wall seconds of writing a world, split files included."""
    with tempfile.TemporaryDirectory() as folder:
        wall, busy, summary = timed(
            lambda: write_world(
                Path(folder) / "world",
                layout="sysu",
                persons=PERSONS,
                images_per_camera=IMAGES,
                height=height,
                width=width,
                seed=0,
                part_maps=part_maps,
                workers=1,
            )
        )
        return summary.images, busy, wall


def main() -> None:
    cv2.setNumThreads(1)
    measure(96, 48, False)
    rows = []
    for height, width, wanted in CASES:
        for part_maps in (False, True):
            images, busy, wall = measure(height, width, part_maps)
            rows.append(
                f"| {height} x {width} | {'yes' if part_maps else 'no'} | {images} | {images / busy:.0f} "
                f"| {images / wall:.0f} | {wanted or '-'} |"
            )
    print("# Drawing the made world\n")
    print(describe("python benchmarks/synthetic.py", "numpy", "pillow", "opencv-python-headless"))
    print(f"- SYSU-MM01's layout, {PERSONS} people, {IMAGES} images a camera: drawing, JPEG, writing and split files,")
    print("  the backgrounds (drawn once a process) included; one process, one thread\n")
    print("| size | part maps | images | images/s a core | images/s by the clock | wanted |")
    print("|---|---|---:|---:|---:|---:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
