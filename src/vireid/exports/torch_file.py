"""An entry point as a file of torch.export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from vireid.exports.entry_point import EntryPoint, capture
from vireid.exports.folding import fold_norms
from vireid.exports.quiet import quiet_exporters
from vireid.types import write_atomically

__all__ = ["write_torch"]


def write_torch(entry: EntryPoint, file: Path, *, metadata: Mapping[str, str]) -> None:
    """Write an entry point, its BatchNorms folded; its metadata stand in extra files of the same names.

    Raises:
        VireidError: the file cannot be written.
    """
    with quiet_exporters():
        program = capture(fold_norms(entry))
        _forget_sources(program)
        with write_atomically(file) as draft, draft.open("wb") as stream:
            torch.export.save(program, stream, extra_files=dict(metadata))


def _forget_sources(program: torch.export.ExportedProgram) -> None:
    """Drop what names this machine: torch.export notes in each node which line of which file made it."""
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)
