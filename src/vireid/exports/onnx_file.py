"""An entry point as an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from vireid.exports.entry_point import EntryPoint, capture
from vireid.exports.extra import need
from vireid.exports.quiet import quiet_exporters
from vireid.types import write_atomically

__all__ = ["OPSET", "save_model", "write_onnx"]

OPSET = 20
"""Version of the operators. The files have IR version 10; onnxruntime knows both from 1.18, and the extra ``export``
asks for 1.20."""


def write_onnx(entry: EntryPoint, file: Path, *, metadata: Mapping[str, str]) -> None:
    """Write an entry point with input ``pixels`` and output ``embedding``; BatchNorms are folded into convolutions.

    Raises:
        VireidError: the extra is not installed, or the file cannot be written.
    """
    need("onnxscript")
    need("onnx")
    with quiet_exporters():
        program = torch.onnx.export(
            capture(entry),
            input_names=["pixels"],
            output_names=["embedding"],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    save_model(program.model_proto, file, metadata=metadata)


def save_model(model: object, file: Path, *, metadata: Mapping[str, str]) -> None:
    """Check a model, name its batch axis, put in the metadata, drop what names this machine, and write it.

    Raises:
        VireidError: the file cannot be written.
    """
    onnx = need("onnx")
    graph = model.graph  # pyright: ignore[reportAttributeAccessIssue]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    # The exporter notes in each node which line of which file made it.
    for node in (*graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del node.metadata_props[:]
        node.doc_string = ""
    del graph.metadata_props[:]
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    with write_atomically(file) as draft:
        draft.write_bytes(model.SerializeToString())  # pyright: ignore[reportAttributeAccessIssue]
