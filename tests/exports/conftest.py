"""What the tests of exports share."""

from __future__ import annotations

from pathlib import Path

import pytest

from vireid.exports import export_network
from vireid.models import fingerprint, load_network


@pytest.fixture(scope="session")
def tiny_onnx(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run as ONNX, not verified, to save time. Shared: copy it before you change it."""
    network, facts = load_network(tiny_run)
    out = tmp_path_factory.mktemp("exports") / "onnx"
    export_network(network, facts, out, source=fingerprint(tiny_run, "bn"), to="onnx", verify=False)
    return out
