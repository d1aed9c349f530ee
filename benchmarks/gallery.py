"""Embedded gallery: insert rate, search latency with and without conditions, recall, disk, memory, compaction; against
a plain matrix product over the same features (a flat FAISS index where faiss is installed), in the same run.

python benchmarks/gallery.py [--full] [--hnsw] [--queries 100]

Prints Markdown. Features are made: 20 sightings a person around a centre. --full adds 1,000,000 sightings (8 GB of
memory, 3 GB of disk), --hnsw measures what the gallery does without: the engine's HNSW, asked with and without a
condition.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from machine import describe

from vireid.retrieval import Conditions, Gallery, Sighting, open_gallery
from vireid.types import Modality

TOP = 10
CAMERAS = 20
PER_PERSON = 20
BATCH = 1000
START = datetime(2026, 11, 1, tzinfo=timezone.utc)
DAYS = 7


def made_features(count: int, dimension: int) -> np.ndarray:
    random = np.random.default_rng(0)
    features = random.standard_normal((count, dimension), dtype=np.float32)
    centres = random.standard_normal((count // PER_PERSON + 1, dimension), dtype=np.float32)
    for start in range(0, count, 10_000):
        piece = features[start : start + 10_000]
        piece += 1.2 * centres[np.arange(start, start + len(piece)) // PER_PERSON]
        piece /= np.linalg.norm(piece, axis=1, keepdims=True)
    return features


def made_sightings(count: int) -> tuple[list[Sighting], np.ndarray, np.ndarray]:
    """The sightings, and their cameras and hours as arrays, for the plain way to filter by."""
    random = np.random.default_rng(1)
    cameras = random.integers(CAMERAS, size=count)
    seconds = random.integers(DAYS * 86_400, size=count)
    sightings = [
        Sighting(
            key=hashlib.sha256(str(number).encode()).hexdigest(),
            path=f"camera{camera}/{number}.jpg",
            modality=Modality.INFRARED if camera % 2 else Modality.VISIBLE,
            camera=f"camera{camera}",
            time=START + timedelta(seconds=int(second)),
            track=f"track {number // PER_PERSON}",
        )
        for number, (camera, second) in enumerate(zip(cameras, seconds, strict=True))
    ]
    return sightings, cameras, seconds


def plain_search(features: np.ndarray) -> tuple[str, Callable[[np.ndarray, np.ndarray | None], np.ndarray]]:
    """Best rows by a flat search of all rows or of some."""
    try:
        faiss = importlib.import_module("faiss")
    except ImportError:

        def product(query: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
            scores = (features if rows is None else features[rows]) @ query
            best = np.argpartition(-scores, TOP)[:TOP]
            best = best[np.argsort(-scores[best])]
            return best if rows is None else rows[best]

        return "NumPy matrix product", product
    index = faiss.IndexFlatIP(features.shape[1])
    index.add(features)

    def flat(query: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        some = None if rows is None else faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))
        return index.search(query[None], TOP, params=some)[1][0]

    return "flat FAISS index", flat


def memory() -> int:
    """Bytes of this process that the system cannot drop."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def probe(folder: str) -> None:
    """How much memory opening a gallery and searching it takes: asked of a process that does nothing else."""
    held = memory()
    with open_gallery(folder) as gallery:
        for query in np.random.default_rng(0).standard_normal((20, gallery.dimension), dtype=np.float32):
            gallery.search(query[None], model="made", top=TOP)
        print(memory() - held)


def milliseconds(seconds: list[float]) -> str:
    return f"{np.percentile(seconds, 50) * 1e3:.1f} / {np.percentile(seconds, 99) * 1e3:.1f}"


def measure(count: int, dimension: int, queries: int, folder: Path) -> None:
    features = made_features(count, dimension)
    sightings, cameras, seconds = made_sightings(count)
    rows_of = {sighting.key: row for row, sighting in enumerate(sightings)}
    name, flat = plain_search(features)

    begin = time.perf_counter()
    with open_gallery(folder, create=True, model="made", dimension=dimension) as gallery:
        for start in range(0, count, BATCH):
            gallery.add(sightings[start : start + BATCH], features[start : start + BATCH], model="made")
        insert = time.perf_counter() - begin
        disk = gallery.info().bytes or 0
    asking = subprocess.run([sys.executable, __file__, "--probe", folder], capture_output=True, text=True, check=True)
    begin = time.perf_counter()
    with open_gallery(folder) as gallery:
        opening = time.perf_counter() - begin
        chosen = np.random.default_rng(2).choice(count, queries, replace=False)
        noise = np.random.default_rng(3).standard_normal((queries, dimension), dtype=np.float32) / dimension**0.5
        asked = features[chosen] + noise
        day = Conditions(since=START + timedelta(days=2), until=START + timedelta(days=3))
        day_rows = (seconds >= 2 * 86_400) & (seconds < 3 * 86_400)
        hour = Conditions(
            cameras=("camera3",), since=START + timedelta(days=2), until=START + timedelta(days=2, hours=1)
        )
        hour_rows = (cameras == 3) & (seconds >= 2 * 86_400) & (seconds < 2 * 86_400 + 3600)
        cases = {
            "none": (Conditions(), None),
            "one camera of 20": (Conditions(cameras=("camera3",)), cameras == 3),
            "half of the cameras (infrared)": (Conditions(modality=Modality.INFRARED), cameras % 2 == 1),
            "one day of 7": (day, day_rows),
            "one camera, one hour": (hour, hour_rows),
        }
        table = []
        for title, (conditions, kept) in cases.items():
            rows = None if kept is None else np.flatnonzero(kept)
            if rows is not None and len(rows) <= TOP:
                continue
            gallery.search(asked[:1], model="made", conditions=conditions)
            ours, theirs, agree = [], [], 0
            for query in asked:
                begin = time.perf_counter()
                [matches] = gallery.search(query[None], model="made", top=TOP, conditions=conditions)
                between = time.perf_counter()
                expected = flat(query, rows)
                theirs.append(time.perf_counter() - between)
                ours.append(between - begin)
                agree += len({rows_of[match.sighting.key] for match in matches} & set(expected.tolist()))
            share = 1.0 if kept is None else float(kept.mean())
            recall = agree / TOP / queries
            table.append(f"| {title} | {share:.2%} | {milliseconds(ours)} | {milliseconds(theirs)} | {recall:.4f} |")
        ours = [timed_search(gallery, query, by_track=True) for query in asked]
        table.append(f"| none, by track | 100% | {milliseconds(ours)} | | |")
        at_once = time.perf_counter()
        gallery.search(asked, model="made")
        at_once = (time.perf_counter() - at_once) / queries

        begin = time.perf_counter()
        removed = gallery.delete(Conditions(cameras=("camera7",)))
        deletion = time.perf_counter() - begin
        begin = time.perf_counter()
        gallery.compact()
        compaction = time.perf_counter() - begin
        left = gallery.info().bytes or 0
    print(f"\n## {count:,} x {dimension}\n")
    print(f"- insert {count / insert:,.0f} a second, in batches of {BATCH:,}, each on disk before the next")
    size = count * dimension * 4
    print(f"- {disk / 1e6:,.0f} MB on disk, of which features {size / 1e6:,.0f}; opening {opening:.2f} s;")
    print(f"  a process that opens and searches it grows by {int(asking.stdout) / 1e6:,.0f} MB of anonymous memory")
    print(f"- {queries} queries in one call: {at_once * 1e3:.1f} ms each")
    times = f"deleting {removed:,} took {deletion:.2f} s, compacting {compaction:.2f} s"
    print(f"- {times}, {left / 1e6:,.0f} MB afterwards\n")
    print(f"| condition | meets it | gallery, ms p50 / p99 | {name}, ms p50 / p99 | recall at {TOP} |")
    print("|---|---|---|---|---|")
    print("\n".join(table), flush=True)


def timed_search(gallery: Gallery, query: np.ndarray, *, by_track: bool) -> float:
    begin = time.perf_counter()
    gallery.search(query[None], model="made", top=TOP, by_track=by_track)
    return time.perf_counter() - begin


def measure_hnsw(count: int, dimension: int, queries: int, folder: Path) -> None:
    """What the engine's HNSW would give: time to build, latency and recall with and without a condition."""
    import qdrant_edge as engine

    features = made_features(count, dimension)
    _, cameras, _ = made_sightings(count)
    folder.mkdir()
    shard = engine.EdgeShard.create(
        str(folder),
        engine.EdgeConfig(
            vectors=engine.EdgeVectorParams(size=dimension, distance=engine.Distance.Dot),
            hnsw_config=engine.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
            optimizers=engine.EdgeOptimizersConfig(indexing_threshold=1000),
        ),
    )
    shard.update(engine.UpdateOperation.create_field_index("camera", engine.PayloadSchemaType.Keyword))
    for start in range(0, count, BATCH):
        points = [
            engine.Point(id=row, vector=features[row], payload={"camera": f"camera{cameras[row]}"})
            for row in range(start, min(start + BATCH, count))
        ]
        shard.update(engine.UpdateOperation.upsert_points(points))
    begin = time.perf_counter()
    shard.optimize()
    building = time.perf_counter() - begin
    indexed = shard.info().indexed_vectors_count
    print(
        f"\n## HNSW (m 16, ef_construct 100), {count:,} x {dimension}: built in {building:.0f} s, {indexed:,} indexed\n"
    )
    print(f"| condition | search | ms p50 / p99 | recall at {TOP} |\n|---|---|---|---|")
    chosen = np.random.default_rng(2).choice(count, queries, replace=False)
    noise = np.random.default_rng(3).standard_normal((queries, dimension), dtype=np.float32) / dimension**0.5
    _, flat = plain_search(features)
    for title, kept in (("none", None), ("one camera of 20", cameras == 3), ("half of the cameras", cameras % 2 == 1)):
        rows = None if kept is None else np.flatnonzero(kept)
        wanted = [] if kept is None else sorted({f"camera{camera}" for camera in cameras[kept]})
        chosen_points = engine.Filter(must=[engine.FieldCondition(key="camera", match=engine.MatchAny(any=wanted))])
        for search, parameters in (
            ("exact", engine.SearchParams(exact=True)),
            ("HNSW, ef 128", engine.SearchParams(hnsw_ef=128)),
            ("HNSW, ef 512", engine.SearchParams(hnsw_ef=512)),
        ):
            ours, agree = [], 0
            for query in features[chosen] + noise:
                begin = time.perf_counter()
                found = shard.query(
                    engine.QueryRequest(
                        query=engine.Query.Nearest(query.tolist()),
                        limit=TOP,
                        filter=None if kept is None else chosen_points,
                        params=parameters,
                    )
                )
                ours.append(time.perf_counter() - begin)
                agree += len({point.id for point in found} & set(flat(query, rows).tolist()))
            print(f"| {title} | {search} | {milliseconds(ours)} | {agree / TOP / queries:.4f} |", flush=True)
    shard.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--hnsw", action="store_true")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.probe:
        probe(arguments.probe)
        return
    sizes = [(10_000, 512), (10_000, 2048), (100_000, 512), (100_000, 2048)]
    sizes += [(1_000_000, 512)] if arguments.full else []
    print("# Embedded gallery")
    for count, dimension in sizes:
        with tempfile.TemporaryDirectory() as folder:
            measure(count, dimension, arguments.queries, Path(folder) / "gallery")
    if arguments.hnsw:
        for count, dimension in sizes[:3:2]:
            with tempfile.TemporaryDirectory() as folder:
                measure_hnsw(count, dimension, arguments.queries, Path(folder) / "shard")
    flags = " --full" * arguments.full + " --hnsw" * arguments.hnsw
    print("\n" + describe(f"python benchmarks/gallery.py{flags}", "qdrant-edge-py", "numpy"))


if __name__ == "__main__":
    main()
