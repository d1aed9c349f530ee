"""What the pixel cache saves, and what memory a training from it takes: prints Markdown tables.

python benchmarks/pixel_cache.py [--full] [--train] [--folder FOLDER]

Batches of 64 random images of 384 x 192 pixels are read by decoding their JPEGs and from the cache, in turns in one
process, one thread. --full has as many images as SYSU-MM01's training split (34,167; 8.5 GB on the disk): copies of
drawn ones, each made a file of its own by a few bytes behind the end of its JPEG.

--train fits the first steps of the recipe `mscmnet` at its own batch and image size, each time in a process of its own:
from few images and from all, decoded and from the cache, read by the training and by two workers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from anonymous_memory import Mark, undroppable, watched
from machine import describe, ratio, timed

from vireid.cli.recipe_config import RecipeConfig
from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.data import PixelCache, load_batch, open_pixel_cache, read
from vireid.models import build_network
from vireid.synthetic import write_world
from vireid.training import StepReport, fit, make_criterion
from vireid.transforms import make_views
from vireid.types import Modality, Record, Records

HEIGHT, WIDTH = 384, 192
FEW = 356
# SYSU-MM01's training split: people, images, visible ones among them.
PERSONS, FULL, VISIBLE = 395, 34_167, 22_258
BATCH, ROUNDS, BATCHES = 64, 7, 4
STEPS = 3

# Of the recipe's own size a step takes minutes on two cores, and more memory than many machines have.
LIGHT = {
    "backbone": "resnet10t",
    "weights": "none",
    "channels": (8, 16, 32, 64),
    "stem_width": 8,
    "nonlocal_blocks": (0, 0, 0, 0),
    "mimb": False,
}


def table_of(folder: Path, count: int) -> Records:
    """A training split of ``count`` images, with SYSU-MM01's share of the modalities and, if it is full, its people."""
    visible, persons = count * VISIBLE // FULL, min(PERSONS, count // 8)
    rows = [
        Record(
            path=f"{number:05d}.jpg",
            person=number % persons,
            camera=1 if number < visible else 3,
            modality=Modality.VISIBLE if number < visible else Modality.INFRARED,
            split="train",
        )
        for number in range(count)
    ]
    return Records.build(folder / f"images-{count}", rows)


def made_images(folder: Path, count: int) -> Records:
    """`table_of` with its files: copies of drawn images that differ in their bytes."""
    world = folder / "world"
    if not world.exists():
        write_world(
            world, layout="sysu", persons=16, images_per_camera=4, height=HEIGHT, width=WIDTH, seed=0, workers=1
        )
    drawn = read("sysu", world)
    contents = {
        modality: [drawn.file(int(row)).read_bytes() for row in drawn.rows(modality=modality)] for modality in Modality
    }
    records = table_of(folder, count)
    records.root.mkdir()
    for row, record in enumerate(records):
        several = contents[record.modality]
        records.file(row).write_bytes(several[row % len(several)] + row.to_bytes(4, "big"))
    return records


def opened(records: Records, folder: Path) -> PixelCache:
    cache = open_pixel_cache(
        records, np.arange(len(records)), folder=folder / "cache", height=HEIGHT, width=WIDTH, say=print
    )
    if cache is None:
        raise SystemExit(1)
    return cache


def drop_from_memory(file: Path) -> None:
    """Ask the system to forget a file that nobody maps, so that it is read from the disk again."""
    handle = os.open(file, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def read_all(cache: PixelCache, order: np.ndarray) -> float:
    """Read every image once, in batches; the most undroppable memory on the way, in MiB."""
    most = 0.0
    for number, start in enumerate(range(0, len(order), BATCH)):
        cache.batch(order[start : start + BATCH])
        if number % 10 == 0:
            most = max(most, undroppable(os.getpid())[0])
    return most


def compare(records: Records, cache: PixelCache, random: np.random.Generator) -> tuple[list[float], list[float]]:
    """CPU seconds an image of decoding and of the cache, round by round on the same rows."""
    decoding, cached = [], []
    for _ in range(ROUNDS):
        batches = [random.integers(0, len(records), BATCH) for _ in range(BATCHES)]
        one = timed(lambda: [load_batch(records, rows, height=HEIGHT, width=WIDTH) for rows in batches])  # noqa: B023
        other = timed(lambda: [cache.batch(rows) for rows in batches])  # noqa: B023
        assert all(torch.equal(first, second) for first, second in zip(one[2], other[2]))
        decoding.append(one[1] / (BATCH * BATCHES))
        cached.append(other[1] / (BATCH * BATCHES))
    return decoding, cached


def measure_reading(folder: Path, count: int) -> Iterator[tuple[str, str]]:
    records, random = made_images(folder, count), np.random.default_rng(0)
    size = sum(records.file(row).stat().st_size for row in range(len(records))) / len(records)
    yield "images", f"{len(records):,}"
    yield "a JPEG, on average", f"{size / 1024:.0f} KiB"
    wall, busy, _ = timed(lambda: opened(records, folder))
    yield "writing the cache, a thread for each core", f"{len(records) / wall:.0f} images/s"
    yield "the same, for a CPU second", f"{len(records) / busy:.0f} images"
    time.sleep(2.5)  # the notes leave out younger files
    for notes in (folder / "cache").glob("images-*.json"):
        notes.unlink()
    wall, _, _ = timed(lambda: opened(records, folder))
    yield "opening it again, every file hashed", f"{wall:.2f} s"
    wall, _, cache = timed(lambda: opened(records, folder))
    yield "opening it again, no file changed", f"{wall:.2f} s"
    (pixels,) = (folder / "cache").glob("*/pixels.u8")
    yield "the cache", f"{pixels.stat().st_size / 1e9:.2f} GB"
    drop_from_memory(pixels)
    before, order = undroppable(os.getpid())[0], random.permutation(len(records))
    wall, _, most = timed(lambda: read_all(cache, order))
    yield "reading all at random, first from the disk", f"{len(records) / wall:,.0f} images/s"
    wall, _, _ = timed(lambda: read_all(cache, order))
    yield "reading all at random, again", f"{len(records) / wall:,.0f} images/s"
    yield "undroppable memory: before, most while reading all", f"{before:.0f}, {most:.0f} MiB"
    decoding, cached = compare(records, cache, random)
    yield "decoding, for a CPU second", f"{1 / statistics.median(decoding):,.0f} images"
    yield "from the cache, for a CPU second", f"{1 / statistics.median(cached):,.0f} images"
    yield "ratio (least - most of the rounds)", ratio(decoding, cached)


class _Enough(Exception):  # noqa: N818 - no error
    """The steps that are looked at are done."""


def light_recipe() -> RecipeConfig:
    recipe = RECIPES["mscmnet"]
    return replace(recipe, network=replace(recipe.network, **LIGHT))


def train(mark: Mark, folder: Path, count: int, cached: bool, workers: int) -> None:
    """The first steps of a training; a mark before the data come, one before the first step and one after each."""
    torch.set_num_threads(1)
    recipe = light_recipe()
    arguments = network_arguments(recipe.network, identities=PERSONS, seed=0)
    network = build_network(**arguments)
    mark("network")
    records = table_of(folder, count)
    cache = opened(records, folder) if cached else None
    mark("data")

    def on_step(report: StepReport) -> None:
        mark(f"step {report.step + 1}")
        if report.step + 1 == STEPS:
            raise _Enough

    with tempfile.TemporaryDirectory() as out, suppress(_Enough):
        fit(
            network,
            records,
            out=Path(out) / "run",
            views=make_views(**asdict(recipe.views)),
            criterion=make_criterion(streams=arguments["streams"], **asdict(recipe.loss)),
            epochs=recipe.epochs,
            identities=recipe.identities,
            images=recipe.images,
            accelerator="cpu",
            workers=workers,
            cache=cache,
            log_every=1,
            on_step=on_step,
            **asdict(recipe.optimizer),
        )


def measure_training(folder: Path, count: int) -> Iterator[str]:
    """Rows of a table, a training each."""
    for size in (FEW, count):
        if not (folder / f"images-{size}").exists():
            opened(made_images(folder, size), folder)
    for workers in (0, 2):
        for size, cached in dict.fromkeys([(FEW, True), (count, True), (count, False)]):
            taken = watched(train, folder, size, cached, workers)
            whole = [sum(both) for name, several in taken.items() if name != "network" for both in several]
            rests = [sum(several[0]) for name, several in taken.items() if name.startswith("step")]
            others = [other for several in taken.values() for _, other in several]
            yield (
                f"| {size:,} | {'cache' if cached else 'JPEGs'} | {workers} | {sum(taken['network'][0]):.0f} "
                f"| {sum(taken['data'][0]):.0f} | {max(whole):.0f} | {statistics.median(rests):.0f} "
                f"| {max(others):.0f} |"
            )


def print_training(rows: list[str]) -> None:
    recipe = light_recipe()
    network = build_network(**network_arguments(recipe.network, identities=PERSONS, seed=0))
    size = sum(parameter.nbytes for parameter in network.parameters()) / 2**20
    batch = recipe.identities * recipe.images
    print("\nUndroppable memory of a training and its workers, in MiB: recipe `mscmnet`, its batch of")
    print(f"{batch} visible and {batch} infrared images of {HEIGHT} x {WIDTH} in {len(network.streams)} streams, its")
    print(f"{recipe.epochs} epochs ahead, stopped after {STEPS} steps; on the CPU in float32, one thread. The network")
    print(
        f"is a light one, {LIGHT['backbone']} without MIMB: {size:.1f} MiB of parameters, as many of gradients and of"
    )
    print("momentum. The last column is what the workers hold of that, pages shared with the training by their part.\n")
    print("| images | from | workers | network built | data ready | most | after a step | the workers' part, most |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    print("\n".join(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} images")
    parser.add_argument("--train", action="store_true", help="measure the memory of trainings, too")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; the system's temporary one by default")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    count = FULL if arguments.full else FEW
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        facts = list(measure_reading(Path(folder), count))
        trainings = list(measure_training(Path(folder), count)) if arguments.train else []
    command = f"python benchmarks/pixel_cache.py{' --full' * arguments.full}{' --train' * arguments.train}"
    print("# Reading training images from the pixel cache\n")
    print(describe(command, "numpy", "pillow"))
    print(f"- {HEIGHT} x {WIDTH} pixels, drawn by `vireid synth`; batches of {BATCH} random images, {ROUNDS} rounds in")
    print("  turns; one thread unless said otherwise\n")
    print("| what | measured |")
    print("|---|---:|")
    print("\n".join(f"| {name} | {value} |" for name, value in facts))
    if trainings:
        print_training(trainings)


if __name__ == "__main__":
    main()
