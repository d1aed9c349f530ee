"""Training states and published checkpoints, in both forms that torch writes."""

import io

import atheris
import numpy as np
import torch

with atheris.instrument_imports(include=["vireid", "torch._weights_only_unpickler"]):
    from vireid.models.reference_file import numbers_of, read_reference_file, tensors_of
    from vireid.training.checkpoint import load_state

from harness import checked, fuzz


def _read(file):
    checked(lambda: load_state(file))
    content = read_reference_file(file)
    tensors_of(content, file)
    numbers_of(content)


def _seed(zipped, **content):
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


STATE = {"format": 2, "epoch": 1, "network": {"a": torch.arange(4.0)}, "optimizer": {"state": {0: {}}}}
FILE = {"net": {"module.a": torch.ones(2, 2)}, "cmc": np.linspace(0, 1, 20), "mAP": np.float64(0.5), "epoch": 3}
fuzz(
    "torch_files",
    _read,
    file="f.pt",
    seeds=[_seed(zipped, **content) for zipped in (True, False) for content in (STATE, FILE)],
)
