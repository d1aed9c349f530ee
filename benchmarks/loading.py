"""Loading and augmentation against the published recipe: `python benchmarks/loading.py` prints Markdown tables.

python benchmarks/loading.py [--rounds 7] [--batches 4]

One step of MSCMNet takes 24 visible and 24 infrared images, each in two views: 96 of what is counted here as images.
Three ways to make them take turns in one process on one thread:

- files: a DataLoader over a data set that opens two JPEGs an item with Pillow and makes four views with
  torchvision's first transforms, an image at a time;
- arrays: the same from resized bytes kept in memory, as the published code does (7.5 GB for SYSU-MM01);
- ours: batches of the pixel cache, and `make_views` on them.

Times are those of the processor, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from machine import describe, ratio, timed
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as tv
from torchvision.transforms.v2 import functional as F

from vireid.data import PixelCache, open_pixel_cache, read
from vireid.synthetic import write_world
from vireid.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    blur,
    draw_jitter,
    draw_moves,
    generator,
    jitter,
    make_views,
    move_images,
)
from vireid.types import Modality, Records

SIZES = ((384, 192), (128, 64))
IMAGES, VIEWS = 24, 4
PADDING = 10
PAINT = (0.4914, 0.4822, 0.4465)


class Erase:
    """A rectangle of 2 to 40 % of the image, with probability a half."""

    def __call__(self, image: Tensor) -> Tensor:
        if random.random() < 0.5:
            return image
        _, height, width = image.shape
        for _ in range(100):
            area, aspect = random.uniform(0.02, 0.4) * height * width, random.uniform(0.3, 1 / 0.3)
            tall, wide = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if tall < height and wide < width:
                top, left = random.randint(0, height - tall), random.randint(0, width - wide)
                for channel in range(3):
                    image[channel, top : top + tall, left : left + wide] = PAINT[channel]
                break
        return image


class OneChannel:
    """Red, green or blue in all three channels."""

    def __call__(self, image: Tensor) -> Tensor:
        channel = random.randrange(3)
        for other in range(3):
            image[other] = image[channel]
        return image


class SecondChannelOrGray:
    """The second channel in all three, else gray in half of the rest."""

    def __call__(self, image: Tensor) -> Tensor:
        if random.random() < 0.5:
            image[0] = image[1]
            image[2] = image[1]
        elif random.random() < 0.5:
            gray = 0.2989 * image[0] + 0.5870 * image[1] + 0.1140 * image[2]
            for channel in range(3):
                image[channel] = gray
        return image


class ScaleChannels:
    """Each channel times 2 U(0.01, 0.5), in half of the images."""

    def __call__(self, image: Tensor) -> Tensor:
        if random.random() < 0.5:
            for channel in range(3):
                image[channel] = image[channel] * (2 * random.uniform(0.01, 0.5))
        return image


def plain_views(height: int, width: int) -> dict[Modality, list[Callable[[Image.Image], Tensor]]]:
    """Two views a modality, as the published recipe composes them."""
    moved = [
        tv.Pad(PADDING),
        tv.RandomCrop((height, width)),
        tv.RandomHorizontalFlip(0.5),
        tv.ToTensor(),
        tv.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        Erase(),
    ]
    return {
        Modality.VISIBLE: [tv.Compose([tv.RandomGrayscale(0.5), *moved]), tv.Compose([*moved, OneChannel()])],
        Modality.INFRARED: [
            tv.Compose([*moved, SecondChannelOrGray()]),
            tv.Compose([tv.ColorJitter(brightness=0.5), *moved, ScaleChannels()]),
        ],
    }


class PlainItems(Dataset):
    """Four views of a visible and an infrared image, opened or taken from memory."""

    def __init__(self, pictures: dict[Modality, Sequence[Path | np.ndarray]], height: int, width: int) -> None:
        self._pictures, self._size = pictures, (width, height)
        self._views = plain_views(height, width)

    def __getitem__(self, rows: tuple[int, int]) -> list[Tensor]:
        images = [self._image(self._pictures[modality][row]) for modality, row in zip(Modality, rows)]
        return [view(image) for modality, image in zip(Modality, images) for view in self._views[modality]]

    def _image(self, picture: Path | np.ndarray) -> Image.Image:
        if isinstance(picture, np.ndarray):
            return Image.fromarray(picture)
        with Image.open(picture) as opened:
            image = opened.convert("RGB")
        return image if image.size == self._size else image.resize(self._size)


def plainly(items: PlainItems, batches: list[np.ndarray]) -> int:
    rows = [[(int(visible), int(infrared)) for visible, infrared in zip(*batch)] for batch in batches]
    return sum(len(view) for made in DataLoader(items, batch_sampler=rows) for view in made)


def ours(cache: PixelCache, rows: dict[Modality, np.ndarray], batches: list[np.ndarray]) -> int:
    views, seen = make_views(padding=PADDING), 0
    for step, batch in enumerate(batches):
        for modality, places in zip(Modality, batch):
            images = cache.batch(rows[modality][places])
            for name in [name for name in views if name.startswith(modality.value)]:
                seen += len(views[name](images, generator(0, 0, step, name)))
    return seen


def parts(cache: PixelCache, rows: dict[Modality, np.ndarray]) -> dict[str, Callable[[], object]]:
    """What our side is made of, each on one batch of a modality."""
    views = make_views(padding=PADDING)
    images = {modality: cache.batch(rows[modality][:IMAGES]) for modality in Modality}
    moves = draw_moves(IMAGES, cache.height, cache.width, generator(0, 0, 0, "moves"))
    calls: dict[str, Callable[[], object]] = {"cache": partial(cache.batch, rows[Modality.VISIBLE][:IMAGES])}
    for name, view in views.items():
        of_view = images[Modality(name.split("_")[0])]
        calls[name] = lambda view=view, of_view=of_view, name=name: view(of_view, generator(0, 0, 0, name))
    calls["draws alone"] = lambda: draw_moves(IMAGES, cache.height, cache.width, generator(0, 0, 0, "moves"))
    calls["crop and mirror alone, on bytes"] = partial(move_images, images[Modality.VISIBLE], moves)
    calls["writing as many floats, nothing else"] = lambda: images[Modality.VISIBLE].float()
    return calls


def pictures(
    records: Records, cache: PixelCache, modality: Modality
) -> tuple[np.ndarray, list[Path], list[np.ndarray]]:
    """Rows of a modality, their files and their bytes as an image library wants them."""
    rows = np.flatnonzero(records.infrared == (modality is Modality.INFRARED))
    arrays = [np.ascontiguousarray(cache.batch(rows[[place]])[0].permute(1, 2, 0)) for place in range(len(rows))]
    return rows, [records.file(int(row)) for row in rows], arrays


def looped_jitter(images: Tensor, amounts: Tensor, order: Tensor) -> Tensor:
    changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
    made = []
    for image, own, first_to_last in zip(images, amounts.tolist(), order.tolist()):
        for change in first_to_last:
            image = changes[change](image, own[change])
        made.append(image)
    return torch.stack(made)


def looped_blur(images: Tensor, sigmas: Tensor) -> Tensor:
    return torch.stack([F.gaussian_blur(image, [13, 13], [own, own]) for image, own in zip(images, sigmas.tolist())])


def recoloring(images: Tensor, rounds: int) -> list[str]:
    """Rows of the table of the other second views: whole batches against a loop of torchvision's second transforms."""
    draws = generator(0, 0, 0, "recoloring")
    jittering, sigmas = draw_jitter(len(images), draws), torch.empty(len(images)).uniform_(0.1, 2.0, generator=draws)
    lines = []
    for name, looped, batched in (
        ("jitter", partial(looped_jitter, images, *jittering), partial(jitter, images, *jittering)),
        ("blur", partial(looped_blur, images, sigmas), partial(blur, images, sigmas)),
    ):
        taken: dict[str, list[float]] = {"looped": [], "batched": []}
        for number in range(rounds + 1):
            for way, call in (("looped", looped), ("batched", batched)):
                _, busy, _ = timed(call)
                if number:
                    taken[way].append(1e3 * busy / len(images))
        lines.append(
            f"| {images.shape[2]} x {images.shape[3]} | {name} | {median(taken['looped']):.2f} | "
            f"{median(taken['batched']):.2f} | {ratio(taken['looped'], taken['batched'])} |"
        )
    return lines


def measure(folder: Path, height: int, width: int, rounds: int, count: int) -> tuple[str, str, str]:
    """Rows of the three tables for one image size."""
    write_world(folder / "world", layout="sysu", persons=16, images_per_camera=4, height=height, width=width, seed=0)
    records = read("sysu", folder / "world")
    cache = open_pixel_cache(
        records, np.arange(len(records)), folder=folder / "cache", height=height, width=width, workers=0
    )
    if cache is None:
        raise SystemExit(f"the disk of {folder} is too small")
    rows, files, arrays = {}, {}, {}
    for modality in Modality:
        rows[modality], files[modality], arrays[modality] = pictures(records, cache, modality)
    ways: dict[str, Callable[[list[np.ndarray]], int]] = {
        "files": partial(plainly, PlainItems(files, height, width)),
        "arrays": partial(plainly, PlainItems(arrays, height, width)),
        "ours": partial(ours, cache, rows),
    }
    draws = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        batches = [np.stack([draws.integers(0, len(rows[each]), IMAGES) for each in Modality]) for _ in range(count)]
        for name, way in ways.items():
            _, busy, made = timed(partial(way, batches))
            assert made == IMAGES * VIEWS * count
            if number:
                seconds[name].append(busy / made)
    lines = [
        f"| {height} x {width} | {name} | {1 / median(taken):,.0f} | {1e3 * median(taken):.3f} | "
        f"{'' if name == 'ours' else ratio(taken, seconds['ours'])} |"
        for name, taken in seconds.items()
    ]
    calls = parts(cache, rows)
    shares: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(2 * rounds + 1):
        for name, call in calls.items():
            _, busy, _ = timed(call)
            if number:
                shares[name].append(busy / IMAGES)
    where = [f"| {height} x {width} | {name} | {1e3 * median(taken):.3f} |" for name, taken in shares.items()]
    images = cache.batch(rows[Modality.VISIBLE][:IMAGES])
    return "\n".join(lines), "\n".join(where), "\n".join(recoloring(images, rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=4, help="of 96 images, in a round")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    random.seed(0)
    torch.manual_seed(0)
    tables = []
    for height, width in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            tables.append(measure(Path(folder), height, width, arguments.rounds, arguments.batches))
    print("# Loading and augmentation\n")
    print(describe("python benchmarks/loading.py", "torchvision", "pillow", "numpy"))
    print(f"- a drawn world, batches of {IMAGES} visible and {IMAGES} infrared images in two views each; one process,")
    print(f"  one thread, {arguments.rounds} rounds of {arguments.batches} batches in turns, time of the processor\n")
    print("| size | way | images/s a core | ms an image | times as long as ours: middle (least - most) |")
    print("|---|---|---:|---:|---:|")
    print("\n".join(lines for lines, _, _ in tables))
    print("\n| size | part of ours | ms an image |")
    print("|---|---|---:|")
    print("\n".join(where for _, where, _ in tables))
    print("\n| size | second visible view | image by image, ms an image | batched | ratio |")
    print("|---|---|---:|---:|---:|")
    print("\n".join(recolored for _, _, recolored in tables))


if __name__ == "__main__":
    main()
