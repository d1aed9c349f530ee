"""``vireid embed`` and ``vireid evaluate`` in two processes, started by torchrun on one machine (gloo)."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np

from vireid.types import Embeddings

RUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]

# One command line after the other, separated by "then": starting processes is what takes the time.
COMMANDS = """
import sys
from vireid.cli.main import main
words = " ".join(sys.argv[1:])
sys.exit(max(main(command.split()) for command in words.split(" then ")))
"""


def by_two(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*RUN, sys.executable, "-c", COMMANDS, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_two_processes_embed_and_score_what_one_does(vireid, tiny_world, tiny_run, tmp_path):
    data = ("--checkpoint", tiny_run, "--root", tiny_world, "--dataset", "sysu", "--accelerator", "cpu")
    embed = ("embed", *data, "--batch-size", "4", "--cache", tmp_path / "pixels", "--out")
    evaluate = ("evaluate", *data, "--json")
    said = by_two(*embed, tmp_path / "two.npz", "then", *evaluate, tmp_path / "two.json")
    assert said.returncode == 0, said.stderr
    # The first process alone prints.
    assert said.stdout.count("42 embeddings of 32 numbers") == 1
    assert said.stdout.count("mean of 10 trials") == 1
    assert "embedding, part 1 of 2" in said.stderr
    # 28 visible and 14 infrared images in batches of 4: the first process has every other of 7 + 4.
    assert "22/22" in said.stderr

    assert vireid(*embed, tmp_path / "one.npz").code == 0
    one, two = (Embeddings.load(tmp_path / name) for name in ("one.npz", "two.npz"))
    assert two.paths.tolist() == one.paths.tolist()
    assert two.maker == one.maker
    np.testing.assert_allclose(two.features, one.features, rtol=0, atol=1e-6)
    assert vireid(*evaluate, tmp_path / "one.json").code == 0
    one, two = (json.loads((tmp_path / name).read_text()) for name in ("one.json", "two.json"))
    assert two == one


def test_a_fault_of_the_second_process_ends_both(tiny_world, tiny_run, tmp_path):
    root = tmp_path / "cam1"
    shutil.copytree(tiny_world / "cam1", root)
    bad = max(root.glob("*/*.jpg"))
    bad.write_bytes(bad.read_bytes()[:250])
    flags = ("--root", root, "--modality", "visible", "--batch-size", "12", "--accelerator", "cpu")
    said = by_two("embed", "--checkpoint", tiny_run, *flags, "--out", tmp_path / "f.npz")
    assert said.returncode != 0
    assert f"vireid: error: {bad} cannot be decoded" in said.stderr
    assert "a fault of vireid" not in said.stderr
    assert not (tmp_path / "f.npz").exists()
