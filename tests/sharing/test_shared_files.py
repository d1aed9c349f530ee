"""No path of the machine leaves it."""

import json
import shutil

import pytest
import safetensors
import safetensors.torch

from vireid.cli.main import main
from vireid.sharing import SharedFile, shared_files, write_card
from vireid.types import VireidError, sha256_of

SECRET = "quietharbour"


def contents(files: list[SharedFile]) -> dict[str, bytes]:
    return {file.name: file.content if isinstance(file.content, bytes) else file.content.read_bytes() for file in files}


def change_settings(run, **settings):
    file = run / "config.json"
    document = json.loads(file.read_text())
    document["settings"] |= settings
    file.write_text(json.dumps(document))


def change_header(run, *, network=None, facts=None, **others):
    file = run / "weights.safetensors"
    with safetensors.safe_open(file, framework="pt") as content:
        document = json.loads(content.metadata()["vireid"])
    document["network"] |= network or {}
    document["facts"] |= facts or {}
    tensors = safetensors.torch.load_file(file)
    safetensors.torch.save_file(tensors, file, metadata={"vireid": json.dumps(document), **others})


def test_a_run_among_secret_paths_shares_none_of_them(tiny_world, tiny_flags, tmp_path):
    place = tmp_path / SECRET
    shutil.copytree(tiny_world, place / "world")
    out = place / "run"
    arguments = ["--root", place / "world", "--out", out, "--cache", place / "cache", *tiny_flags]
    assert main(["train", "mscmnet-small", *map(str, arguments)]) == 0
    assert main(["evaluate", "--checkpoint", str(out), "--dataset", "sysu", "--root", str(place / "world")]) == 0
    change_settings(out, **{"part_maps": f"{SECRET}/parts", "network.weights": f"{SECRET}.pth", "later": f"a/{SECRET}"})
    assert SECRET in (out / "config.json").read_text()
    files = contents(shared_files(out, include_log=True))
    assert set(files) > {"weights.safetensors", "config.json", "log.jsonl", "README.md", "sha256.json"}
    assert any(name.startswith("results/") for name in files)
    assert [name for name, content in files.items() if SECRET.encode() in content or SECRET in name] == []
    settings = json.loads(files["config.json"])["settings"]
    assert settings.keys().isdisjoint({"root", "out", "cache", "part_maps", "later"})
    assert settings["network.weights"] == "a file"
    before, after = json.loads((out / "config.json").read_text()), json.loads(files["config.json"])
    assert before["data"]["images"] > 0
    for name in ("data", "code", "processes"):
        assert after[name] == before[name]
    assert settings["network.backbone"] == "resnet10t"
    assert settings["name"] == "mscmnet-small"


def test_sizes_are_those_of_the_contents(run):
    files = shared_files(run)
    assert {file.name: file.bytes for file in files} == {
        name: len(content) for name, content in contents(files).items()
    }


def test_the_log_goes_on_request_only_and_nothing_else_ever(run):
    (run / "run.lock").touch()
    (run / "best.safetensors").touch()
    (run / "results").mkdir()
    (run / "results" / "notes.json.txt").write_text("mine")
    names = {file.name for file in shared_files(run)}
    assert names == {"weights.safetensors", "config.json", "sha256.json", "README.md"}
    assert {file.name for file in shared_files(run, include_log=True)} - names == {"log.jsonl"}


def test_an_imported_run_has_no_settings_to_share(run):
    (run / "config.json").unlink()
    assert "config.json" not in {file.name for file in shared_files(run)}


def test_nothing_is_written(run):
    before = sorted(run.rglob("*"))
    shared_files(run, name="anna/day", license="mit")
    assert sorted(run.rglob("*")) == before


def test_a_card_that_names_a_path_of_the_run_is_refused(run):
    change_settings(run, root=f"/data/{SECRET}")
    file = write_card(run)
    file.write_text(file.read_text() + f"\nTrained on /data/{SECRET}.\n")
    with pytest.raises(VireidError, match=r"README.md must name no path .*, but it holds the setting root; remove it"):
        shared_files(run)


def test_weights_that_name_a_folder_of_the_machine_are_refused(run):
    change_settings(run, **{"network.backbone": f"local-dir:/models/{SECRET}"})
    change_header(run, network={"backbone": f"local-dir:/models/{SECRET}"})
    with pytest.raises(
        VireidError, match=r"must name no path of this machine, but it holds the setting network.backbone"
    ):
        shared_files(run)


@pytest.mark.parametrize("place", ["/home/anna/net", "~/net", "C:\\\\net", "local-dir:nets/mine", "from /home/anna"])
def test_weights_that_name_a_place_of_no_setting_are_refused(run, place):
    (run / "config.json").unlink()
    for change in ({"network": {"backbone": place}}, {"facts": {"source": {"file": place}}}, {"note": place}):
        copy = run.with_name("copy")
        shutil.copytree(run, copy)
        change_header(copy, **change)
        with pytest.raises(VireidError, match=r"must name no path of this machine, but what it says of itself holds"):
            shared_files(copy)
        shutil.rmtree(copy)


def test_names_with_strokes_are_no_places(run):
    change_header(run, network={"backbone": "hf-hub:timm/resnet10t"}, facts={"note": "Rank-1 / mAP, https://a.b/c"})
    assert shared_files(run)


def test_the_weights_are_hashed_once(run, monkeypatch):
    asked = []

    def counting(file):
        asked.append(file)
        return sha256_of(file)

    for module in ("described_run", "shared_files", "fetching"):
        monkeypatch.setattr(f"vireid.sharing.{module}.sha256_of", counting, raising=False)
    shared_files(run)
    assert asked == [run / "weights.safetensors"]
