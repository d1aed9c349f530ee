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


def test_a_run_comes_out_the_same(vireid, run, monkeypatch, tmp_path):
    # Somebody may be writing the code while it is tested.
    code = json.loads((run / "config.json").read_text())["code"]
    monkeypatch.setattr("vireid.cli.run_folder.code_fingerprint", lambda: code)
    said = vireid("reproduce", run, "--accelerator", "cpu")
    assert said.code == 0, said.err
    out = run.with_name("run-reproduced")
    assert f"libraries, code, machine and processes that {out} was begun with are those of the run" in said.out
    assert "reproduced: every weight" in said.out
    assert (out / WEIGHTS).exists()
    # A second call finds the second training finished; what is told is what that was made with.
    edit(out, lambda document: document["versions"].update(torch="1.0"))
    said = vireid("reproduce", run, "--accelerator", "cpu")
    assert (said.code, f"{out} holds a finished run; nothing to do" in said.out) == (0, True)
    assert f"torch: {json.loads((run / 'config.json').read_text())['versions']['torch']} then, 1.0 in {out}" in said.out
    assert "are those of the run" not in said.out
    # It is no proof of a run that has changed since, nor is a copy of it one of its own.
    shutil.copytree(out, tmp_path / "copy")
    said = vireid("reproduce", out, "--out", tmp_path / "copy")
    assert (said.code, f"but {tmp_path / 'copy'} holds another" in said.err) == (2, True)
    edit(run, lambda document: document.update(started="later"))
    said = vireid("reproduce", run)
    assert (said.code, f"but {out} holds another" in said.err) == (2, True)


def edit(run, change):
    document = json.loads((run / "config.json").read_text())
    change(document)
    (run / "config.json").write_text(json.dumps(document))


def test_a_copy_of_the_run_proves_nothing(vireid, run):
    out = Path(shutil.copytree(run, run.with_name("run-reproduced")))
    said = vireid("reproduce", run, "--accelerator", "cpu")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "vireid: error: a run is compared with a training that vireid reproduce began for it, as it is now, but "
        f"{out} holds another; remove that folder, or give another --out\n"
    )


def test_an_interrupted_one_goes_on_and_tells_what_is_other_now(vireid, run, monkeypatch):
    out = run.with_name("run-reproduced")
    monkeypatch.setattr("vireid.cli.run_folder.code_fingerprint", lambda: "0" * 16)
    monkeypatch.setattr("vireid.cli.train.save_network", interrupt)
    said = vireid("reproduce", run, "--accelerator", "cpu")
    assert said.code == 130
    assert said.err.endswith("interrupted; what was trained stays: start the same command again to go on\n")
    assert (out / "state.pt").exists()
    monkeypatch.undo()
    monkeypatch.setattr("vireid.cli.reproduce.code_fingerprint", lambda: "1" * 16)
    said = vireid("reproduce", run, "--accelerator", "cpu")
    assert said.code == 0, said.err
    assert f"vireid's own code: {'0' * 16} when {out} was begun, {'1' * 16} when it went on" in said.out
    assert f"then, {'0' * 16} in {out}" in said.out


def interrupt(*_, **__):
    raise KeyboardInterrupt


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
    document["processes"] = 4
    document["data"]["fingerprint"] = "0" * 16
    (run / "config.json").write_text(json.dumps(document))
    before = results(run)
    said = vireid("reproduce", run, "--accelerator", "cpu")
    assert said.code == 1, said.err
    assert "torch: 1.0 then" in said.out
    assert (
        "the run keeps the fingerprint of its data in the form of another version: whether these are the same is not "
        "known"
    ) in said.out
    assert "vireid's own code: 0123456789abcdef then" in said.out
    assert f"processes: 4 then, 1 in {run}-reproduced" in said.out
    assert (
        "processes that train together: 4 then, 1 now, so other weights are to be expected; start it by torchrun "
        "--nproc-per-node 4 -m vireid to have as many"
    ) in said.out
    assert "the losses part at step 1:" in said.out
    assert "identity: 12 then" in said.out
    assert "not reproduced to the bit" in said.out
    assert said.out.count("sysu all-search 1-shot seeded i2v, percent") == 2
    assert "trained again" in said.out
    assert results(run) == before


def test_other_data_are_told(vireid, run, tiny_world, tmp_path):
    other = shutil.copytree(tiny_world, tmp_path / "other")
    document = json.loads((run / "config.json").read_text())
    document["data"]["fingerprint"] = f"content:{'0' * 16}"
    (run / "config.json").write_text(json.dumps(document))
    said = vireid("reproduce", run, "--root", other, "--accelerator", "cpu")
    assert said.code == 2
    assert "does not hold the data of the run: fingerprint content:0000000000000000" in said.err
    assert not run.with_name("run-reproduced").exists()


def test_a_run_from_elsewhere_says_what_it_lacks(vireid, run, tiny_world):
    document = json.loads((run / "config.json").read_text())
    del document["settings"]["root"], document["data"], document["versions"], document["processes"]
    (run / "config.json").write_text(json.dumps(document))
    said = vireid("reproduce", run)
    assert (said.code, "give --root ROOT" in said.err) == (2, True)
    said = vireid("reproduce", run, "--root", tiny_world, "--accelerator", "cpu")
    assert said.code == 0, said.err
    assert "what data it was trained on: whether these are the same is not known" in said.out
    assert "the run does not say its libraries, processes: whether these are the same is not known" in said.out
    assert "are those of the run" not in said.out
    document["settings"]["network.weights"] = "a file"
    (run / "config.json").write_text(json.dumps(document))
    said = vireid("reproduce", run, "--root", tiny_world)
    assert (said.code, "began from a file of weights that did not come with it" in said.err) == (2, True)


def test_a_run_goes_on_with_its_data_only(vireid, tiny_world, tiny_flags, tmp_path):
    world = Path(shutil.copytree(tiny_world, tmp_path / "world"))
    flags = ["train", "mscmnet-small", "--root", world, "--out", tmp_path / "run", *tiny_flags]
    assert vireid(*flags).code == 0
    (tmp_path / "run" / WEIGHTS).unlink()
    # What an older version kept does not compare.
    content = (tmp_path / "run" / "config.json").read_text()
    edit(tmp_path / "run", lambda document: document["data"].update(fingerprint="0" * 16))
    said = vireid(*flags, "--resume")
    assert said.code == 0, said.err
    assert "in the form of another version: whether these are the images that it was started on" in said.out
    (tmp_path / "run" / "config.json").write_text(content)
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
