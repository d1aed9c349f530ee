"""Time of ten SYSU-MM01 trials at the real size: ours against a per-query loop as published evaluators work.

python benchmarks/scoring.py [--loop-trials 10]

Prints a Markdown table. Features are made (2048 wide); identities, cameras and image counts are the data set's where
its public split files lie in ../shared, else made up to the documented sizes.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np
import scipy.io

from vireid.data import SysuPermutations
from vireid.evaluation import Evaluation, Protocol, Trial, evaluate, k_reciprocal, sysu_trials
from vireid.evaluation.similarity import normalise
from vireid.types import Embeddings, Modality, Record, Records

LISTS = Path(__file__).parents[2] / "shared" / "reference" / "sysu_mm01_exp"
WIDTH = 2048

_Result = TypeVar("_Result")


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


def made_world(counts: dict[tuple[int, int], int]) -> tuple[Records, Embeddings, SysuPermutations]:
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
    features = centres[records.persons] + 5 * random.standard_normal((len(records), WIDTH), dtype=np.float32)
    persons = int(records.persons.max())
    cells = tuple(
        tuple(
            np.stack([random.permutation(counts.get((camera, person), 0)) + 1 for _ in range(10)])
            for person in range(1, persons + 1)
        )
        for camera in range(1, 7)
    )
    return records, Embeddings(features=features, paths=records.paths), SysuPermutations(file=Path("made"), cells=cells)


def loop_trial(records: Records, features: np.ndarray, trial: Trial) -> float:
    """mAP of one trial, with CMC and mINP on the way: sort everything, then query by query in Python."""
    distances = -(features[trial.query_rows] @ features[trial.gallery_rows].T)
    order = np.argsort(distances, axis=1)
    gallery_ids, gallery_cameras = records.persons[trial.gallery_rows], records.cameras[trial.gallery_rows]
    curves, precisions, penalties = [], [], []
    for query, row in enumerate(trial.query_rows):
        places = order[query]
        if records.cameras[row] == 3:
            places = places[gallery_cameras[places] != 2]
        listed = gallery_ids[places]
        found = (listed == records.persons[row]).astype(np.int32)
        if not found.any():
            continue
        firsts = np.sort(np.unique(listed, return_index=True)[1])
        curves.append(np.cumsum(listed[firsts] == records.persons[row])[:20])
        running = found.cumsum()
        penalties.append(running[-1] / (np.flatnonzero(found)[-1] + 1.0))
        shares = np.asarray([value / (rank + 1.0) for rank, value in enumerate(running)]) * found
        precisions.append(shares.sum() / found.sum())
    assert len(np.mean(curves, axis=0)) == 20
    assert 0 < np.mean(penalties) <= 1
    return float(np.mean(precisions))


def timed(call: Callable[[], _Result]) -> tuple[float, float, _Result]:
    """Wall seconds, processor seconds over all cores, and the result."""
    wall, busy = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - busy, result


def processor() -> str:
    info = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return models[0] if models else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--loop-trials", type=int, default=10, help="trials of the slow loop; scaled up to ten if fewer"
    )
    loop_trials = parser.parse_args().loop_trials
    counts, source = image_counts()
    records, embeddings, permutations = made_world(counts)
    features = normalise(embeddings.features)
    rows = []
    for shots in (1, 10):
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

        def ours(trials: list[Trial] = trials, protocol: Protocol = protocol) -> Evaluation:
            return evaluate(records, embeddings, trials, protocol)

        runs = [timed(ours) for _ in range(3)]
        wall, busy = sorted(run[0] for run in runs), sorted(run[1] for run in runs)
        result = ours()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        slow_wall, slow_busy, found = timed(
            lambda trials=trials: [loop_trial(records, features, one) for one in trials[:loop_trials]]
        )
        slow_wall, slow_busy = (seconds * len(trials) / loop_trials for seconds in (slow_wall, slow_busy))
        difference = max(abs(one - other.map) for one, other in zip(found, result.trials))
        size = f"{len(trials[0].query_rows):,} x {len(trials[0].gallery_rows):,}"
        rows.append(
            f"| all-search, {shots}-shot | {size} | {wall[0]:.2f} - {wall[-1]:.2f} | {busy[1]:.2f} | {slow_wall:.1f} | "
            f"{slow_busy:.1f} | {slow_busy / busy[1]:.0f} | {difference:.0e} | {peak:,.0f} |"
        )
    reranked = []
    for shots in (1, 10):
        trial = sysu_trials(records, mode="all", shots=shots, draw="official", permutations=permutations, trials=1)[0]
        seconds, busy, _ = timed(
            lambda trial=trial: k_reciprocal(features[trial.query_rows], features[trial.gallery_rows])
        )
        reranked.append(f"| all-search, {shots}-shot | {len(trial.gallery_rows):,} | {seconds:.1f} | {busy:.1f} |")

    print("# Scoring ten trials of SYSU-MM01\n")
    print(f"`python benchmarks/scoring.py --loop-trials {loop_trials}` on {date.today().isoformat()}\n")
    print(
        f"{os.cpu_count()} cores ({processor()}), load average {os.getloadavg()[0]:.1f}; Python "
        f"{platform.python_version()}, NumPy {np.__version__}; float32 features, {WIDTH} wide, made; image counts: "
        f"{source}.\n\n"
        "Where the load is above the number of cores, wall times are longer than on an idle machine: compare the CPU\n"
        "seconds, summed over cores. Ours is `evaluate`: embeddings matched by path, normalised, compared, ranked and\n"
        "averaged; three runs (wall: shortest - longest, CPU: middle). Peak memory is of the whole process.\n"
        f"The loop ran {loop_trials} trials, scaled to ten.\n"
    )
    print("| mode | queries x gallery | ours, s | CPU s | loop, s | CPU s | CPU ratio | mAP difference | peak MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    print("\nk-reciprocal re-ranking (k1 = 20, k2 = 6) of one trial, queries and gallery together:\n")
    print("| mode | gallery | s | CPU s |")
    print("|---|---|---|---|")
    print("\n".join(reranked))


if __name__ == "__main__":
    main()
