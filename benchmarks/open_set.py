"""What a Rank-1 leaves out: `python benchmarks/open_set.py --run demo/run --world demo/world` prints two tables.

The field's protocols ask for people who are in the gallery. Here a query may have nobody in it: the test people are
split at random, one half stands in the gallery, all of them are asked for, and the best match counts where its score
reaches a threshold.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from machine import describe

from vireid.data import read_sysu_mm01
from vireid.models import load_network
from vireid.retrieval import embed_records
from vireid.types import Modality

PAIR_RATES = (0.1, 0.01, 0.001)
ALARM_RATES = (0.5, 0.2, 0.1, 0.05, 0.01)


def pair_table(scores: np.ndarray, same: np.ndarray) -> str:
    """How many pairs of one person reach the score that a share of the pairs of two people reaches."""
    lines = ["| pairs of two people that pass | pairs of one person that pass |", "|---:|---:|"]
    for rate in PAIR_RATES:
        threshold = np.quantile(scores[~same], 1 - rate)
        lines.append(f"| {rate:.1%} | {(scores[same] >= threshold).mean():.1%} |")
    return "\n".join(lines)


def split_rates(scores: np.ndarray, query_people: np.ndarray, gallery_people: np.ndarray, enrolled: np.ndarray):
    """One split: Rank-1 of the enrolled, and for each rate of false alarms the share of them that is found."""
    columns = np.isin(gallery_people, enrolled)
    inside = np.isin(query_people, enrolled)
    best = scores[:, columns].argmax(axis=1)
    top = scores[:, columns].max(axis=1)
    right = gallery_people[columns][best] == query_people
    found = []
    for rate in ALARM_RATES:
        threshold = np.quantile(top[~inside], 1 - rate)
        found.append((right & (top >= threshold))[inside].mean())
    return right[inside].mean(), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("demo/run"))
    parser.add_argument("--world", type=Path, default=Path("demo/world"))
    parser.add_argument("--splits", type=int, default=200)
    arguments = parser.parse_args()
    network, _ = load_network(arguments.run)
    records = read_sysu_mm01(arguments.world, splits=("test",))
    vectors = embed_records(network, records).features
    infrared, visible = records.rows(modality=Modality.INFRARED), records.rows(modality=Modality.VISIBLE)
    scores = vectors[infrared] @ vectors[visible].T
    query_people, gallery_people = records.persons[infrared], records.persons[visible]
    people = np.unique(records.persons)
    print(describe(f"python benchmarks/open_set.py --run {arguments.run} --world {arguments.world}"))
    print(f"- {len(people)} people, {len(infrared)} infrared queries, {len(visible)} visible images\n")
    print(pair_table(scores, query_people[:, None] == gallery_people), "\n")
    rates = []
    for seed in range(arguments.splits):
        enrolled = np.random.default_rng(seed).permutation(people)[: len(people) // 2]
        rates.append(split_rates(scores, query_people, gallery_people, enrolled))
    found = np.array([rate for _, rate in rates])
    print(f"Rank-1 of the {len(people) // 2} in the gallery, no threshold: {np.mean([one for one, _ in rates]):.1%}\n")
    print("| queries with nobody in the gallery that get a match | queries of people in it that find them first |")
    print("|---:|---:|")
    for rate, mean, spread in zip(ALARM_RATES, found.mean(0), found.std(0)):
        print(f"| {rate:.0%} | {mean:.1%} +- {spread:.1%} |")


if __name__ == "__main__":
    main()
