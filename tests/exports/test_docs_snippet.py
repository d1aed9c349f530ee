"""The program in docs/export.md, run as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from vireid.retrieval import Embedder
from vireid.types import Modality

PAGE = Path(__file__).parents[2] / "docs" / "export.md"


def test_the_page_shows_how_to_run_an_export_without_this_library(
    tiny_run: Path, tiny_onnx: Path, tiny_world: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(tiny_onnx, tmp_path / "export"))
    files = {
        "night.jpg": next(iter(sorted((tiny_world / "cam3").rglob("*.jpg")))),
        "day1.jpg": sorted((tiny_world / "cam1").rglob("*.jpg"))[0],
        "day2.jpg": sorted((tiny_world / "cam2").rglob("*.jpg"))[-1],
    }
    for name, file in files.items():
        shutil.copy(file, out / name)
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert "vireid" not in program
    said = subprocess.run([sys.executable, "-c", program], cwd=out, capture_output=True, text=True, check=True)
    shown = [float(number) for number in re.findall(r"-?\d+\.\d+", said.stdout)]
    embedder = Embedder.from_run(tiny_run)
    night, _ = embedder.embed([files["night.jpg"]], Modality.INFRARED)
    day, _ = embedder.embed([files["day1.jpg"], files["day2.jpg"]], Modality.VISIBLE)
    assert np.abs(np.array(shown) - (night @ day.T)[0]).max() < 2e-3
