"""Score anybody's features by the exact protocol of SYSU-MM01, plain and re-ranked, beside chance.

The features may come from any program: here they are histograms of oriented gradients. Put your own extractor in
the place of `gradient_features`. Without arguments a small made world is scored; with the real data set:

    python examples/score_own_features.py --root /data/SYSU-MM01
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from vireid.data import load_image, read
from vireid.evaluation import Averages, Mode, Protocol, chance, evaluate, rows_of, sysu_trials
from vireid.synthetic import write_world
from vireid.types import Embeddings


def gradient_features(files: list[Path]) -> np.ndarray:
    """A histogram of oriented gradients of each image: shape without colour, as it was done before networks."""
    rows = []
    for file in files:
        down, right = np.gradient(cv2.resize(load_image(file), (48, 96)).mean(axis=2))
        direction = (np.arctan2(down, right) % np.pi * 8 / np.pi).astype(int) % 8
        strength = np.eye(8)[direction] * np.hypot(down, right)[:, :, None]
        cells = strength.reshape(12, 8, 6, 8, 8).sum(axis=(1, 3))  # 12 x 6 cells of 8 x 8 pixels
        rows.append(np.sqrt(cells / cells.sum()).ravel())
    features = np.stack(rows).astype(np.float32)
    return features - features.mean(axis=0)


def show(name: str, rates: Averages) -> None:
    print(f"{name:<10} Rank-1 {rates['cmc'][0]:6.2%}  Rank-10 {rates['cmc'][9]:6.2%}  mAP {rates['map']:6.2%}")


def score(root: Path, mode: Mode) -> None:
    records = read("sysu", root, splits=("test",))
    trials = sysu_trials(records, mode=mode)  # ten single-shot galleries
    rows = rows_of(trials)
    features = Embeddings(
        features=gradient_features([records.file(row) for row in rows.tolist()]),
        paths=records.paths[rows],
    )
    protocol = Protocol(
        data_set="sysu",
        direction="i2v",
        mode=mode,
        shots=1,
        draw="seeded",
        feature="oriented gradients",
        checkpoint_rule="nothing was trained",
    )
    plain = evaluate(records, features, trials, protocol)
    reranked = evaluate(records, features, trials, protocol, rerank=True)
    first = plain.trials[0]
    print(f"{plain.protocol.name}: {first.queries} queries, {first.gallery} gallery images, {len(trials)} trials")
    show("features", plain.mean)
    show("re-ranked", reranked.mean)
    show("chance", chance(records, trials))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder in the layout of SYSU-MM01; a made world by default")
    parser.add_argument("--mode", choices=("all", "indoor"), default="all")
    parser.add_argument("--persons", type=int, default=60, help="in the made world, half of them for the test")
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        root = options.root or Path(scratch) / "world"
        if options.root is None:
            write_world(
                root,
                layout="sysu",
                persons=options.persons,
                images_per_camera=2,
                height=96,
                width=48,
                seed=0,
                test_fraction=0.5,
                workers=1,
            )
        score(root, options.mode)


if __name__ == "__main__":
    main()
