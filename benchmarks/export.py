"""What exports save: `python benchmarks/export.py` prints Markdown tables.

python benchmarks/export.py [--run RUN] [--root WORLD] [--recipes NAME ...] [--rounds N] [--threads N]

Every kind of export against the network itself, `Network.embed_pixels` in channels-last layout under inference mode,
from bytes in memory to vectors, without decoding. All run in turns in one process with as many threads. Of a run
(--run, --root: a SYSU-MM01 layout) vectors and scores are compared too; of untrained networks (--recipes) only the time
is told. There int8 learns its ranges from made images: they do for the time, not for the accuracy.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from machine import describe, in_turns, ratio

from vireid.cli.plan import Plan, make_plan
from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.data import read
from vireid.data.pixel_source import PixelSource
from vireid.evaluation import evaluate, rows_of
from vireid.exports import OnnxModel, TorchModel, check_vectors, export_network, load_export
from vireid.exports.entry_point import made_pixels
from vireid.models import EmbeddingModel, Network, build_network, load_network
from vireid.retrieval import embed_records
from vireid.types import Modality

KINDS = (("onnx", "32"), ("onnx", "int8"), ("torch", "32"), ("torch", "bf16"))
BATCHES = (1, 16)

Images = dict[Modality, np.ndarray]


def exports_of(network: Network, folder: Path, calibration: Images, threads: int) -> dict[str, OnnxModel | TorchModel]:
    exports = {}
    for to, precision in KINDS:
        out = folder / f"{to}-{precision}"
        export_network(
            network, {}, out, source="benchmark", to=to, precision=precision, calibration=calibration, verify=False
        )
        exports[f"{to} {precision}"] = load_export(out, threads=threads)
    return exports


@torch.inference_mode()
def embed_many(model: EmbeddingModel, pixels: torch.Tensor, kind: torch.dtype | None, repeats: int) -> None:
    for _ in range(repeats):
        model.embed_pixels(pixels, Modality.VISIBLE, kind=kind)


def times(
    title: str, network: Network, exports: dict[str, OnnxModel | TorchModel], rounds: int, repeats: int
) -> list[str]:
    lines = [
        f"## {title}, {' x '.join(map(str, network.image_size))}, {rounds} rounds\n",
        "| | images at a time | ms an image | images/s | the network takes as long (least - most) |",
        "|---|---:|---:|---:|---:|",
    ]
    for batch in BATCHES:
        pixels = torch.from_numpy(made_pixels(batch, network.image_size))
        times_each = max(1, repeats // batch)
        calls: dict[str, Callable[[], object]] = {
            "network, float32": partial(embed_many, network, pixels, None, times_each),
            "network, bfloat16": partial(embed_many, network, pixels, torch.bfloat16, times_each),
        }
        calls |= {name: partial(embed_many, model, pixels, None, times_each) for name, model in exports.items()}
        seconds = in_turns(calls, rounds=rounds)
        for name, taken in seconds.items():
            each = statistics.median(taken) / (batch * times_each)
            compared = ratio(seconds["network, float32"], taken)
            lines.append(f"| {name} | {batch} | {1e3 * each:.2f} | {1 / each:.1f} | {compared} |")
    return lines


def sizes(exports: dict[str, OnnxModel | TorchModel]) -> list[str]:
    lines = ["| | MB of one entry point | convolutions in 8 bits |", "|---|---:|---:|"]
    for name, model in exports.items():
        size = model.facts.files[Modality.VISIBLE].bytes / 1e6
        found = (model.facts.quantised or {}).get("visible")
        said = f"{found['convolutions_in_8_bits']} of {found['of']}" if found else "none"
        lines.append(f"| {name} | {size:.1f} | {said} |")
    return lines


def scores(network: Network, exports: dict[str, OnnxModel | TorchModel], plan: Plan) -> list[str]:
    lines = [
        f"{plan.protocol.name}, {len(plan.trials)} trials; vectors of made images, compared with the network's\n",
        "| | Rank-1 | mAP | mINP | largest difference of a number | least cosine |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, model in {"network, float32": network, **exports}.items():
        embeddings = embed_records(model, plan.records, rows_of(plan.trials), precision="32")
        mean = evaluate(plan.records, embeddings, plan.trials, plan.protocol).mean
        vectors = check_vectors(network, model, feature="bn", limit=None)
        figures = " | ".join(f"{100 * rate:.2f}" for rate in (mean["cmc"][0], mean["map"], mean["minp"]))
        lines.append(f"| {name} | {figures} | {vectors['largest_difference']:.1e} | {vectors['least_cosine']:.4f} |")
    return lines


def of_run(run: Path, root: Path, rounds: int, threads: int, folder: Path) -> list[str]:
    network, facts = load_network(run)
    records = read("sysu", root, splits=("train",))
    source = PixelSource(records, network.image_size, None, use="exported")
    calibration = {
        modality: source.batch(np.random.default_rng(0).permutation(records.rows(modality=modality))[:256]).numpy()
        for modality in Modality
    }
    exports = exports_of(network, folder, calibration, threads)
    plan = make_plan("sysu", root, feature="bn", checkpoint_rule=str(facts["checkpoint_rule"]))
    title = f"A trained {facts['recipe']}"
    return [
        *times(title, network.move_to(torch.device("cpu")), exports, rounds, 32),
        "",
        *sizes(exports),
        "",
        *scores(network, exports, plan),
    ]


def of_recipe(name: str, rounds: int, threads: int, folder: Path) -> list[str]:
    recipe = dataclasses.replace(RECIPES[name].network, weights="none")
    network = build_network(**network_arguments(recipe, identities=10, seed=0)).eval()
    calibration = {modality: made_pixels(8, network.image_size) for modality in Modality}
    exports = exports_of(network, folder, calibration, threads)
    title = f"An untrained {name}"
    return [*times(title, network.move_to(torch.device("cpu")), exports, rounds, 1), "", *sizes(exports)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run directory; none is measured by default")
    parser.add_argument("--root", type=Path, help="the world of the run, in SYSU-MM01's layout")
    parser.add_argument("--recipes", nargs="*", default=["mscmnet"], help="untrained networks")
    parser.add_argument("--rounds", type=int, default=3, help="in turns, after one that does not count")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch and of ONNX Runtime alike")
    arguments = parser.parse_args()
    if (arguments.run is None) != (arguments.root is None):
        parser.error("--run and --root go together")
    torch.set_num_threads(arguments.threads)
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        if arguments.run is not None:
            tables.append(of_run(arguments.run, arguments.root, arguments.rounds, arguments.threads, Path(folder)))
        for name in arguments.recipes:
            tables.append(of_recipe(name, arguments.rounds, arguments.threads, Path(folder) / name))
    given = "python benchmarks/export.py"
    if arguments.run is not None:
        given += " --run demo/run --root demo/world"
    print("# Export\n")
    print(describe(given, "onnx", "onnxruntime", "onnxscript"))
    print(f"- {arguments.threads} threads for PyTorch and for ONNX Runtime\n")
    print("\n\n".join("\n".join(lines) for lines in tables))


if __name__ == "__main__":
    sys.exit(main())
