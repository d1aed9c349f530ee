"""Weights of this library: the header is the fuzzer's, tensors are what the seed holds."""

import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["vireid"]):
    from vireid.models import DUAL_STREAMS, build_network, load_network, save_network

from harness import fuzz


def _seed(**changes):
    arguments = {
        "identities": 2,
        "backbone": "resnet10t",
        "backbone_options": {"channels": (4, 4, 4, 4), "stem_width": 4},
        "weights": "none",
        "image_size": (32, 16),
        "streams": DUAL_STREAMS,
        "nonlocal_blocks": (0, 0, 0, 0),
        "mimb_tokens": 4,
        "mimb_heads": 1,
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "w.safetensors"
        save_network(build_network(**(arguments | changes)), file, facts={"dataset": "sysu"})
        return file.read_bytes()


fuzz("weights", load_network, file="w.safetensors", seeds=[_seed(), _seed(mimb=False), _seed(mimb=False, parts=3)])
