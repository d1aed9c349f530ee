"""The file of oldest versions says what pyproject.toml says, and continuous integration has a switch for them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

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


def test_the_switch_of_continuous_integration_knows_two_words():
    end = subprocess.run([ROOT / ".ci" / "run"], env=os.environ | {"VIREID_VERSIONS": "old"}, capture_output=True)
    assert (end.returncode, end.stdout) == (2, b"")
    assert end.stderr == b"VIREID_VERSIONS must be oldest or newest, got 'old'; leave it out for all checks and tests\n"


@pytest.mark.parametrize(
    ("switch", "does"),
    [
        ({}, "make test"),
        ({"VIREID_VERSIONS": "oldest"}, "versions oldest"),
        ({"VIREID_VERSIONS": "newest", "VIREID_PYTHON": "python3.13"}, "versions newest python3.13"),
    ],
)
def test_what_continuous_integration_runs(switch, does, tmp_path):
    folder = tmp_path / ".ci"
    folder.mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder)
    # Stand-ins that say how they were called; a browser is there, so none is fetched.
    for file in (folder / "versions", tmp_path / "make", tmp_path / "chromium"):
        file.write_text('#!/bin/sh\necho "${0##*/}" "$@"\n')
        file.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VIREID_")}
    environment = kept | {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | switch
    end = subprocess.run([folder / "run"], env=environment, capture_output=True, text=True)
    assert (end.returncode, end.stdout) == (0, f"{does}\n"), end.stderr
