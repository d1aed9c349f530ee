"""What the pixel cache saves: `python benchmarks/pixel_cache.py` prints a Markdown table.

python benchmarks/pixel_cache.py [--full] [--folder FOLDER]

Batches of 64 random images of 384 x 192 pixels are read by decoding their JPEGs and from the cache, in turns in one
process, one thread. --full has as many images as SYSU-MM01's training split (34,167; 8.5 GB on the disk): copies of
the drawn ones, each made a file of its own by a few bytes behind the end of its JPEG.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import PIL
import torch

from vireid.data import PixelCache, load_batch, open_pixel_cache, read
from vireid.synthetic import write_world
from vireid.types import Modality, Record, Records

HEIGHT, WIDTH = 384, 192
FULL = 34_167
BATCH, ROUNDS, BATCHES = 64, 7, 4

_Result = TypeVar("_Result")


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def made_images(folder: Path, count: int | None) -> Records:
    """A drawn world of 356 images, or ``count`` copies of these that differ in their bytes."""
    world = folder / "world"
    write_world(world, layout="sysu", persons=16, images_per_camera=4, height=HEIGHT, width=WIDTH, seed=0, workers=1)
    drawn = read("sysu", world)
    if count is None:
        return drawn
    contents = [drawn.file(row).read_bytes() for row in range(len(drawn))]
    (folder / "copies").mkdir()
    rows = []
    for number in range(count):
        path = f"{number:05d}.jpg"
        (folder / "copies" / path).write_bytes(contents[number % len(contents)] + number.to_bytes(4, "big"))
        rows.append(Record(path=path, person=number, camera=1, modality=Modality.VISIBLE, split="train"))
    return Records.build(folder / "copies", rows)


def timed(call: Callable[[], _Result]) -> tuple[float, float, _Result]:
    """Wall seconds, CPU seconds of all threads, and the result."""
    wall, busy = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - busy, result


def anonymous() -> float:
    """MiB of this process that the system can only swap, not drop."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) / 1024


def drop_from_memory(file: Path) -> None:
    """Ask the system to forget a file that nobody maps, so that it is read from the disk again."""
    handle = os.open(file, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def read_all(cache: PixelCache, order: np.ndarray) -> float:
    """Read every image once, in batches; the most anonymous memory on the way, in MiB."""
    return max(
        anonymous() for start in range(0, len(order), BATCH) if len(cache.batch(order[start : start + BATCH])) > 0
    )


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


def measure(folder: Path, count: int | None) -> list[tuple[str, str]]:
    records = made_images(folder, count)
    rows, random = np.arange(len(records)), np.random.default_rng(0)

    def opened() -> PixelCache:
        cache = open_pixel_cache(records, rows, folder=folder / "cache", height=HEIGHT, width=WIDTH)
        if cache is None:
            raise SystemExit(f"the disk of {folder} is too small")
        return cache

    size = sum(records.file(row).stat().st_size for row in range(len(records))) / len(rows)
    facts = [("images", f"{len(records):,}"), ("a JPEG, on average", f"{size / 1024:.0f} KiB")]
    wall, busy, _ = timed(opened)
    facts.append(("writing the cache, a thread for each core", f"{len(records) / wall:.0f} images/s"))
    facts.append(("the same, for a CPU second", f"{len(records) / busy:.0f} images"))
    time.sleep(2.5)  # the notes leave out younger files
    for notes in (folder / "cache").glob("images-*.json"):
        notes.unlink()
    wall, _, _ = timed(opened)
    facts.append(("opening it again, every file hashed", f"{wall:.2f} s"))
    wall, _, cache = timed(opened)
    facts.append(("opening it again, no file changed", f"{wall:.2f} s"))
    (pixels,) = (folder / "cache").glob("*/pixels.u8")
    facts.append(("the cache", f"{pixels.stat().st_size / 1e9:.2f} GB"))
    drop_from_memory(pixels)
    before, order = anonymous(), random.permutation(len(records))
    wall, _, most = timed(lambda: read_all(cache, order))
    facts.append(("reading all at random, first from the disk", f"{len(records) / wall:,.0f} images/s"))
    facts.append(("anonymous memory: before, most while reading all", f"{before:.0f}, {most:.0f} MiB"))
    decoding, cached = compare(records, cache, random)
    ratios = sorted(one / other for one, other in zip(decoding, cached))
    facts.append(("decoding, for a CPU second", f"{1 / statistics.median(decoding):,.0f} images"))
    facts.append(("from the cache, for a CPU second", f"{1 / statistics.median(cached):,.0f} images"))
    facts.append(
        ("ratio (least - most of the rounds)", f"{ratios[len(ratios) // 2]:.0f} ({ratios[0]:.0f} - {ratios[-1]:.0f})")
    )
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help=f"{FULL:,} images")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; the system's temporary one by default")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        facts = measure(Path(folder), FULL if arguments.full else None)
    print("# Reading training images from the pixel cache\n")
    print(f"- {processor()}, {os.cpu_count()} cores, {platform.system()}, load average {os.getloadavg()[0]:.1f}")
    print(f"- Python {platform.python_version()}, NumPy {np.__version__}, Pillow {PIL.__version__}")
    print(f"- {datetime.date.today().isoformat()}, `python benchmarks/pixel_cache.py{' --full' * arguments.full}`")
    print(f"- {HEIGHT} x {WIDTH} pixels, drawn by `vireid synth`; batches of {BATCH} random images, {ROUNDS} rounds in")
    print("  turns; one thread unless said otherwise\n")
    print("| what | measured |")
    print("|---|---:|")
    print("\n".join(f"| {name} | {value} |" for name, value in facts))


if __name__ == "__main__":
    main()
