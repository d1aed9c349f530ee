"""Do marked places make the match? `python benchmarks/evidence.py --run demo/run --world demo/world` prints a table.

A quarter of an infrared query's places is covered, chosen in different ways, and what its similarity to the right
person's nearest visible image loses is counted: the more is lost, the better the way of choosing. Since one way
chooses by blurring places, they are painted in the image's mean colour as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from machine import describe, timed
from PIL import Image
from torch.nn import functional as F

from vireid.data import read_sysu_mm01
from vireid.figures import match_losses, match_shares
from vireid.models import Network, load_network
from vireid.transforms import evaluation_view
from vireid.types import Modality

QUERIES_A_PERSON = 2
COVERED = 0.25
BLUR = 0.15  # sigma as a part of the image's height


def embed(network: Network, images: list[np.ndarray], modality: Modality) -> torch.Tensor:
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    with torch.no_grad():
        return network.embed(evaluation_view(pixels), modality)


def blurred(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), BLUR * len(image))


def mean_colour(image: np.ndarray) -> np.ndarray:
    return np.broadcast_to(image.reshape(-1, 3).mean(0).round().astype(np.uint8), image.shape)


def cover(image: np.ndarray, places: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Put another image in some places of a grid."""
    mask = cv2.resize(places.astype(np.uint8), image.shape[1::-1], interpolation=cv2.INTER_NEAREST)[..., None]
    return np.where(mask, fill, image)


def grad_cam(network: Network, query: np.ndarray, other: torch.Tensor) -> np.ndarray:
    """As published: gradients of the cosine, averaged over the places."""
    caught: dict[str, torch.Tensor] = {}
    handle = network.stages[-1].register_forward_hook(lambda module, inputs, output: caught.update(map=output))
    vector = network.embed(evaluation_view(torch.from_numpy(query).permute(2, 0, 1)[None]), Modality.INFRARED)
    handle.remove()
    (gradient,) = torch.autograd.grad(F.cosine_similarity(vector, other[None]).sum(), caught["map"])
    return (caught["map"].detach() * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=(0, 1)).numpy()


def pairs(network: Network, world: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Queries of the test people with the visible image of the same person that is nearest."""
    records = read_sysu_mm01(world, splits=("test",))
    height, width = network.image_size

    def load(rows: np.ndarray) -> list[np.ndarray]:
        files = [records.file(int(row)) for row in rows]
        return [
            np.array(Image.open(file).convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
            for file in files
        ]

    found = []
    for person in np.unique(records.persons):
        infrared, visible = (records.rows(modality=kind) for kind in (Modality.INFRARED, Modality.VISIBLE))
        queries = load(infrared[records.persons[infrared] == person][::2][:QUERIES_A_PERSON])
        results = load(visible[records.persons[visible] == person])
        if queries and results:
            scores = embed(network, queries, Modality.INFRARED) @ embed(network, results, Modality.VISIBLE).T
            found += [(query, results[int(row.argmax())]) for query, row in zip(queries, scores)]
    return found


def ways(
    network: Network, query: np.ndarray, result: np.ndarray, other: torch.Tensor, random: np.random.Generator
) -> Iterator[tuple[str, float, np.ndarray]]:
    """Name, seconds for this image, and a number for each place of the query."""
    images = (query, Modality.INFRARED, result, Modality.VISIBLE)
    for name, call in (
        ("largest loss (`match_losses`)", lambda: match_losses(network, *images).query),
        ("smallest loss", lambda: -match_losses(network, *images).query),
        ("largest share (`match_shares`)", lambda: match_shares(network, *images).query),
        ("smallest share", lambda: -match_shares(network, *images).query),
        ("Grad-CAM", lambda: grad_cam(network, query, other)),
        ("at random", lambda: random.random((6, 3))),
    ):
        seconds, _, scores = timed(call)
        yield name, seconds, scores


def measure(run: Path, world: Path) -> dict[str, list[tuple[float, float, float]]]:
    """For each way and query: seconds, and what is lost under blur and under the mean colour."""
    network, _ = load_network(run)
    random = np.random.default_rng(0)
    measured: dict[str, list[tuple[float, float, float]]] = {}
    for query, result in pairs(network, world):
        other = embed(network, [result], Modality.VISIBLE)[0]
        for name, seconds, scores in ways(network, query, result, other, random):
            places = np.zeros(scores.size, dtype=bool)
            places[np.argsort(-scores, axis=None)[: max(1, round(COVERED * scores.size))]] = True
            covered = [
                cover(query, places.reshape(scores.shape), fill) for fill in (blurred(query), mean_colour(query))
            ]
            found = (embed(network, [query, *covered], Modality.INFRARED) @ other).tolist()
            measured.setdefault(name, []).append((seconds, found[0] - found[1], found[0] - found[2]))
    return measured


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--world", type=Path, required=True)
    arguments = parser.parse_args()
    measured = measure(arguments.run, arguments.world)
    print("# Do marked places make the match?\n")
    print(describe("python benchmarks/evidence.py --run demo/run --world demo/world"))
    number = len(measured["at random"])
    print(f"- {number} infrared queries of people never seen in training, each with the nearest visible image of its")
    print("  person; a quarter of the query's places is covered; the similarity lost, mean +- standard error")
    print("- milliseconds are of both maps of a match, of Grad-CAM's one\n")
    print("| covered places | lost, blurred | lost, painted in the mean colour | ms a match |")
    print("|---|---:|---:|---:|")
    for name, rows in measured.items():
        seconds, *lost = np.array(rows).T
        told = [f"{values.mean():.3f} +- {values.std() / len(values) ** 0.5:.3f}" for values in lost]
        print(f"| {name} | {told[0]} | {told[1]} | {np.median(seconds) * 1e3:.0f} |")


if __name__ == "__main__":
    main()
