"""Makes the files in ``formats/``, one of each form that this version writes; an older checkout makes the older forms.

``PYTHONPATH=src python tests/trust/make_formats.py FOLDER`` with the sources of the version that is wanted. A file that
is committed is never made anew: a new form gets a file beside the old one, and the test of both stays.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from vireid.cli.main import main
from vireid.data import open_pixel_cache, read
from vireid.retrieval import open_gallery
from vireid.training import checkpoint
from vireid.types import Embeddings

TINY = [
    *("--network.height", "32", "--network.width", "16", "--network.channels", "2", "2", "2", "2"),
    *("--network.stem-width", "4", "--identities", "3", "--images", "2", "--epochs", "1", "--accelerator", "cpu"),
]


def vireid(*arguments: object) -> None:
    if main([str(argument) for argument in arguments]):
        sys.exit(f"failed: {arguments}")


def make(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        world, run = folder / "world", folder / "run"
        size = ("--height", 64, "--width", 32)
        vireid("synth", world, "--dataset", "sysu", "--persons", 8, "--images-per-camera", 2, *size, "--workers", 1)
        vireid("train", "baseline-small", "--root", world, "--out", run, *TINY)
        state = gzip.compress((run / "state.pt").read_bytes(), mtime=0)
        (out / f"training-state-{checkpoint.FORMAT}.pt.gz").write_bytes(state)
        if checkpoint.FORMAT == 1:
            return
        shutil.copy(run / "weights.safetensors", out / "weights-1.safetensors")
        config = json.loads((run / "config.json").read_text())
        config["settings"] |= {"root": "world", "out": "run"}
        (out / "run").mkdir(exist_ok=True)
        (out / "run" / "config.json").write_text(json.dumps(config, indent=1))
        (out / "run" / "log.jsonl").write_text("".join((run / "log.jsonl").read_text().splitlines(keepends=True)[:2]))
        vireid("evaluate", "--checkpoint", run, "--dataset", "sysu", "--root", world)
        (result,) = (run / "results").glob("*.json")
        shutil.copy(result, out / "result-1.json")
        vireid("export", run, "--to", "onnx", "--out", folder / "export")
        shutil.copy(folder / "export" / "export.json", out / "export-1.json")
        features = np.arange(12, dtype=np.float32).reshape(3, 4)
        paths = np.array(["day/1.png", "day/2.png", "night/1.png"])
        np.savez(out / "embeddings-plain.npz", features=features, paths=paths)
        Embeddings(features=features, paths=paths, maker="0123456789abcdef bn").save(out / "embeddings-1.npz")
        open_gallery(folder / "gallery", create=True, model="0123456789abcdef bn", dimension=4).close()
        shutil.copy(folder / "gallery" / "gallery.json", out / "gallery-1.json")
        records = read("sysu", world, splits=("train",))
        open_pixel_cache(records, np.arange(3), folder=folder / "cache", height=8, width=4)
        (store,) = (folder / "cache").glob("8x4-*")
        shutil.copytree(store, out / "pixel-cache-1", ignore=shutil.ignore_patterns("lock"), dirs_exist_ok=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
