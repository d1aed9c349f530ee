"""An ONNX export as a model to embed with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vireid.exports.export_facts import ExportFacts
from vireid.exports.extra import need
from vireid.exports.file_checks import check_file
from vireid.exports.requests import check_request
from vireid.models import Feature
from vireid.types import Modality, VireidError

__all__ = ["OnnxModel", "providers"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def providers() -> list[str]:
    """Kinds of devices that this ONNX Runtime computes on.

    Raises:
        VireidError: it is not installed.
    """
    known = need("onnxruntime").get_available_providers()
    return [kind for kind, provider in _PROVIDERS.items() if provider in known]


@final
class OnnxModel:
    """Two entry points run by ONNX Runtime; see `vireid.models.EmbeddingModel`. Several threads may use one.

    Args:
        content: of the file of each modality.
        facts: of the export.
        threads: of each entry point; None for as many as PyTorch takes.

    Raises:
        VireidError: no ONNX Runtime, fewer threads than 1, a file that it cannot read, or one that the facts do not
            describe.
    """

    def __init__(self, content: Mapping[Modality, bytes], facts: ExportFacts, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise VireidError(f"a model needs at least 1 thread, got {threads}")
        self.facts = facts
        self._content = dict(content)
        self._threads = threads
        self._device = torch.device("cpu")
        self._sessions = self._open(self._device)
        for modality, session in self._sessions.items():
            check_file(
                facts,
                modality,
                metadata=session.get_modelmeta().custom_metadata_map,
                inputs={value.name: (_kind(value.type), value.shape) for value in session.get_inputs()},
                outputs={value.name: (_kind(value.type), value.shape) for value in session.get_outputs()},
            )

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

    def move_to(self, device: torch.device) -> OnnxModel:
        """Compute on a device from now on; returns itself.

        Raises:
            VireidError: ONNX Runtime has no provider for it.
        """
        if device != self._device:
            if device.type not in providers():
                raise VireidError(
                    f"this ONNX Runtime cannot compute on {device} (only on {', '.join(providers())}); take "
                    "--accelerator cpu, or install onnxruntime-gpu for CUDA"
                )
            self._sessions = self._open(device)
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
        """Vectors of images as they are decoded and resized.

        Args:
            pixels: RGB, on its device.
            modality: of all of them.
            feature: the export's.
            kind: None; the precision is fixed in the file.

        Raises:
            VireidError: see `vireid.exports.requests.check_request`; what ONNX Runtime itself fails at, such as memory.
        """
        check_request(self.facts, pixels, feature, kind)
        session = self._sessions[Modality(modality)]
        # Bytes are few: from a GPU they go through this machine's memory.
        given = pixels.contiguous().cpu().numpy()
        try:
            [vectors] = session.run(["embedding"], {"pixels": given})
        except Exception as error:
            raise VireidError(
                f"ONNX Runtime failed on {len(given)} {Modality(modality).value} images: {_first_line(error)}; give "
                "fewer at a time, or export the run again"
            ) from error
        return torch.from_numpy(vectors).to(pixels.device)

    def _open(self, device: torch.device) -> dict[Modality, Any]:
        runtime = need("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self._threads or torch.get_num_threads()
        options.log_severity_level = 3
        providers: list[Any] = [_PROVIDERS["cpu"]]
        if device.type == "cuda":
            providers.insert(0, (_PROVIDERS["cuda"], {"device_id": device.index or 0}))
        try:
            return {
                modality: runtime.InferenceSession(content, options, providers=providers)
                for modality, content in self._content.items()
            }
        # ONNX Runtime's errors share no class but this one.
        except Exception as error:
            raise VireidError(
                f"ONNX Runtime cannot run this export: {_first_line(error)}; update it or export again"
            ) from error


def _kind(kind: str) -> str:
    """ONNX Runtime's names of types as numpy has them."""
    return {"tensor(uint8)": "uint8", "tensor(float)": "float32"}.get(kind, kind)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
