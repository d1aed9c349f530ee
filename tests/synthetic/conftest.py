from __future__ import annotations

from pathlib import Path

import pytest

from vireid.synthetic import write_world


@pytest.fixture(scope="session")
def made_worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small world in each layout, with part maps."""
    roots = {}
    for layout in ("sysu", "regdb", "llcm", "folder"):
        roots[layout] = tmp_path_factory.mktemp("worlds") / layout
        write_world(
            roots[layout],
            layout=layout,
            persons=7,
            images_per_camera=1 if layout == "llcm" else 2,
            height=64,
            width=32,
            seed=3,
            part_maps=True,
            workers=1,
        )
    return roots
