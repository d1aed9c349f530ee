"""Runs, weights files and exports, loaded alike."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import torch

from vireid.exports.export_facts import ExportFacts, is_export, read_facts
from vireid.exports.onnx_model import OnnxModel, providers
from vireid.exports.torch_model import TorchModel
from vireid.models import EmbeddingModel, Feature, fingerprint, load_network
from vireid.types import Modality, VireidError, sha256_of

__all__ = ["can_run_on", "load_export", "load_model", "model_fingerprint"]


def load_model(path: Path, *, threads: int | None = None) -> tuple[EmbeddingModel, dict[str, Any]]:
    """The model of a run directory, a weights file or an export, on the CPU, and the facts of its run.

    The facts of an export also name its kind under ``export``, for example ``onnx int8``.

    Args:
        threads: of an ONNX export; None for as many as PyTorch takes. Networks and ``.pt2`` always take PyTorch's.

    Raises:
        VireidError: see `vireid.models.load_network` and `load_export`.
    """
    path = Path(path)
    if not is_export(path):
        return load_network(path)
    model = load_export(path, threads=threads)
    return model, model.facts.run | {"export": model.facts.kind}


def load_export(folder: Path, *, threads: int | None = None) -> OnnxModel | TorchModel:
    """An export as a model, after its files were compared with ``export.json``: SHA-256, metadata, inputs and outputs.

    An ``.onnx`` file is data. Of a ``.pt2`` only known operators and numbers are read, and nothing in it is run as
    Python: see `vireid.exports.torch_archive`. The hashes tell a damaged or exchanged file, not who wrote the folder.

    Raises:
        VireidError: a file that is missing or not the one that was exported, or what the model refuses.
    """
    facts = read_facts(folder)
    content = {modality: _content(folder, facts, modality) for modality in Modality}
    return OnnxModel(content, facts, threads=threads) if facts.to == "onnx" else TorchModel(content, facts)


def can_run_on(folder: Path, device: torch.device) -> bool:
    """Whether what is installed here runs an export on a device.

    Raises:
        VireidError: ``export.json`` cannot be read.
    """
    if read_facts(folder).to == "onnx":
        return device.type in providers()
    return device.type in ("cpu", "cuda")


def model_fingerprint(path: Path, feature: Feature) -> str:
    """What made some embeddings: `vireid.models.fingerprint`, and for an export that of its source.

    Another precision, and an export that was not verified, add a word: their vectors are not known to be the source's.

    Raises:
        VireidError: see `vireid.models.fingerprint`; an export of another feature.
    """
    path = Path(path)
    if not is_export(path):
        return fingerprint(path, feature)
    facts = read_facts(path)
    if facts.feature != feature:
        raise VireidError(
            f"{path} makes the feature {facts.feature!r}, not {feature!r}; export the run with --feature {feature}"
        )
    return facts.fingerprint


def _content(folder: Path, facts: ExportFacts, modality: Modality) -> bytes:
    file = folder / facts.files[modality].name
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise OSError("it is no regular file")
        content = file.read_bytes()
    except OSError as error:
        raise VireidError(f"cannot read {file}: {error.strerror or error}; export the run again") from error
    if sha256_of(content) != facts.files[modality].sha256:
        raise VireidError(
            f"{file} is not the file that was exported: its SHA-256 differs from that in export.json; "
            "copy it again, or export the run again"
        )
    return content
