"""Indexing end to end: images a second, the rate at which known images are passed over, and memory by their number.

Run: python benchmarks/indexing.py [--images 3000 24000] [--checkpoint RUN]

Without a checkpoint a small untrained network embeds at 96 x 48. Each number of images is indexed in a process of its
own, then again, when all are known. The images are crops of a made world, each made another file by bytes at its end.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe

from vireid.retrieval import Embedder, index_folder, open_gallery
from vireid.synthetic import write_world


def make_crops(folder, count):
    with tempfile.TemporaryDirectory() as place:
        world = Path(place) / "world"
        write_world(world, layout="sysu", persons=24, images_per_camera=4, height=128, width=64, seed=0, workers=1)
        contents = [file.read_bytes() for file in sorted(world.glob("cam*/*/*.jpg"))]
    for number in range(count):
        file = folder / f"camera{number % 10}" / f"{number // 1000:03d}" / f"{number:07d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(contents[number % len(contents)] + number.to_bytes(8, "big"))


def untrained(file):
    from vireid.models import build_network, save_network

    network = build_network(
        identities=16,
        image_size=(96, 48),
        backbone="resnet10t",
        backbone_options={"channels": (16, 32, 64, 128)},
        weights="none",
        nonlocal_blocks=(0, 0, 0, 0),
        mimb_heads=3,
        mimb_tokens=16,
    )
    save_network(network.eval(), file, facts={})


def work(folder, checkpoint, gallery):
    embedder = Embedder.from_run(checkpoint)
    embedder.embed([next(Path(folder).rglob("*.jpg"))])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, busy = time.perf_counter(), time.process_time()
    with open_gallery(gallery, create=True, model=embedder.model, dimension=embedder.dimension) as opened:
        added = index_folder(embedder, opened, folder)
    seconds, cpu = time.perf_counter() - began, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps([added.new, added.known, seconds, cpu, before / 1024, peak / 1024]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, nargs="+", default=[3000, 24000])
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--work", nargs=3, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(*arguments.work)
        return
    rows = []
    for count in arguments.images:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "crops"
            make_crops(folder, count)
            checkpoint = arguments.checkpoint
            if checkpoint is None:
                checkpoint = Path(place) / "untrained.safetensors"
                untrained(checkpoint)
            for what in ("new", "known"):
                command = [sys.executable, __file__, "--work", folder, checkpoint, Path(place) / "gallery"]
                said = subprocess.run([str(each) for each in command], check=True, capture_output=True, text=True)
                new, known, seconds, cpu, before, peak = json.loads(said.stdout.splitlines()[-1])
                assert (new, known) == ((count, 0) if what == "new" else (0, count))
                rate, core = count / seconds, count / cpu
                rows.append(f"| {count} | {what} | {rate:.0f} | {core:.0f} | {before:.0f} | {peak:.0f} |")
    print(describe("python benchmarks/indexing.py", "qdrant-edge-py", "pillow"))
    print(
        "\n| images | all are | images/s | images a CPU second | MiB before | MiB at the peak |\n|---:|---|"
        + "---:|" * 4
    )
    print("\n".join(rows))


if __name__ == "__main__":
    main()
