"""A compiled training beside an eager one. As a user runs it: the compiler refuses what the checks of tests wrap."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vireid.synthetic import write_world


def train(world: Path, out: Path, *flags: str) -> list[dict[str, float]]:
    command = [sys.executable, "-m", "vireid", "train", "mscmnet-small", "--root", str(world), "--out", str(out)]
    small = ["--identities", "4", "--images", "2", "--accelerator", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, *small, *flags], env=environment, check=True, capture_output=True, timeout=280)
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_compiled_training_has_the_losses_of_an_eager_one_and_goes_on_without_the_compiler(tmp_path: Path):
    world = tmp_path / "world"
    write_world(world, layout="sysu", persons=24, images_per_camera=1, height=96, width=48, seed=0)
    eager = train(world, tmp_path / "eager", "--epochs", "1")
    compiled = train(world, tmp_path / "compiled", "--epochs", "1", "--compile-network")
    assert len(eager) == len(compiled) > 2
    for step in range(2):  # later ones drift apart, as rounding grows
        for name in ("loss/identity", "loss/quadruple_center"):
            assert compiled[step][name] == pytest.approx(eager[step][name], rel=1e-4)
    (tmp_path / "compiled" / "weights.safetensors").unlink()
    resumed = train(world, tmp_path / "compiled", "--epochs", "1", "--resume")
    assert resumed == compiled
    assert (tmp_path / "compiled" / "weights.safetensors").exists()
