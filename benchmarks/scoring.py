"""Time of ten SYSU-MM01 trials at the real size and of galleries up to a million images: ours against a per-query
loop as published evaluators work.

python benchmarks/scoring.py [--loop-trials 2] [--largest 1000000] [--queries 200]

Prints Markdown tables. Features are made; identities, cameras and image counts of the trials are the data set's where
its public split files lie in ../shared, else made up to the documented sizes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io
import torch
from machine import describe, timed

from vireid.data import SysuPermutations
from vireid.evaluation import Protocol, Trial, evaluate, k_reciprocal, score, score_features, sysu_trials
from vireid.evaluation.similarity import normalise, prepare
from vireid.retrieval import search
from vireid.types import Embeddings, Modality, Record, Records

LISTS = Path(__file__).parents[2] / "shared" / "reference" / "sysu_mm01_exp"
WIDTH = 2048
LARGE_WIDTH = 512
LOOPED = 5


def image_counts() -> tuple[dict[tuple[int, int], int], str]:
    """Test images of each (camera, person), and where the numbers are from."""
    if LISTS.exists():
        counts = json.loads((LISTS / "image_counts.json").read_text())
        persons = scipy.io.loadmat(LISTS / "test_id.mat")["id"].ravel().tolist()
        cells = {(camera, person): f"cam{camera}/{person:04d}" for camera in range(1, 7) for person in persons}
        return {cell: counts[name] for cell, name in cells.items() if name in counts}, "the data set's own"
    # 301 visible cells; 3,803 infrared images in 189 cells, 2,208 of them of the 56 indoor people.
    seen = {1: 56, 2: 56, 4: 94, 5: 95, 3: 93, 6: 96}
    counts = {(camera, person): 22 for camera, persons in seen.items() for person in range(1, persons + 1)}
    infrared = [cell for cell in counts if cell[0] in (3, 6)]
    for number, cell in enumerate(infrared):
        counts[cell] = 3803 // len(infrared) + (number < 3803 % len(infrared))
    return counts, "made up to the documented sizes"


def made_world(counts: dict[tuple[int, int], int], noise: float) -> tuple[Records, Embeddings, SysuPermutations]:
    records = Records.build(
        Path("sysu"),
        [
            Record(
                path=f"cam{camera}/{person:04d}/{number:04d}.jpg",
                person=person,
                camera=camera,
                modality=Modality.INFRARED if camera in (3, 6) else Modality.VISIBLE,
                split="test",
            )
            for (camera, person), count in counts.items()
            for number in range(1, count + 1)
        ],
    )
    random = np.random.default_rng(0)
    centres = random.standard_normal((records.persons.max() + 1, WIDTH), dtype=np.float32)
    features = centres[records.persons] + noise * random.standard_normal((len(records), WIDTH), dtype=np.float32)
    persons = int(records.persons.max())
    cells = tuple(
        tuple(
            np.stack([random.permutation(counts.get((camera, person), 0)) + 1 for _ in range(10)])
            for person in range(1, persons + 1)
        )
        for camera in range(1, 7)
    )
    return records, Embeddings(features=features, paths=records.paths), SysuPermutations(file=Path("made"), cells=cells)


def loop_score(
    scores: np.ndarray,
    *,
    query_ids: np.ndarray,
    gallery_ids: np.ndarray,
    query_cameras: np.ndarray,
    gallery_cameras: np.ndarray,
) -> float:
    """mAP of one trial, with CMC and mINP on the way: sort everything, then query by query in Python."""
    order = np.argsort(-scores, axis=1)
    curves, precisions, penalties = [], [], []
    for places, person, camera in zip(order, query_ids, query_cameras):
        if camera == 3:
            places = places[gallery_cameras[places] != 2]
        listed = gallery_ids[places]
        found = (listed == person).astype(np.int32)
        if not found.any():
            continue
        firsts = np.sort(np.unique(listed, return_index=True)[1])
        curves.append(np.cumsum(listed[firsts] == person)[:20])
        running = found.cumsum()
        penalties.append(running[-1] / (np.flatnonzero(found)[-1] + 1.0))
        shares = np.asarray([value / (rank + 1.0) for rank, value in enumerate(running)]) * found
        precisions.append(shares.sum() / found.sum())
    assert len(np.mean(curves, axis=0)) == 20
    assert 0 < np.mean(penalties) <= 1
    return float(np.mean(precisions))


def labels(records: Records, trial: Trial) -> dict[str, np.ndarray]:
    return {
        "query_ids": records.persons[trial.query_rows],
        "gallery_ids": records.persons[trial.gallery_rows],
        "query_cameras": records.cameras[trial.query_rows],
        "gallery_cameras": records.cameras[trial.gallery_rows],
    }


def table_of(features: np.ndarray, trial: Trial) -> np.ndarray:
    return features[trial.query_rows] @ features[trial.gallery_rows].T


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def score_large(gallery: int, queries: int, noise: float, looped: int) -> str:
    """A row of the table of growth, in a process of its own so that its peak memory is its own."""
    random = np.random.default_rng(0)
    people = gallery // 20
    centres = random.standard_normal((people, LARGE_WIDTH), dtype=np.float32)
    gallery_ids, query_ids = random.integers(0, people, gallery), random.integers(0, people, queries)
    there = random.standard_normal((gallery, LARGE_WIDTH), dtype=np.float32)
    for start in range(0, gallery, 4096):
        part = slice(start, start + 4096)
        there[part] = centres[gallery_ids[part]] + noise * there[part]
    asked = centres[query_ids] + noise * random.standard_normal((queries, LARGE_WIDTH), dtype=np.float32)
    known = {
        "query_ids": query_ids,
        "gallery_ids": gallery_ids,
        "query_cameras": random.choice([3, 6], queries),
        "gallery_cameras": random.choice([1, 2, 4, 5], gallery),
    }
    before = peak_mib()
    wall, busy, result = timed(lambda: score_features(asked, there, rule="sysu", **known))
    peak = peak_mib() - before
    _, preparing, prepared = timed(lambda: (prepare(asked, "cosine"), prepare(there, "cosine")))
    few = {**known, "query_ids": query_ids[:looped], "query_cameras": known["query_cameras"][:looped]}
    _, slow, found = timed(lambda: loop_score(prepared[0][:looped] @ prepared[1].T, **few))
    same = score_features(asked[:looped], there, rule="sysu", **few).map
    slow *= queries / looped
    return (
        f"| {gallery:,} | {100 * result.map:.1f} | {wall:.2f} | {busy:.2f} | {preparing:.2f} | {peak:,.0f} | "
        f"{asked.nbytes / 2**20 + there.nbytes / 2**20:,.0f} | {4 * gallery * queries / 2**20:,.0f} | {slow:,.1f} | "
        f"{slow / (busy - preparing):.0f} | {abs(found - same):.0e} |"
    )


def search_large(gallery: int, queries: int) -> str:
    """A row of the table of searches: the ten nearest of each query."""
    random = np.random.default_rng(0)
    there = random.standard_normal((gallery, LARGE_WIDTH), dtype=np.float32)
    asked = random.standard_normal((queries, LARGE_WIDTH), dtype=np.float32)
    before = peak_mib()
    wall, busy, _ = timed(lambda: search(asked, there, top=10))
    return f"| {gallery:,} | {wall:.2f} | {busy:.2f} | {peak_mib() - before:,.0f} |"


def apart(call: Callable[..., str], *arguments: object) -> str:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def score_trials(counts: dict[tuple[int, int], int], noise: float, shots: int, loop_trials: int) -> tuple[str, str]:
    """Rows of the tables of whole evaluations and of scoring alone."""
    records, embeddings, permutations = made_world(counts, noise)
    features = normalise(embeddings.features)
    trials = sysu_trials(records, mode="all", shots=shots, draw="official", permutations=permutations)
    protocol = Protocol(
        data_set="sysu",
        direction="i2v",
        feature="made",
        checkpoint_rule="none",
        mode="all",
        shots=shots,
        draw="official",
    )
    ours = partial(evaluate, records, embeddings, trials, protocol)
    runs = [timed(ours) for _ in range(3)]
    wall, busy, result = sorted(run[0] for run in runs), sorted(run[1] for run in runs)[1], runs[-1][2]
    peak = peak_mib()
    drawn = np.unique(np.concatenate([trial.gallery_rows for trial in trials]))
    asked, there = (torch.from_numpy(features[rows]) for rows in (trials[0].query_rows, drawn))
    products = min(timed(lambda: asked @ there.T)[1] for _ in range(3))

    compared, alone, slow, found = np.zeros(2), np.zeros(2), np.zeros(2), []
    for number, trial in enumerate(trials):
        known = labels(records, trial)
        *seconds, scores = timed(partial(table_of, features, trial))
        compared += seconds
        *seconds, _ = timed(partial(score, scores, rule=trial.rule, **known))
        alone += seconds
        if number < loop_trials:
            *seconds, precision = timed(partial(loop_score, scores, **known))
            slow += seconds
            found.append(precision)
    slow *= len(trials) / loop_trials
    whole = compared + slow
    difference = max(abs(one - other.map) for one, other in zip(found, result.trials))
    name = f"| {shots}-shot, {len(trials[0].gallery_rows):,} | {100 * result.mean['map']:.1f} | "
    return (
        f"{name}{wall[0]:.2f} - {wall[-1]:.2f} | {busy:.2f} | {products:.2f} | {whole[0]:.1f} | {whole[1]:.1f} | "
        f"{whole[0] / wall[1]:.0f} | {whole[1] / busy:.0f} | {peak:,.0f} |",
        f"{name}{alone[0]:.2f} | {alone[1]:.2f} | {slow[0]:.1f} | {slow[1]:.1f} | {slow[0] / alone[0]:.0f} | "
        f"{slow[1] / alone[1]:.0f} | {difference:.0e} |",
    )


def rerank_trial(counts: dict[tuple[int, int], int], shots: int) -> str:
    """A row of the table of re-ranking."""
    records, embeddings, permutations = made_world(counts, 5.0)
    features = normalise(embeddings.features)
    trial = sysu_trials(records, mode="all", shots=shots, draw="official", permutations=permutations, trials=1)[0]
    wall, busy, _ = timed(lambda: k_reciprocal(features[trial.query_rows], features[trial.gallery_rows]))
    return f"| {shots}-shot | {len(trial.gallery_rows):,} | {wall:.1f} | {busy:.1f} |"


def show(head: str, rows: Sequence[str]) -> None:
    print(f"{head}\n|{'---|' * (head.count('|') - 1)}")
    print("\n".join(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop-trials", type=int, default=2, help="trials of the slow loop; scaled up to ten if fewer")
    parser.add_argument("--largest", type=int, default=1_000_000, help="images of the largest gallery")
    parser.add_argument("--queries", type=int, default=200, help="queries of the large galleries")
    arguments = parser.parse_args()
    counts, source = image_counts()
    cases = [(noise, shots) for noise in (3.5, 5.0) for shots in (1, 10)]
    rows = [score_trials(counts, noise, shots, arguments.loop_trials) for noise, shots in cases]
    reranked = [rerank_trial(counts, shots) for shots in (1, 10)]
    sizes = [size for size in (10_000, 100_000, 1_000_000) if size <= arguments.largest]
    large = [apart(score_large, size, arguments.queries, 2.0, LOOPED) for size in sizes]
    large.append(apart(score_large, sizes[-1], arguments.queries, 6.0, LOOPED))
    searched = [apart(search_large, size, arguments.queries) for size in sizes]

    threads = os.environ.get("OMP_NUM_THREADS")
    print("# Scoring ten trials of SYSU-MM01, and galleries up to a million images\n")
    print(
        describe(
            f"{f'OMP_NUM_THREADS={threads} ' if threads else ''}python benchmarks/scoring.py --loop-trials "
            f"{arguments.loop_trials} --largest {arguments.largest} --queries {arguments.queries}",
            "numpy",
        )
    )
    print(f"- {torch.get_num_threads()} threads, float32 features, made; image counts: {source}")
    print(
        "\nWhere the load is above the number of cores, wall times are longer than on an idle machine: compare the\n"
        "CPU seconds, summed over cores.\n\n"
        f"## Ten trials, whole\n\nAll-search, 3,803 queries, features {WIDTH} wide. Ours is `evaluate`: embeddings "
        "matched by path, normalised,\ncompared, ranked and averaged; three runs (wall: shortest - longest, CPU: "
        "middle). *Products* is the one matrix\nproduct that no way of scoring can leave out, of all queries with "
        "every image that any trial drew, alone. The loop\ncompares and sorts each trial whole, then goes query by "
        f"query; it ran {arguments.loop_trials} trials, scaled to ten. Peak memory is of\nthe whole process.\n"
    )
    show(
        "| shots, gallery | mAP, % | ours, s | CPU s | of it products, CPU s | loop, s | CPU s | ratio, wall | "
        "ratio, CPU | peak MiB |",
        [row[0] for row in rows],
    )
    print("\n## Ten trials, scoring alone\n\n`score` and the loop, on the same ready tables of scores.\n")
    show(
        "| shots, gallery | mAP, % | ours, s | CPU s | loop, s | CPU s | ratio, wall | ratio, CPU | mAP difference |",
        [row[1] for row in rows],
    )
    print(
        f"\n## Growth with the gallery\n\n`score_features`, {arguments.queries} queries, features {LARGE_WIDTH} wide, "
        "20 images of each person, rule `sysu`, default\nmemory (512 MiB of work space). The last row's features are "
        "nearly noise. Memory is how much higher the process's\npeak is after than before, with the copy of the "
        "features brought to length 1 (in *CPU s*, and alone in *preparing*);\n*table* is what all scores would take. "
        f"The loop compares, sorts and counts {LOOPED} of the queries from prepared\nfeatures, scaled; the ratio is to "
        "ours without preparing.\n"
    )
    show(
        "| gallery | mAP, % | s | CPU s | preparing, CPU s | memory, MiB | features, MiB | table, MiB | loop, CPU s | "
        "CPU ratio | mAP difference |",
        large,
    )
    print(f"\n`search`, the ten nearest of each of {arguments.queries} queries; memory as above:\n")
    show("| gallery | s | CPU s | memory, MiB |", searched)
    print("\n## Re-ranking\n\nk-reciprocal (k1 = 20, k2 = 6) of one trial, queries and gallery together:\n")
    show("| mode | gallery | s | CPU s |", reranked)


if __name__ == "__main__":
    main()
