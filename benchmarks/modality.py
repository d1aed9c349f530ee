"""How often the modality is found wrong, on made worlds and on what light, sensors and JPEG may do to their images.

Run: python benchmarks/modality.py [--persons 60] [--sizes 384x192 128x64 64x32]
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from machine import describe

from vireid.data import load_image, read
from vireid.retrieval import find_modality
from vireid.synthetic import write_world
from vireid.types import Modality

QUALITIES = (None, 90, 60, 30)


def faded(image, saturation):
    gray = (image @ [0.299, 0.587, 0.114])[..., None]
    return gray + saturation * (image - gray)


def noisy(image, random, light, sigma):
    return light * image + random.normal(0, sigma, image.shape)


CHANGES = {
    Modality.VISIBLE: {
        "as it is": lambda image, random: image,
        "half the saturation": lambda image, random: faded(image, 0.5),
        "a quarter of the saturation": lambda image, random: faded(image, 0.25),
        "a tenth of the saturation": lambda image, random: faded(image, 0.1),
        "0.3 of the light, noise 3": lambda image, random: noisy(image, random, 0.3, 3),
        "0.15 of the light, noise 4": lambda image, random: noisy(image, random, 0.15, 4),
        "0.15 of the light, half the saturation, noise 4": lambda image, random: noisy(
            faded(image, 0.5), random, 0.15, 4
        ),
        "no colour": lambda image, random: faded(image, 0),
    },
    Modality.INFRARED: {
        "as it is": lambda image, random: image,
        "noise 3 in each channel": lambda image, random: noisy(image, random, 1, 3),
        "noise 8 in each channel": lambda image, random: noisy(image, random, 1, 8),
        "0.3 of the light, noise 6": lambda image, random: noisy(image, random, 0.3, 6),
        "a cast of 3 %": lambda image, random: image * [1.03, 1, 0.97],
        "a cast of 8 %": lambda image, random: image * [1.08, 1, 0.92],
    },
}


def saved(image, quality):
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    if quality is None:
        return pixels
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=60)
    parser.add_argument("--sizes", nargs="+", default=["384x192", "128x64", "64x32"])
    arguments = parser.parse_args()
    table = []
    for number, size in enumerate(arguments.sizes):
        height, width = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "world"
            write_world(
                root,
                layout="sysu",
                persons=arguments.persons,
                images_per_camera=2,
                height=height,
                width=width,
                seed=100 + number,
                workers=1,
            )
            records = read("sysu", root)
            for modality, changes in CHANGES.items():
                images = [load_image(records.file(row)) for row in records.rows(modality=modality).tolist()]
                for name, change in changes.items():
                    random = np.random.default_rng(0)
                    changed = [change(image.astype(float), random) for image in images]
                    wrong = [
                        100 * np.mean([find_modality(saved(image, quality)) is not modality for image in changed])
                        for quality in QUALITIES
                    ]
                    shares = " | ".join(f"{share:.1f}" for share in wrong)
                    table.append(f"| {size} | {modality.value} | {len(images)} | {name} | {shares} |")
    print(describe("python benchmarks/modality.py", "opencv-python-headless", "pillow"))
    print("\nShare of images whose modality is found wrong, in per cent; saved as pixels, or as JPEG of a quality.\n")
    print(
        "| size | modality | images | what was done to them | pixels | 90 | 60 | 30 |\n|---|---|---:|---|" + "---:|" * 4
    )
    print("\n".join(table))


if __name__ == "__main__":
    main()
