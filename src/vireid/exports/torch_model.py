"""A torch.export export as a model to embed with."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass

from vireid.exports.export_facts import ExportFacts
from vireid.exports.file_checks import check_file
from vireid.exports.quiet import quiet_exporters
from vireid.exports.requests import check_request
from vireid.exports.torch_archive import only_data
from vireid.models import Feature
from vireid.types import Modality, VireidError

__all__ = ["TorchModel"]


@final
class TorchModel:
    """Two graphs of torch.export; see `vireid.models.EmbeddingModel`.

    Args:
        content: of the file of each modality; what could run code is refused, see `vireid.exports.torch_archive`.
        facts: of the export.

    Raises:
        VireidError: a file that this PyTorch cannot read, or one that the facts do not describe.
    """

    def __init__(self, content: Mapping[Modality, bytes], facts: ExportFacts) -> None:
        self.facts = facts
        self._device = torch.device("cpu")
        try:
            with quiet_exporters():
                self._programs = {modality: _read(each, facts, modality) for modality, each in content.items()}
                self._graphs: dict[Modality, nn.Module] = {
                    modality: program.module() for modality, program in self._programs.items()
                }
        except VireidError:
            raise
        # A reader of archives, JSON, pickles and graphs has as many kinds of errors.
        except Exception as error:
            said = str(error).partition("\n")[0]
            raise VireidError(
                f"this PyTorch ({torch.__version__}) cannot read the export: {type(error).__name__}: {said}; "
                "export the run again with this version"
            ) from error

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.facts.image_size

    @property
    def embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return self.facts.dimension

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._device

    def move_to(self, device: torch.device) -> TorchModel:
        """Compute on a device from now on; returns itself."""
        if device != self._device:
            self._graphs = {
                modality: move_to_device_pass(program, device).module() for modality, program in self._programs.items()
            }
            self._device = device
        return self

    def embed_pixels(
        self,
        pixels: UInt8[Tensor, "b 3 h w"],
        modality: Modality,
        feature: Feature = "bn",
        *,
        kind: torch.dtype | None = None,
    ) -> Float[Tensor, "b d"]:
        """Vectors of images as they are decoded and resized; see `vireid.exports.OnnxModel.embed_pixels`.

        Raises:
            VireidError: see `vireid.exports.requests.check_request`.
        """
        check_request(self.facts, pixels, feature, kind)
        with torch.no_grad():
            return self._graphs[Modality(modality)](pixels)


def _read(content: bytes, facts: ExportFacts, modality: Modality) -> torch.export.ExportedProgram:
    metadata = dict.fromkeys(facts.metadata(modality), "")
    trusted = only_data(content, (2, 3, *facts.image_size))
    program = torch.export.load(io.BytesIO(trusted), extra_files=metadata)
    signature = program.graph_signature
    values = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
    outputs = [values[name] for name in signature.user_outputs]
    check_file(
        facts,
        modality,
        metadata=metadata,
        inputs={str(name): _described(values[name]) for name in signature.user_inputs},
        # torch.export names an output by the operation that made it.
        outputs={f"embedding{number or ''}": _described(value) for number, value in enumerate(outputs)},
    )
    return program


def _described(value: Tensor) -> tuple[str, tuple[object, ...]]:
    return str(value.dtype).removeprefix("torch."), tuple(value.shape)
