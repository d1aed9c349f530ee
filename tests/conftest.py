"""A world and a run small enough to share: a second to make each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from forked_jobs import ForkedJobs

from vireid.cli.main import main
from vireid.synthetic import write_world

TINY_FLAGS = [
    *("--network.height", "32", "--network.width", "16", "--network.channels", "8", "16", "24", "32"),
    *("--network.mimb-heads", "2", "--network.mimb-tokens", "8", "--identities", "3", "--images", "2"),
    *("--epochs", "1", "--accelerator", "cpu", "--optimizer.learning-rate", "0.003"),
]


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SYSU-MM01's layout: 12 people, 2 images a camera, 64 x 32, seed 0. Shared: copy it before you change it."""
    root = tmp_path_factory.mktemp("tiny") / "world"
    write_world(root, layout="sysu", persons=12, images_per_camera=2, height=64, width=32, seed=0, workers=1)
    return root


@pytest.fixture(scope="session")
def tiny_flags() -> list[str]:
    """Flags that make ``mscmnet-small`` tiny: one epoch, 32 x 16 pixels, features of 32 numbers."""
    return list(TINY_FLAGS)


@pytest.fixture(scope="session")
def tiny_run(tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny run on the tiny world. Shared: copy it before you change it."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", "mscmnet-small", "--root", str(tiny_world), "--out", str(out), *TINY_FLAGS]) == 0
    return out


@pytest.fixture(scope="session")
def jobs() -> Iterator[ForkedJobs]:
    """Starts commands in processes that are quickly made."""
    made = ForkedJobs()
    yield made
    made.close()
