"""How cost grows: with images, identities, rows of a table, the gallery and processes. Prints Markdown tables.

python benchmarks/growth.py [--full]

Each row stands beside the exponent of its growth from the row above: 0 where a tenfold size costs the same, 1 where it
costs ten times as much, 2 where it costs a hundred times. Each is measured in a process of its own, so that memory is
its own, and its shortest time counts. --full has sixteen thousand images, a million rows and a gallery of a million.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from math import log
from pathlib import Path

import cv2
import numpy as np
import torch
from machine import describe, timed

from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.data import open_pixel_cache
from vireid.data.manifest import read_manifest
from vireid.data.sampler import IdentitySampler
from vireid.evaluation import score_features
from vireid.models import build_network
from vireid.models.network import NetworkOutput
from vireid.retrieval import search
from vireid.retrieval.embedder import embed_records
from vireid.training import Targets, join_processes, make_criterion
from vireid.training.global_batch import gather_batch
from vireid.types import Modality, Record, Records

RECIPE = RECIPES["mscmnet-small"]
HEIGHT, WIDTH = RECIPE.network.height, RECIPE.network.width
QUERIES, LARGE_WIDTH = 100, 512
BATCH, DIMENSION, STREAMS = 24, 2048, 4
STEPS = 4

Cost = dict[str, float]
"""CPU seconds by what was done; ``memory`` in MiB above what stood before."""


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def shortest(call: Callable[[], object], rounds: int = 3) -> float:
    """CPU seconds of the quickest of some calls, the first of which does not count."""
    call()
    return min(timed(call)[1] for _ in range(rounds))


def made_table(root: Path, images: int, persons: int) -> Records:
    """A table of training images, half of them infrared, without `Record`s."""
    rows = np.arange(images)
    return Records(
        root=root,
        paths=np.char.add(np.char.zfill(rows.astype(str), 8), ".jpg"),
        persons=rows // 2 % persons,
        cameras=np.where(rows % 2, 3, 1),
        infrared=rows % 2 == 1,
        splits=np.full(images, "train"),
        tracks=np.full(images, ""),
        times=np.full(images, np.nan),
        person_names={},
        camera_names={},
    )


def images(count: int) -> Cost:
    """Filling the pixel cache, and embedding from it."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        records = made_table(Path(folder), count, 100)
        for row in range(count):
            small = random.integers(0, 255, (12, 6, 3), dtype=np.uint8)
            picture = cv2.resize(small, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(records.file(row)), picture)
        network = build_network(**network_arguments(RECIPE.network, identities=100, seed=0)).eval()
        some, everything = np.arange(64), np.arange(count)
        opened = partial(
            open_pixel_cache, records, everything, folder=Path(folder) / "cache", height=HEIGHT, width=WIDTH, workers=0
        )
        before = peak_mib()
        _, filling, cache = timed(opened)
        embed_records(network, records, some, cache=cache)
        _, embedding, _ = timed(partial(embed_records, network, records, cache=cache))
        memory = peak_mib() - before
        _, decoding, _ = timed(partial(embed_records, network, records))
        return {"cache filled": filling, "embedded from it": embedding, "from JPEG": decoding, "memory": memory}


def classes(identities: int) -> Cost:
    """A step of classifier and losses of the paper, forward and backward, with its optimiser; the network left out."""
    torch.manual_seed(0)
    classifier = torch.nn.Linear(DIMENSION, identities, bias=False)
    optimizer = torch.optim.SGD(classifier.parameters(), lr=0.01, momentum=0.9)
    criterion = make_criterion()
    features = torch.randn(STREAMS * BATCH, DIMENSION, requires_grad=True)
    labels = torch.arange(BATCH // 4).repeat_interleave(4).repeat(STREAMS)

    def step() -> None:
        for _ in range(5):
            terms = criterion(NetworkOutput(features, classifier(features), {}), Targets(labels))
            sum(terms.values(), torch.zeros(())).backward()
            optimizer.step()
            optimizer.zero_grad()

    before = peak_mib()
    return {"step": shortest(step) / 5, "memory": peak_mib() - before}


def sampled(identities: int) -> Cost:
    """A sampler of eight images an identity: made, and asked for a batch."""
    records = made_table(Path("made"), 8 * identities, identities)
    before = peak_mib()
    seconds = shortest(partial(IdentitySampler, records, identities=6, images=4, seed=0))
    memory = peak_mib() - before
    sampler = IdentitySampler(records, identities=6, images=4, seed=0)
    batches = shortest(lambda: [sampler.batch(0, step) for step in range(200)])
    return {"made": seconds, "a batch": batches / 200, "memory": memory}


def table(rows: int) -> Cost:
    """A table built from its rows, and a manifest read."""
    listed = [
        Record(
            path=f"cam{row % 4}/{row:08d}.jpg",
            person=row % 5000,
            camera=row % 4,
            modality=Modality.INFRARED if row % 4 == 3 else Modality.VISIBLE,
            split="train",
        )
        for row in range(rows)
    ]
    before = peak_mib()
    building = shortest(lambda: Records.build(Path("made"), listed), rounds=1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.csv"
        lines = [f"{row.path},{row.person},{row.camera},{row.modality.name.lower()},train\n" for row in listed]
        file.write_text("path,person,camera,modality,split\n" + "".join(lines))
        reading = shortest(lambda: read_manifest(file), rounds=1)
    return {"Records.build": building, "read_manifest": reading, "memory": peak_mib() - before}


def gallery(count: int) -> Cost:
    """Scoring and searching, preparing of the features included."""
    random = np.random.default_rng(0)
    persons = random.integers(0, count // 20, count)
    there = random.standard_normal((count, LARGE_WIDTH), dtype=np.float32)
    asked = there[:QUERIES] + random.standard_normal((QUERIES, LARGE_WIDTH), dtype=np.float32)
    cameras = random.choice([3, 6], QUERIES), random.choice([1, 2, 4, 5], count)
    before = peak_mib()
    search(asked, there[:1000], top=10)
    _, scoring, _ = timed(
        lambda: score_features(
            asked,
            there,
            query_ids=persons[:QUERIES],
            gallery_ids=persons,
            query_cameras=cameras[0],
            gallery_cameras=cameras[1],
            rule="sysu",
        )
    )
    _, searching, _ = timed(lambda: search(asked, there, top=10))
    return {"scored": scoring, "searched": searching, "memory": peak_mib() - before}


def shared_step() -> None:
    """What each of several processes runs: its part of steps of the same eight identities."""
    torch.set_num_threads(1)
    fabric = join_processes("cpu")
    network = build_network(**network_arguments(RECIPE.network, identities=100, seed=0)).train()
    criterion = make_criterion(streams=network.streams, **asdict(RECIPE.loss))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    module, optimizer = fabric.setup(network, optimizer)
    each = 32 // fabric.world_size
    views = [torch.randn(each, 3, HEIGHT, WIDTH) for _ in network.streams]
    labels = torch.arange(8).repeat_interleave(4)[fabric.global_rank * each :][:each]

    def step() -> None:
        output, targets = module(views), Targets(labels.repeat(len(views)))
        if fabric.world_size > 1:
            output, targets = gather_batch(fabric, output, targets, streams=len(views))
        fabric.backward(sum(criterion(output, targets).values(), torch.zeros(())))
        optimizer.step()
        optimizer.zero_grad()

    step()
    fabric.barrier()
    walls, busy = zip(*(timed(step)[:2] for _ in range(STEPS)))
    seconds = fabric.all_reduce(torch.tensor(min(busy)), reduce_op="sum")
    assert isinstance(seconds, torch.Tensor)
    if fabric.is_global_zero:
        print(f"{min(walls)} {float(seconds)}")


def processes(count: int) -> tuple[float, float]:
    """Wall seconds of a step and CPU seconds of all processes together, under torchrun on gloo."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    run = subprocess.run(
        [*command, __file__, "--shared-step"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    wall, busy = run.stdout.split()[-2:]
    return float(wall), float(busy)


def apart(call: Callable[[int], Cost], size: int) -> Cost:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, size).result()


def grown(what: str, call: Callable[[int], Cost], sizes: Sequence[int]) -> str:
    """A table of what sizes cost."""
    costs = [apart(call, size) for size in sizes]
    names = list(costs[0])
    units = [f"{name}, {'MiB' if name == 'memory' else 'CPU ms'} | exponent" for name in names]
    lines = [f"| {what} | {' | '.join(units)} |", f"|{'---|' * (1 + 2 * len(names))}"]
    for row, (size, cost) in enumerate(zip(sizes, costs)):
        cells = []
        for name in names:
            value = cost[name] if name == "memory" else 1e3 * cost[name]
            cells.append(f"{value:,.0f}" if value >= 100 else f"{value:.3g}")
            before = costs[row - 1][name]
            # Growth of memory that is hardly there says nothing.
            known = row and min(before, cost[name]) > (10 if name == "memory" else 0)
            cells.append(f"{log(cost[name] / before) / log(size / sizes[row - 1]):.2f}" if known else "")
        lines.append(f"| {size:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="large sizes too: ten minutes")
    parser.add_argument("--shared-step", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.shared_step:
        shared_step()
        return
    full = arguments.full
    parts = {
        f"Images of {WIDTH} x {HEIGHT} pixels, the network of the recipe `mscmnet-small`": grown(
            "images", images, (1_000, 4_000, 16_000) if full else (500, 2_000)
        ),
        f"Identities: classifier ({DIMENSION} wide) and losses of a step of {STREAMS * BATCH} images": grown(
            "identities", classes, (100, 395, 1_000, 10_000)
        ),
        "Identities: the sampler, eight images an identity": grown(
            "identities", sampled, (100, 1_000, 10_000, 100_000) if full else (100, 1_000, 10_000)
        ),
        "Rows of a table": grown("rows", table, (10_000, 100_000, 1_000_000) if full else (10_000, 100_000)),
        f"Gallery, {QUERIES} queries, features {LARGE_WIDTH} wide": grown(
            "gallery", gallery, (10_000, 100_000, 1_000_000) if full else (10_000, 100_000)
        ),
    }
    shared = [(count, *processes(count)) for count in (1, 2)]
    print("# How cost grows\n")
    print(describe(f"python benchmarks/growth.py{' --full' if full else ''}", "numpy"))
    print(f"- {torch.get_num_threads()} threads\n")
    print(
        "CPU time is summed over threads; the exponent is of the growth from the row above: 0 where a tenfold size\n"
        "costs the same, 1 where it costs ten times as much. Memory is how much higher the process's peak is after\n"
        "than before."
    )
    for title, text in parts.items():
        print(f"\n## {title}\n\n{text}")
    print(
        "\n## Processes\n\nOne training step of `mscmnet-small`, 8 identities x 4 images x 4 views shared by the "
        "processes, global loss batch, under\ntorchrun on gloo, one thread each; the quickest of "
        f"{STEPS} steps, views ready.\n"
    )
    print("| processes | s | CPU s, all | times as quick as one |\n|---|---|---|---|")
    for count, wall, busy in shared:
        print(f"| {count} | {wall:.2f} | {busy:.2f} | {shared[0][1] / wall:.2f} |")


if __name__ == "__main__":
    main()
