"""The command line called in this process, and a small world of each layout with a run to match."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from vireid.cli.main import main
from vireid.synthetic import write_world


class Said(NamedTuple):
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def vireid(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run ``vireid`` with some arguments; none of it may be a traceback."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        said = Said(code, *capsys.readouterr())
        assert "Traceback" not in said.out + said.err
        return said

    return run


@pytest.fixture(scope="session")
def worlds(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A root in each layout. Shared: copy one before you change it."""
    roots = {"sysu": tiny_world}
    for layout, images in (("regdb", 2), ("llcm", 1), ("folder", 1)):
        roots[layout] = tmp_path_factory.mktemp("worlds") / layout
        write_world(
            roots[layout], layout=layout, persons=8, images_per_camera=images, height=64, width=32, seed=0, workers=1
        )
    return roots


@pytest.fixture(scope="session")
def embedded(worlds: dict[str, Path], tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The test side of each world as the tiny run embeds it."""
    folder = tmp_path_factory.mktemp("embedded")
    files = {}
    for layout, root in worlds.items():
        files[layout] = folder / f"{layout}.npz"
        arguments = ["--checkpoint", tiny_run, "--root", root, "--dataset", layout, "--out", files[layout]]
        assert main(["embed", *map(str, arguments)]) == 0
    return files
