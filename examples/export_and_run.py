"""Export a run to ONNX and embed with ONNX Runtime alone, which is all that the other machine needs.

The export folder holds a file for each modality and export.json. Their input is pixels as they are decoded: resize with
Pillow's bilinear filter, never normalise. Without arguments an untrained network is exported. It needs
``pip install "vireid[export]"``:

    python examples/export_and_run.py --run runs/mscmnet --visible day.jpg --infrared night.jpg
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from vireid.cli.main import main as vireid
from vireid.models import build_network, save_network
from vireid.retrieval import Embedder
from vireid.synthetic import write_world
from vireid.types import Modality


def embed_with_onnxruntime(export: Path, modality: str, image: Path) -> np.ndarray:
    """Nothing of vireid or PyTorch is used in here."""
    import onnxruntime

    facts = json.loads((export / "export.json").read_text(encoding="utf-8"))
    height, width = facts["image_size"]
    session = onnxruntime.InferenceSession(export / facts["files"][modality]["name"])
    pixels = np.asarray(Image.open(image).convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    [embedding] = session.run(["embedding"], {"pixels": pixels.transpose(2, 0, 1)[None]})
    return np.asarray(embedding)[0]


def make_images(world: Path) -> dict[str, Path]:
    write_world(world, layout="folder", persons=4, images_per_camera=1, height=64, width=32, seed=0, workers=1)
    return {"visible": world / "visible/0002/1_0001.jpg", "infrared": world / "infrared/0002/4_0001.jpg"}


def make_run(run: Path) -> None:
    """A network as it is before training."""
    network = build_network(
        identities=2,
        image_size=(64, 32),
        backbone="resnet10t",
        weights="none",
        nonlocal_blocks=(0, 0, 0, 0),
        mimb=False,
    )
    save_network(network, run / "weights.safetensors", facts={"checkpoint_rule": "untrained"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="run directory of a trained network; an untrained one by default")
    parser.add_argument("--visible", type=Path, help="a visible image; a made one by default")
    parser.add_argument("--infrared", type=Path, help="an infrared image; a made one by default")
    options = parser.parse_args()
    if not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript")):
        print('nothing was done: the export needs more packages; pip install "vireid[export]"')
        return
    with TemporaryDirectory() as scratch:
        run, export = options.run or Path(scratch) / "run", Path(scratch) / "export"
        if options.run is None:
            make_run(run)
        if code := vireid(["export", str(run), "--to", "onnx", "--out", str(export)]):
            raise SystemExit(code)
        images = make_images(Path(scratch) / "world")
        images |= {name: file for name in images if (file := getattr(options, name))}
        vectors = {name: embed_with_onnxruntime(export, name, file) for name, file in images.items()}
        embedder = Embedder.from_run(run)
        for name, file in images.items():
            own, _ = embedder.embed([file], Modality(name))
            difference = np.abs(vectors[name] - own[0]).max()
            print(f"{name}: {len(vectors[name])} numbers, at most {difference:.1e} from the run's own")
        print(f"likeness of the two images: {vectors['visible'] @ vectors['infrared']:.3f}")


if __name__ == "__main__":
    main()
