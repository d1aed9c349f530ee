"""From a network to an export folder, whole and verified or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from vireid.exports.entry_point import EntryPoint
from vireid.exports.export_facts import ExportFacts, ExportFormat, ExportPrecision, FileFacts
from vireid.exports.loading import load_export
from vireid.exports.onnx_file import write_onnx
from vireid.exports.quantizing import quantize
from vireid.exports.torch_file import write_torch
from vireid.exports.verifying import LARGEST_DIFFERENCE, check_vectors
from vireid.models import EmbeddingModel, Feature, Network
from vireid.types import Modality, VireidError, sha256_of

__all__ = ["OFFERED", "check_offered", "export_network"]

OFFERED: dict[ExportFormat, tuple[ExportPrecision, ...]] = {"onnx": ("32", "int8"), "torch": ("32", "bf16")}
"""Precisions of each format."""

_SUFFIX = {"onnx": ".onnx", "torch": ".pt2"}

Images = Mapping[Modality, UInt8[np.ndarray, "_ 3 h w"]]


def export_network(
    network: Network,
    facts: dict[str, Any],
    out: Path,
    *,
    source: str,
    to: ExportFormat,
    precision: ExportPrecision = "32",
    feature: Feature = "bn",
    verify: bool = True,
    images: Images | None = None,
    calibration: Images | None = None,
    compare: Callable[[EmbeddingModel], dict[str, Any]] | None = None,
) -> ExportFacts:
    """Write a folder with an entry point for each modality, and compare it with the network.

    Args:
        network: in evaluation mode on the CPU; left as it is.
        facts: saved with its weights.
        out: folder to make.
        source: `vireid.models.fingerprint` of the weights.
        to: the format.
        precision: what the graph computes in; see `OFFERED`.
        feature: what it puts out.
        verify: see `vireid.exports.check_vectors`; float32 vectors must be the network's.
        images: of the data set, to compare vectors of.
        calibration: training images, from which int8 learns the ranges of its numbers.
        compare: called with the export to compare scores, which another precision than float32 needs; what it returns
            is kept, what it raises leaves nothing behind.

    Returns:
        What ``export.json`` says.

    Raises:
        VireidError: a combination that is not offered, a folder that is there already, what is missing for the
            precision, or what verification refuses.
    """
    check_offered(to, precision)
    # First of the two: without these images --no-verify, which the other names, is of no help.
    if precision == "int8" and calibration is None:
        raise VireidError(
            "int8 learns the ranges of its numbers from training images: give a data set (--dataset NAME --root ROOT)"
        )
    if verify and precision != "32" and compare is None:
        raise VireidError(
            f"precision {precision} changes vectors, so the export is compared with its run by scores: give a data "
            "set (--dataset NAME --root ROOT), or leave it unverified with --no-verify"
        )
    with _drafted(out) as draft:
        made = ExportFacts(
            to=to,
            precision=precision,
            feature=feature,
            image_size=network.image_size,
            dimension=network.embedding_dimension,
            source=source,
            run=facts,
            files={},
        )
        files, quantised = {}, {}
        for modality in Modality:
            entry = EntryPoint(network, modality, feature, kind=torch.bfloat16 if precision == "bf16" else None)
            file = _write(entry, draft, made)
            if calibration is not None and precision == "int8":
                found = quantize(file, calibration[modality], metadata=made.metadata(modality))
                quantised[modality.value] = found
            files[modality] = _described(file)
        made = replace(made, files=files, quantised=quantised or None)
        made.write(draft)
        if verify:
            exported = load_export(draft)
            limit = LARGEST_DIFFERENCE if precision == "32" else None
            vectors = check_vectors(network, exported, feature=feature, images=images, limit=limit)
            scores = None if compare is None else compare(exported)
            made = replace(made, verification={"vectors": vectors} | ({"scores": scores} if scores else {}))
            made.write(draft)
    return made


def check_offered(to: ExportFormat, precision: ExportPrecision) -> None:
    """Refuse a precision that a format does not have.

    Raises:
        VireidError: as said.
    """
    if precision not in OFFERED[to]:
        raise VireidError(
            f"an export to {to} is offered in precision {' or '.join(OFFERED[to])}, got {precision}; "
            "docs/export.md says which pays where"
        )


def _write(entry: EntryPoint, folder: Path, facts: ExportFacts) -> Path:
    file = folder / f"{entry.modality.value}{_SUFFIX[facts.to]}"
    write = write_torch if facts.to == "torch" else write_onnx
    write(entry, file, metadata=facts.metadata(entry.modality))
    return file


def _described(file: Path) -> FileFacts:
    return FileFacts(name=file.name, sha256=sha256_of(file), bytes=file.stat().st_size)


@contextmanager
def _drafted(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its name when the block ends well, and goes when it does not."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise VireidError(f"an export needs a folder of its own, but {out} is there already; choose another")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise VireidError(f"cannot write {out}: {error.strerror or error}") from error
    try:
        yield draft
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o777 & ~mask)
        try:
            draft.replace(out)
        except OSError as error:
            raise VireidError(f"cannot write {out}: {error.strerror or error}; nothing was left there") from error
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
