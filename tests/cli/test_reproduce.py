"""A run trained again: the same, or what is not."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from vireid.cli.config import TrainConfig
from vireid.cli.recipes import RECIPES
from vireid.cli.run_settings import read_settings, write_settings
from vireid.models import WEIGHTS, load_network, save_network
from vireid.types import VireidError


@pytest.fixture
def run(tiny_run, tmp_path):
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def test_a_run_comes_out_the_same(vireid, run, monkeypatch):
    # Somebody may be writing the code while it is tested.
    code = json.loads((run / "config.json").read_text())["code"]
    monkeypatch.setattr("vireid.cli.reproduce.code_fingerprint", lambda: code)
    said = vireid("reproduce", run, "--accelerator", "cpu")
    assert said.code == 0, said.err
    assert "libraries, code and machine are those of the run" in said.out
    assert "reproduced: every weight" in said.out
    assert (run.with_name("run-reproduced") / WEIGHTS).exists()
    # A second call finds the second training finished.
    assert vireid("reproduce", run, "--accelerator", "cpu").code == 0


def results(run):
    """What a comparison may not change."""
    return {file.name: file.read_bytes() for file in (*run.glob("results/*"), run / "README.md")}


def test_what_differs_is_told(vireid, run):
    network, facts = load_network(run)
    next(network.parameters()).data[0] += 1e-6
    save_network(network, run / WEIGHTS, facts=facts)
    lines = (run / "log.jsonl").read_text().splitlines()
    step = json.loads(lines[1]) | {"loss/identity": 12.0}
    (run / "log.jsonl").write_text("\n".join([lines[0], json.dumps(step), *lines[2:]]) + "\n")
    document = json.loads((run / "config.json").read_text())
    document["versions"]["torch"] = "1.0"
    document["code"] = "0123456789abcdef"
    (run / "config.json").write_text(json.dumps(document))
    before = results(run)
    said = vireid("reproduce", run, "--accelerator", "cpu")
    assert said.code == 1, said.err
    assert "torch: 1.0 then" in said.out
    assert "vireid's own code: 0123456789abcdef then" in said.out
    assert "the losses part at step 1:" in said.out
    assert "identity: 12 then" in said.out
    assert "not reproduced to the bit" in said.out
    assert said.out.count("sysu all-search 1-shot seeded i2v, percent") == 2
    assert "trained again" in said.out
    assert results(run) == before


def test_other_data_are_told(vireid, run, tiny_world, tmp_path):
    other = shutil.copytree(tiny_world, tmp_path / "other")
    document = json.loads((run / "config.json").read_text())
    document["data"]["fingerprint"] = "0" * 16
    (run / "config.json").write_text(json.dumps(document))
    said = vireid("reproduce", run, "--root", other, "--accelerator", "cpu")
    assert said.code == 2
    assert "does not hold the data of the run: fingerprint 0000000000000000" in said.err
    assert not run.with_name("run-reproduced").exists()


def test_a_run_from_elsewhere_says_what_it_lacks(vireid, run, tiny_world):
    document = json.loads((run / "config.json").read_text())
    del document["settings"]["root"], document["data"]
    (run / "config.json").write_text(json.dumps(document))
    said = vireid("reproduce", run)
    assert (said.code, "give --root ROOT" in said.err) == (2, True)
    said = vireid("reproduce", run, "--root", tiny_world, "--accelerator", "cpu")
    assert said.code == 0, said.err
    assert "whether these are the same is not known" in said.out
    document["settings"]["network.weights"] = "a file"
    (run / "config.json").write_text(json.dumps(document))
    said = vireid("reproduce", run, "--root", tiny_world)
    assert (said.code, "began from a file of weights that did not come with it" in said.err) == (2, True)


def test_a_run_goes_on_with_its_data_only(vireid, tiny_world, tiny_flags, tmp_path):
    world = Path(shutil.copytree(tiny_world, tmp_path / "world"))
    flags = ["train", "mscmnet-small", "--root", world, "--out", tmp_path / "run", *tiny_flags]
    assert vireid(*flags).code == 0
    (tmp_path / "run" / WEIGHTS).unlink()
    image = next(world.glob("cam1/*/*.jpg"))
    image.write_bytes(image.read_bytes() + b"\0")
    said = vireid(*flags, "--resume")
    assert said.code == 2
    assert "a run is resumed on the data that it was started on" in said.err


def test_what_cannot_be_trained_again_is_refused(vireid, run, tmp_path):
    said = vireid("reproduce", run, "--out", run)
    assert (said.code, "needs a folder of its own" in said.err) == (2, True)
    (run / "config.json").unlink()
    said = vireid("reproduce", run)
    assert (said.code, "says nothing of its training" in said.err) == (2, True)
    (run / WEIGHTS).unlink()
    assert "there are no weights" in vireid("reproduce", run).err
    assert "there is no run" in vireid("reproduce", tmp_path / "nothing").err


@pytest.mark.parametrize("name", RECIPES)
def test_settings_come_back_as_they_were(name):
    config = TrainConfig(
        root=Path("data"), out=Path("runs") / name, recipe=RECIPES[name], name=name, seed=3, cache=Path("cache")
    )
    assert read_settings(write_settings(config), root=Path("data"), out=Path("runs") / name) == config


def test_settings_of_other_versions():
    config = TrainConfig(root=Path("data"), out=Path("out"), recipe=RECIPES["agw"], name="agw")
    settings = write_settings(config)
    older = {name: value for name, value in settings.items() if name != "sync_batchnorm"}
    assert read_settings(older, root=Path("a"), out=Path("b")) == dataclasses.replace(
        config, root=Path("a"), out=Path("b")
    )
    with pytest.raises(VireidError, match=r"does not know the settings loss\.newer, quicker"):
        read_settings(settings | {"loss.newer": 1, "quicker": True}, root=Path("a"), out=Path("b"))
