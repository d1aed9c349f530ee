"""What embedding costs: `python benchmarks/embedding.py` prints Markdown tables.

python benchmarks/embedding.py [--recipes NAME ...] [--rounds N] [--images N] [--threads N]

`vireid.retrieval.embed_records` against a plain pipeline of the same network: images opened, resized and normalised
one by one with Pillow and NumPy, then the network in contiguous float32 without gradients, 1 or 64 images at a time;
nothing overlaps. A batch is of one modality, so where few images are measured there are fewer than 64 in it. Without
decoding, ours reads from the pixel cache and the plain one takes tensors that are ready. All run in turns in one
process on the same drawn images. The last table scores one small training in both precisions.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from machine import describe, in_turns, ratio
from PIL import Image
from torch import Tensor

from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.data import open_pixel_cache, read
from vireid.evaluation import Protocol, evaluate, rows_of, sysu_trials
from vireid.models import Network, build_network, load_network
from vireid.retrieval import embed_records
from vireid.synthetic import write_world
from vireid.transforms.normalize import IMAGENET_MEAN, IMAGENET_STD
from vireid.types import Modality, Records

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MEAN, DEVIATION = (np.array(values, dtype=np.float32) for values in (IMAGENET_MEAN, IMAGENET_STD))
SMALL_TRAINING = ("mscmnet-small", 10)


def plain_image(file: Path, size: tuple[int, int]) -> Tensor:
    image = Image.open(file).convert("RGB").resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, dtype=np.float32) / 255
    return torch.from_numpy((pixels - MEAN) / DEVIATION).permute(2, 0, 1)


def plain_embedding(
    network: Network, records: Records, rows: np.ndarray, batch: int, ready: Sequence[Tensor] | None = None
) -> np.ndarray:
    """Row by row as a script would do it; ``ready`` are images that need not be decoded any more."""
    features = np.empty((len(rows), network.embedding_dimension), dtype=np.float32)
    for modality in Modality:
        places = np.flatnonzero(records.infrared[rows] == (modality is Modality.INFRARED))
        for start in range(0, len(places), batch):
            part = places[start : start + batch]
            images = [
                plain_image(records.file(int(rows[place])), network.image_size) if ready is None else ready[place]
                for place in part
            ]
            with torch.no_grad():
                features[part] = network.embed(torch.stack(images).to(DEVICE), modality).cpu().numpy()
    return features


def keep(vectors: dict[str, np.ndarray], way: str, call: Callable[[], np.ndarray]) -> None:
    """What a way gave last, to compare it with the others."""
    vectors[way] = call()


def measure(name: str, rounds: int, count: int, folder: Path) -> list[str]:
    """A table for one recipe."""
    recipe = dataclasses.replace(RECIPES[name].network, weights="none")
    network = build_network(**network_arguments(recipe, identities=10, seed=0)).eval()
    height, width = network.image_size
    write_world(folder / name, layout="sysu", persons=16, images_per_camera=4, height=height, width=width, seed=0)
    records = read("sysu", folder / name)
    rows = np.sort(np.random.default_rng(0).permutation(len(records))[:count])
    cache = open_pixel_cache(records, rows, folder=folder / "cache", height=height, width=width)
    ready = [plain_image(records.file(int(row)), network.image_size) for row in rows]
    contiguous = copy.deepcopy(network).to(DEVICE)

    def ours(precision: str, *, cached: bool) -> Callable[[], np.ndarray]:
        options = {"precision": precision, "device": DEVICE, "cache": cache if cached else None}
        return lambda: embed_records(network, records, rows, **options).features

    def plain(batch: int, *, cached: bool) -> Callable[[], np.ndarray]:
        return lambda: plain_embedding(contiguous, records, rows, batch, ready if cached else None)

    lines = [
        f"## {name}, {height} x {width}, {len(rows)} images, {rounds} rounds\n",
        "| | images/s | 1 at a time takes as long (least - most) | up to 64 at a time takes as long "
        "| largest difference |",
        "|---|---:|---:|---:|---:|",
    ]
    for cached in (False, True):
        calls = {
            "plain, 1 at a time": plain(1, cached=cached),
            "plain, up to 64 at a time": plain(64, cached=cached),
            "ours, float32": ours("32", cached=cached),
            "ours, bfloat16": ours("bf16", cached=cached),
        }
        vectors: dict[str, np.ndarray] = {}
        kept = {way: partial(keep, vectors, way, call) for way, call in calls.items()}
        seconds = in_turns(kept, rounds=rounds)
        one, many = (seconds[f"plain, {batch} at a time"] for batch in ("1", "up to 64"))
        for way, taken in seconds.items():
            difference = np.abs(vectors[way] - vectors["plain, 1 at a time"]).max()
            lines.append(
                f"| {way}{', decoded before' * cached} | {len(rows) / statistics.median(taken):.1f} | "
                f"{ratio(one, taken)} | {ratio(many, taken)} | {difference:.1e} |"
            )
    return lines


def accuracy(folder: Path) -> list[str]:
    """Scores of one small training in both precisions."""
    name, epochs = SMALL_TRAINING
    world, run = folder / "world", folder / "run"
    write_world(world, layout="sysu", persons=40, images_per_camera=4, height=96, width=48, seed=0)
    command = ["train", name, "--root", str(world), "--out", str(run), "--epochs", str(epochs)]
    subprocess.run([sys.executable, "-m", "vireid", *command], check=True, capture_output=True)
    network, _ = load_network(run)
    records = read("sysu", world, splits=("test",))
    trials = sysu_trials(records, mode="all")
    protocol = Protocol(
        data_set="sysu", direction="i2v", feature="bn", checkpoint_rule="last epoch", mode="all", shots=1, draw="seeded"
    )
    lines = [
        f"## {name}, {epochs} epochs on a drawn world, scored in both precisions\n",
        "| | Rank-1 | mAP | mINP | largest difference of a number | least cosine |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    single = embed_records(network, records, rows_of(trials), device=DEVICE, precision="32").features
    for precision in ("32", "bf16"):
        embeddings = embed_records(network, records, rows_of(trials), device=DEVICE, precision=precision)
        mean = evaluate(records, embeddings, trials, protocol).mean
        rates = [mean["cmc"][0], mean["map"], mean["minp"]]
        difference = np.abs(embeddings.features - single).max()
        cosine = (embeddings.features * single).sum(axis=1).min()
        figures = " | ".join(f"{100 * rate:.2f}" for rate in rates)
        lines.append(f"| {precision} | {figures} | {difference:.1e} | {cosine:.6f} |")
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["mscmnet", "mscmnet-small"], help="whose networks")
    parser.add_argument("--rounds", type=int, default=2, help="in turns, after one that does not count")
    parser.add_argument("--images", type=int, default=0, help="to embed; 16 of a full network, 256 of a small one")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the network on a processor")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print("# Embedding\n")
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.recipes:
            usual = 256 if name.endswith("-small") or DEVICE.type == "cuda" else 16
            tables.append(measure(name, arguments.rounds, arguments.images or usual, Path(folder)))
        tables.append(accuracy(Path(folder)))
    given = " ".join(["python benchmarks/embedding.py", *sys.argv[1:]])
    print(describe(given, "timm", "pillow", "numpy"))
    print(f"- {torch.get_num_threads()} threads for the network, {os.cpu_count()} cores, computing on {DEVICE.type}\n")
    print("\n\n".join("\n".join(lines) for lines in tables))


if __name__ == "__main__":
    main()
