"""The hooks that build the site, importable, and the pages of the repository."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "hooks"))
pytest.importorskip("mkdocs", reason='the site is built by the extra docs; pip install ".[docs]"')
pytest.importorskip("griffe", reason='the site is built by the extra docs; pip install ".[docs]"')


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """Every page of the repository by its path."""
    files = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md"), *(ROOT / "examples").glob("*.md")]
    files += [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in sorted(files)}
