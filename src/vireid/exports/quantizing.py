"""A float32 ONNX file to one whose convolutions compute in 8 bits, where that leaves the vectors what they are."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from vireid.exports.extra import need
from vireid.exports.onnx_file import save_model
from vireid.exports.quiet import quiet_exporters
from vireid.types import VireidError

__all__ = ["CLOSE", "quantize"]

CLOSE = 0.99
"""Mean cosine to the float32 vectors of calibration images that is asked for."""

_AT_ONCE = 8
_TRIED = 32


def quantize(file: Path, pixels: UInt8[np.ndarray, "b 3 h w"], *, metadata: dict[str, str]) -> dict[str, Any]:
    """Replace an ONNX file by one with 8-bit convolutions: weights signed, for each channel; activations unsigned.

    That is what processors with VNNI and AMX multiply fastest. The convolutions that see pixels, the head and MIMB's
    attention stay in float32: in 8 bits they saved no time. If with all others in 8 bits the vectors of the calibration
    images turn too far (`CLOSE`), each is tried alone, and those that turn them most stay in float32 too.

    Args:
        file: as `vireid.exports.onnx_file.write_onnx` wrote it.
        pixels: training images, from which the ranges of activations are taken (least and largest value).
        metadata: of the new file.

    Returns:
        How many convolutions compute in 8 bits and in float32, and the mean cosine.

    Raises:
        VireidError: the extra is not installed, or not even a part can be put into 8 bits.
    """
    quantization = need("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as folder, quiet_exporters():
        prepared = Path(folder) / "prepared.onnx"
        # Its symbolic shape inference fails on graphs of torch.export; nothing here needs it.
        need("onnxruntime.quantization.shape_inference").quant_pre_process(
            str(file), str(prepared), skip_symbolic_shape=True
        )
        work = _Work(prepared, Path(folder), pixels, quantization)
        kept = work.convolutions
        closeness = work.closeness(kept)
        if closeness < CLOSE:
            kept = _harmless({name: 1 - work.closeness([name]) for name in work.convolutions})
            closeness = work.closeness(kept) if kept else 0.0
        if not kept:
            raise VireidError("no convolution of this network can compute in 8 bits; export it in precision 32")
        save_model(work.quantized(kept), file, metadata=metadata)
    return {"convolutions_in_8_bits": len(kept), "of": work.total, "mean_cosine": closeness}


def _harmless(losses: dict[str, float]) -> list[str]:
    """The names with the least losses that together stay within what `CLOSE` leaves."""
    kept, spent = [], 0.0
    for name, loss in sorted(losses.items(), key=lambda item: item[1]):
        spent += max(loss, 0.0)
        if spent > 1 - CLOSE:
            break
        kept.append(name)
    return kept


class _Work:
    """One file with the ranges of its activations, quantised in one way or another."""

    def __init__(self, file: Path, folder: Path, pixels: UInt8[np.ndarray, "b 3 h w"], quantization: Any) -> None:
        self._quantization = quantization
        self._tried = pixels[:_TRIED]
        self._model = model = need("onnxruntime.quantization.quant_utils").load_model_with_shape_infer(file)
        convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
        self.total = len(convolutions)
        first = _first_convolutions(model)
        self.convolutions = [name for name in convolutions if name not in first]
        calibrator = quantization.create_calibrator(
            str(file), ["Conv"], augmented_model_path=str(folder / "augmented.onnx")
        )
        calibrator.collect_data(_Reader(pixels))
        self._ranges = calibrator.compute_data()
        self._reference = self._vectors(file.read_bytes())

    def closeness(self, names: Sequence[str]) -> float:
        """Mean cosine of the tried images' vectors with these convolutions in 8 bits."""
        vectors = self._vectors(self.quantized(names).SerializeToString())
        return float((vectors * self._reference).sum(axis=1).mean())

    def quantized(self, names: Sequence[str]) -> Any:
        """The model with these convolutions in 8 bits."""
        kinds = self._quantization.QuantType
        quantizer = need("onnxruntime.quantization.qdq_quantizer").QDQQuantizer(
            copy.deepcopy(self._model),
            per_channel=True,
            reduce_range=False,
            weight_qType=kinds.QInt8,
            activation_qType=kinds.QUInt8,
            tensors_range=self._ranges,
            nodes_to_quantize=list(names),
            nodes_to_exclude=[],
            op_types_to_quantize=["Conv"],
            extra_options={},
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
        return quantizer.model.model

    def _vectors(self, content: bytes) -> np.ndarray:
        runtime = need("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return np.concatenate([session.run(["embedding"], {"pixels": batch})[0] for batch in _batches(self._tried)])


class _Reader:
    """Batches, as ONNX Runtime's calibration asks for them."""

    def __init__(self, pixels: UInt8[np.ndarray, "b 3 h w"]) -> None:
        self._batches = _batches(pixels)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


def _batches(pixels: UInt8[np.ndarray, "b 3 h w"]) -> Iterator[UInt8[np.ndarray, "_ 3 h w"]]:
    return (pixels[start : start + _AT_ONCE] for start in range(0, len(pixels), _AT_ONCE))


def _first_convolutions(model: Any) -> set[str]:
    """The convolutions that see pixels through no other one."""
    users: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found, seen, waiting = set(), set(), ["pixels"]
    while waiting:
        for node in users.get(waiting.pop(), []):
            if node.op_type == "Conv":
                found.add(node.name)
            # A shape is not an image.
            elif node.op_type != "Shape" and node.name not in seen:
                seen.add(node.name)
                waiting += node.output
    return found
