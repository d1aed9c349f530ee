"""An ONNX export as a model to embed with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vireid.exports.export_facts import ExportFacts
from vireid.exports.extra import need
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
        VireidError: no ONNX Runtime, fewer threads than 1, or a file that it cannot read.
    """

    def __init__(self, content: Mapping[Modality, bytes], facts: ExportFacts, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise VireidError(f"a model needs at least 1 thread, got {threads}")
        self.facts = facts
        self._content = dict(content)
        self._threads = threads
        self._device = torch.device("cpu")
        self._sessions = self._open(self._device)

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
            VireidError: see `vireid.exports.requests.check_request`.
        """
        check_request(self.facts, pixels, feature, kind)
        session = self._sessions[Modality(modality)]
        # Bytes are few: from a GPU they go through this machine's memory.
        [vectors] = session.run(["embedding"], {"pixels": pixels.contiguous().cpu().numpy()})
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
            said = str(error).partition("\n")[0]
            raise VireidError(f"ONNX Runtime cannot run this export: {said}; update it or export again") from error
