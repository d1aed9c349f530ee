"""What an export says of itself: ``export.json``, and the metadata inside each of its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import vireid
from vireid.models import Feature
from vireid.models.facts import check_facts
from vireid.types import Modality, VireidError, write_atomically

__all__ = ["EXPORT", "ExportFacts", "ExportFormat", "ExportPrecision", "FileFacts", "is_export", "read_facts"]

EXPORT = "export.json"
"""Name of the facts in an export folder, by which one is known."""

# Files of another wording of `ExportFacts.metadata` are refused: whoever changes that, or a key, counts this up.
FORMAT = 1

ExportFormat = Literal["onnx", "torch"]
ExportPrecision = Literal["32", "bf16", "int8"]

PREPROCESSING = {
    "input": "pixels: uint8, images x 3 x height x width, RGB from 0 to 255",
    "resize": "to height x width with Pillow's bilinear filter, ratio of sides not kept",
    "normalised": "in the graph: give bytes, never normalised numbers",
    "output": "embedding: float32, images x numbers, each of length 1; compare by dot product",
}


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """One entry point on disk.

    Attributes:
        name: of the file in the folder.
        sha256: of its content, in hexadecimal digits.
        bytes: its size.
    """

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, eq=False, kw_only=True)
class ExportFacts:
    """An export as ``export.json`` describes it.

    Attributes:
        to: ``onnx`` or ``torch``.
        precision: what the graph computes in: ``32``, ``bf16`` or ``int8``.
        feature: see `vireid.models.Feature`.
        image_size: height and width in pixels.
        dimension: numbers in a vector.
        source: `vireid.models.fingerprint` of the weights that were exported.
        run: the facts saved with those weights.
        files: by modality.
        verification: what was found, None where nothing was verified.
        quantised: for int8, of each entry point, what computes in 8 bits; see `vireid.exports.quantizing.quantize`.
        version: of the library that wrote it.
    """

    to: ExportFormat
    precision: ExportPrecision
    feature: Feature
    image_size: tuple[int, int]
    dimension: int
    source: str
    run: dict[str, Any]
    files: dict[Modality, FileFacts]
    verification: dict[str, Any] | None = None
    quantised: dict[str, Any] | None = None
    version: str = vireid.__version__

    @property
    def kind(self) -> str:
        """Format and precision, as results name them."""
        return f"{self.to} {self.precision}"

    @property
    def fingerprint(self) -> str:
        """What galleries compare: the source's own only where vectors were verified to be the source's."""
        precision = "" if self.precision == "32" else f" {self.precision}"
        return f"{self.source}{precision}{'' if self.verification else ' unverified'}"

    def metadata(self, modality: Modality) -> dict[str, str]:
        """What stands inside the file of a modality."""
        return {
            "vireid": self.version,
            "format": self.to,
            **PREPROCESSING,
            "height": str(self.image_size[0]),
            "width": str(self.image_size[1]),
            "modality": modality.value,
            "feature": self.feature,
            "precision": self.precision,
            "source": self.source,
        }

    def write(self, folder: Path) -> None:
        """Write ``export.json``."""
        document = {
            "format": FORMAT,
            "vireid": self.version,
            "to": self.to,
            "precision": self.precision,
            "feature": self.feature,
            "image_size": list(self.image_size),
            "dimension": self.dimension,
            "preprocessing": PREPROCESSING,
            "source": self.source,
            "run": self.run,
            "files": {modality.value: vars(file) for modality, file in self.files.items()},
            **({"quantised": self.quantised} if self.quantised else {}),
            "verification": self.verification or "none: written with --no-verify",
        }
        with write_atomically(folder / EXPORT) as draft:
            draft.write_text(json.dumps(document, indent=1), encoding="utf-8")


def is_export(path: Path) -> bool:
    """Whether a folder is an export, not a run."""
    return (Path(path) / EXPORT).is_file()


def read_facts(folder: Path) -> ExportFacts:
    """What ``export.json`` says.

    Raises:
        VireidError: it is damaged, of another version, or names files outside its folder.
    """
    file = Path(folder) / EXPORT
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise VireidError(
                f"{file} has format {document['format']!r}, this version of the library reads {FORMAT}; load it with "
                "the version that wrote it, or export again"
            )
        height, width = (_count(side) for side in document["image_size"])
        verification = document["verification"]
        facts = ExportFacts(
            to=_one_of(document["to"], get_args(ExportFormat)),
            precision=_one_of(document["precision"], get_args(ExportPrecision)),
            feature=_one_of(document["feature"], get_args(Feature)),
            image_size=(height, width),
            dimension=_count(document["dimension"]),
            source=str(document["source"]),
            run=check_facts(document["run"], file),
            files={modality: _file(document["files"][modality.value]) for modality in Modality},
            verification=verification if isinstance(verification, dict) else None,
            quantised=document.get("quantised"),
            version=str(document["vireid"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise VireidError(
            f"{file} does not describe an export ({type(error).__name__}: {error}); export the run again"
        ) from error
    return facts


def _one_of(value: Any, known: tuple[Any, ...]) -> Any:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"a side of images and the numbers of a vector are counted from 1, got {value!r}")
    return value


def _file(document: dict[str, Any]) -> FileFacts:
    facts = FileFacts(name=str(document["name"]), sha256=str(document["sha256"]), bytes=int(document["bytes"]))
    # No file has a name with NUL or half a character in it, and opening one raises other errors than the disk's.
    if Path(facts.name).name != facts.name or facts.name in ("", "..") or not facts.name.isprintable():
        raise ValueError(f"{facts.name!r} is no name of a file in the folder")
    return facts
