"""Add a metric loss of your own, train with it, and compare it with the recipe's loss on the same seed.

The loss is a pure function of features, labels and which rows are infrared; a criterion puts it beside the identity
loss. Without arguments a small made world is trained on for two epochs, which shows how it goes and teaches little:

    python examples/add_a_loss.py --root /data/SYSU-MM01 --epochs 30 --height 288 --width 144
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import Tensor

from vireid.data import read
from vireid.data.sampler import IdentitySampler
from vireid.evaluation import Protocol, chance, evaluate, rows_of, sysu_trials
from vireid.losses import identity_loss, pairwise_distance
from vireid.models import QUADRUPLE_STREAMS, Network, NetworkOutput, build_network
from vireid.retrieval import embed_records
from vireid.synthetic import write_world
from vireid.training import Criterion, StepReport, Targets, fit, make_criterion
from vireid.transforms import make_views
from vireid.types import Modality, Records


def cross_modal_soft_triplet_loss(features: Tensor, labels: Tensor, infrared: Tensor) -> Tensor:
    """Each image against the hardest images of the other modality: mean of softplus(farthest own - nearest other)."""
    distance = pairwise_distance(features, features)
    across = infrared[:, None] != infrared
    same = labels[:, None] == labels
    farthest = torch.where(across & same, distance, -torch.inf).amax(dim=1)
    nearest = torch.where(across & ~same, distance, torch.inf).amin(dim=1)
    return F.softplus(farthest - nearest).mean()


def own_criterion(output: NetworkOutput, targets: Targets) -> dict[str, Tensor]:
    """Named terms, whose sum is trained on; rows are the images of stream after stream."""
    images = len(output.features) // len(QUADRUPLE_STREAMS)
    infrared = torch.cat(
        [
            torch.full((images,), stream.modality is Modality.INFRARED, device=output.features.device)
            for stream in QUADRUPLE_STREAMS
        ]
    )
    return {
        "identity": identity_loss(output.logits, targets.labels),
        "cross_modal_triplet": cross_modal_soft_triplet_loss(output.features, targets.labels, infrared),
    }


def train_and_score(name: str, criterion: Criterion, root: Path, out: Path, options: argparse.Namespace) -> None:
    train, test = read("sysu", root, splits=("train",)), read("sysu", root, splits=("test",))
    sampler = IdentitySampler(train, identities=4, images=4, seed=options.seed)
    network = build_network(
        identities=len(sampler.persons),
        image_size=(options.height, options.width),
        streams=QUADRUPLE_STREAMS,
        backbone="resnet10t",
        backbone_options={"channels": (16, 32, 64, 128), "stem_width": 16},
        weights="none",
        nonlocal_blocks=(0, 0, 0, 0),
        mimb=False,
        seed=options.seed,
    )
    reports: list[StepReport] = []
    fit(
        network,
        train,
        out=out,
        views=make_views(padding=4, erasing=0.2),
        criterion=criterion,
        epochs=options.epochs,
        identities=4,
        images=4,
        learning_rate=0.03,
        seed=options.seed,
        on_step=reports.append,
    )
    first, last = reports[0].terms, reports[-1].terms
    for term in first:
        print(f"{name:<7} {term}: {first[term]:.4f} in the first step, {last[term]:.4f} in the last of {len(reports)}")
    print(f"{name:<7} Rank-1 {rank1(network, test):.2%} on people never seen in training")


def rank1(network: Network, test: Records) -> float:
    trials = sysu_trials(test, mode="all")
    protocol = Protocol(
        data_set="sysu",
        direction="i2v",
        mode="all",
        shots=1,
        draw="seeded",
        feature="bn",
        checkpoint_rule="last epoch",
    )
    return evaluate(test, embed_records(network, test, rows_of(trials)), trials, protocol).mean["cmc"][0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder in the layout of SYSU-MM01; a made world by default")
    parser.add_argument("--persons", type=int, default=40, help="in the made world, a third of them for the test")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        root = options.root or Path(scratch) / "world"
        if options.root is None:
            write_world(
                root,
                layout="sysu",
                persons=options.persons,
                images_per_camera=2,
                height=64,
                width=32,
                seed=0,
                workers=1,
            )
        recipe = make_criterion(streams=QUADRUPLE_STREAMS, metric="quadruple-center")
        train_and_score("own", own_criterion, root, Path(scratch) / "own", options)
        train_and_score("recipe", recipe, root, Path(scratch) / "recipe", options)
        test = read("sysu", root, splits=("test",))
        print(f"chance  Rank-1 {chance(test, sysu_trials(test, mode='all'))['cmc'][0]:.2%}")
        print("one seed, few steps: say which is better only after several seeds (see train_and_compare.py)")


if __name__ == "__main__":
    main()
