"""What the tests of exports share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from vireid.exports import ExportFormat, export_network
from vireid.models import fingerprint, load_network


@pytest.fixture(scope="session")
def tiny_export(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[ExportFormat], Path]:
    """The tiny run in a format, not verified, to save time. Shared: copy it before you change it."""
    # The tiny run is the same, bit for bit, in all processes that share the tests out: whoever comes first exports it.
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def make(to: ExportFormat) -> Path:
        out = folder / f"tiny-{to}"
        with FileLock(folder / f"tiny-{to}.lock"):
            if not out.exists():
                network, facts = load_network(tiny_run)
                export_network(network, facts, out, source=fingerprint(tiny_run, "bn"), to=to, verify=False)
        return out

    return make


@pytest.fixture(scope="session")
def tiny_onnx(tiny_export: Callable[[ExportFormat], Path]) -> Path:
    """The tiny run as ONNX, not verified. Shared: copy it before you change it."""
    return tiny_export("onnx")
