"""Each method learns, small, on a world of people whose clothes have a pattern that both modalities show."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vireid.cli.recipes import RECIPES, describe
from vireid.models import load_network

METHODS = ["mscmnet", "baseline", "agw", "caj", "deen", "mspac", "cscl"]
SIZE = (64, 32)
PERSONS, EACH = 16, 4

FLAGS = [
    *("--dataset", "folder", "--network.height", str(SIZE[0]), "--network.width", str(SIZE[1])),
    *("--network.channels", "16", "24", "32", "48", "--network.mimb-heads", "2", "--network.mimb-tokens", "16"),
    *("--identities", "4", "--images", "4", "--accelerator", "cpu"),
]
# The parsing of people into parts is learnt later than who they are.
EPOCHS = {"cscl": 60}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Half of the people to train on, half to test on; each pattern has a part map of its two halves."""
    root = tmp_path_factory.mktemp("patterns")
    random = np.random.default_rng(0)
    rows = []
    for person in range(PERSONS):
        pattern = random.integers(0, 200, (8, 4, 1)).repeat(8, 0).repeat(8, 1)
        for camera, modality in enumerate(("visible", "infrared")):
            for number in range(EACH):
                tint = random.uniform(0.4, 1.0, 3) if modality == "visible" else np.ones(3)
                pixels = pattern * tint + random.integers(0, 50, (*SIZE, 1))
                path = f"{modality}_{person}_{number}.png"
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / path)
                split = "train" if person < PERSONS // 2 else "test"
                rows.append([path, person, camera, modality, split])
                (root / "parts").mkdir(exist_ok=True)
                Image.fromarray(np.repeat(np.uint8([1, 2]), 32)[:, None].repeat(32, 1)).save(root / "parts" / path)
    with (root / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["path", "person", "camera", "modality", "split"], *rows])
    return root


def test_every_recipe_says_what_it_is():
    for name in RECIPES:
        assert describe(name)


# The two that are two streams and usual losses alone take their turn with the slow tests: agw is more than they are.
@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=pytest.mark.slow if name in ("baseline", "caj") else ()) for name in METHODS]
)
def test_each_method_learns(vireid, world, tmp_path, method):
    own = {"mspac": ["--network.stripes", "4", "2"], "cscl": ["--network.parts", "3"]}.get(method, [])
    epochs = EPOCHS.get(method, 30)
    own += ["--epochs", str(epochs), "--optimizer.milestones", str(epochs - 8)]
    out, result = tmp_path / "run", tmp_path / "result.json"
    assert vireid("train", f"{method}-small", "--root", world, "--out", out, *FLAGS, *own).code == 0
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    first, last = (np.mean([step["loss/identity"] for step in steps]) for steps in (log[:10], log[-10:]))
    assert last < 0.8 * first
    if method == "cscl":
        parsing = [step["loss/parsing"] for step in log]
        assert np.mean(parsing[-10:]) < 0.85 * np.mean(parsing[:10])
    said = vireid("evaluate", "--checkpoint", out, "--dataset", "folder", "--root", world, "--json", result)
    assert said.code == 0
    found = json.loads(result.read_text())
    assert found["mean"]["cmc"][0] > 2 / (PERSONS // 2)
    # Every result says whose it is, and what of it is not from the whole paper.
    assert found["protocol"]["method"] == f"{method}-small, settings changed"
    rebuilt = found["protocol"]["reconstruction"]
    assert (rebuilt != "none") == (method in ("mspac", "cscl"))
    assert f"{method}-small" in said.out
    assert rebuilt == "none" or "reconstruction" in said.out
    assert load_network(out)[1]["reconstruction"] == rebuilt
