"""The file of oldest versions says what pyproject.toml says."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOLS = {"beartype", "codespell", "httpx", "hypothesis", "import-linter", "pip-audit", "playwright", "schemathesis"}
TOOLS |= {"pyright", "pytest", "pytest-cov", "pytest-timeout", "pytest-xdist", "ruff"}


def release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_every_package_of_the_library_is_held_at_its_oldest_version():
    asked = dict(re.findall(r'"([\w-]+)(?:\[\w+\])?>=([\d.]+)"', (ROOT / "pyproject.toml").read_text()))
    held = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "constraints-oldest.txt").read_text(), re.M))
    assert asked.keys() - TOOLS == held.keys()
    for name, version in held.items():
        oldest = release(asked[name])
        assert release(version)[: len(oldest)] == oldest, name
