"""Runs to the Hub and back, huggingface_hub's own client in between."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from vireid.evaluation import Evaluation, Protocol, read_results, store_result
from vireid.models import fingerprint, load_network
from vireid.sharing import pull, push
from vireid.training import read_run
from vireid.types import Score, VireidError

PROTOCOL = Protocol(
    data_set="sysu", direction="i2v", feature="bn", checkpoint_rule="last epoch", mode="all", shots=1, draw="seeded"
)
NAME = "anna/day-and-night"
TOKEN = "hf_standInTokenThatNobodyMayPrint"


def store(run, weights=None, **changes):
    trial = Score(cmc=np.linspace(0.5, 1, 20), map=0.25, minp=0.125, valid=8, queries=9, gallery=7)
    evaluation = Evaluation(protocol=replace(PROTOCOL, **changes), trials=[trial])
    return store_result(run, evaluation, weights=fingerprint(run, "bn") if weights is None else weights)


def shared(hub):
    return hub.models[NAME][-1]


def reseal(hub, name=NAME, **files):
    """Put other files there, and checksums that fit them."""
    content = {key: value for key, value in hub.models[name][-1].items() if key != "sha256.json"} | files
    hashes = {key: sha256(value).hexdigest() for key, value in content.items() if key != "README.md"}
    hub.models[name].append(content | {"sha256.json": json.dumps(hashes).encode()})


def test_a_run_comes_back_as_it_was(hub, run, tmp_path):
    store(run)
    address = push(run, NAME, include_log=True)
    assert address.endswith(f"/{NAME}/commit/{hub.sha(NAME)}")
    back = pull(NAME, tmp_path / "new" / "back")
    assert (back / "weights.safetensors").read_bytes() == (run / "weights.safetensors").read_bytes()
    [before], [after] = read_results(run), read_results(back)
    assert after.evaluation.to_json() == before.evaluation.to_json()
    assert after.weights == fingerprint(back, "bn")
    assert read_run(back).steps == read_run(run).steps
    assert read_run(back).settings["network.mimb_heads"] == 2
    assert not any(file.is_symlink() for file in back.rglob("*"))
    assert [file.name for file in back.parent.iterdir()] == ["back"]


def test_what_is_there_is_exactly_what_is_shared(hub, run):
    kept = store(run).name
    (run / "run.lock").touch()
    (run / "notes.txt").write_text("mine")
    push(run, NAME)
    names = {"README.md", "config.json", f"results/{kept}", "sha256.json", "weights.safetensors"}
    assert set(shared(hub)) == names
    hashes = json.loads(shared(hub)["sha256.json"])
    assert set(hashes) == names - {"README.md", "sha256.json"}
    assert all(sha256(shared(hub)[name]).hexdigest() == digest for name, digest in hashes.items())
    assert f"vireid pull {NAME} run" in shared(hub)["README.md"].decode()


def test_it_is_private_unless_told(hub, run):
    push(run, NAME)
    assert hub.private == {NAME}
    push(run, "anna/open", private=False)
    assert hub.private == {NAME}


def test_a_repository_that_is_otherwise_is_refused_and_left_alone(hub, run):
    hub.models = {NAME: [{"a": b""}], "anna/closed": [{"a": b""}]}
    hub.private = {"anna/closed"}
    with pytest.raises(VireidError, match="is public already: everybody may read what goes there; say --public"):
        push(run, NAME)
    with pytest.raises(VireidError, match="is private already, which a push does not change"):
        push(run, "anna/closed", private=False)
    assert all(len(commits) == 1 for commits in hub.models.values())


def test_results_that_are_no_longer_the_runs_go_and_other_files_stay(hub, run):
    store(run)
    push(run, NAME)
    hub.models[NAME].append(shared(hub) | {"picture.png": b"theirs", "results/notes.txt": b"theirs"})
    for file in (run / "results").iterdir():
        file.unlink()
    kept = store(run, mode="indoor").name
    push(run, NAME)
    names = {name for name in shared(hub) if name.startswith("results/") or name == "picture.png"}
    assert names == {f"results/{kept}", "results/notes.txt", "picture.png"}


def test_results_of_other_weights_do_not_go(hub, run):
    store(run, weights="0123456789abcdef bn")
    store(run, weights="", mode="indoor")
    push(run, NAME)
    assert not [name for name in shared(hub) if name.startswith("results/")]
    assert "2 older results of other weights are left out" in shared(hub)["README.md"].decode()


def test_only_files_of_a_run_are_fetched(hub, run, tmp_path):
    push(run, NAME)
    others = ("model.py", "pytorch_model.bin", "state.pt", "results/a.py", "sub/config.json")
    more = dict.fromkeys(others, b"import os")
    hub.models[NAME].append(shared(hub) | more)
    back = pull(NAME, tmp_path / "back")
    assert hub.fetched() == ["README.md", "config.json", "sha256.json", "weights.safetensors"]
    assert sorted(file.name for file in back.iterdir()) == hub.fetched()


def test_a_revision_is_fetched(hub, run, tmp_path):
    push(run, NAME, license="mit")
    first = hub.sha(NAME)
    push(run, NAME, license="apache-2.0")
    assert "license: mit" in (pull(NAME, tmp_path / "a", revision=first) / "README.md").read_text()
    assert "license: apache-2.0" in (pull(NAME, tmp_path / "b") / "README.md").read_text()


@pytest.mark.parametrize("name", ["../weights.safetensors", "/etc/a", "results/../../a", "a\\b"])
def test_names_that_lead_elsewhere_are_refused_before_anything_is_fetched(hub, run, tmp_path, name):
    push(run, NAME)
    hub.models[NAME].append(shared(hub) | {name: b""})
    with pytest.raises(VireidError, match="which leads elsewhere; do not use this repository"):
        pull(NAME, tmp_path / "back")
    assert hub.fetched() == []


def test_large_files_are_refused_before_anything_is_fetched(hub, run, tmp_path):
    push(run, NAME)
    hub.sizes = {"config.json": 1 << 30}
    with pytest.raises(VireidError, match=r"has 1,073,741,824 bytes as the Hub states it, and 0 to 67,108,864"):
        pull(NAME, tmp_path / "back")
    assert hub.fetched() == []
    hub.sizes = {}
    hub.models[NAME].append(shared(hub) | {f"results/{number}.json": b"" for number in range(600)})
    with pytest.raises(VireidError, match="holds 604 files of a run, more than the 500"):
        pull(NAME, tmp_path / "back")


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
@pytest.mark.parametrize(("size", "message"), [(-1, "-1 bytes as the Hub states it"), (0, "came"), (5, "came")])
def test_sizes_that_the_hub_states_and_that_are_not_so_are_refused(hub, run, tmp_path, name, size, message):
    push(run, NAME)
    hub.sizes = {name: size}
    with pytest.raises(VireidError, match=f"{name} of anna/day-and-night has .*?{message}"):
        pull(NAME, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    assert size >= 0 or hub.fetched() == []


def test_other_bytes_than_the_list_says_are_refused(hub, run, tmp_path):
    store(run)
    push(run, NAME)
    whole = shared(hub)
    right = sha256(whole["weights.safetensors"]).hexdigest()
    for name in whole.keys() - {"README.md", "sha256.json"}:
        other = whole[name][:-1] + b"!"
        hub.models[NAME].append(whole | {name: other})
        with pytest.raises(
            VireidError, match=r"must have the SHA-256 \w{64}, as sha256.json says, but has \w{64}"
        ) as said:
            pull(NAME, tmp_path / "back")
        assert sha256(other).hexdigest() in str(said.value)
        assert not (tmp_path / "back").exists()
    hub.models[NAME].append(whole | {"README.md": b"edited on the Hub"})
    assert (pull(NAME, tmp_path / "back") / "README.md").read_text() == "edited on the Hub"
    with pytest.raises(VireidError, match=f"must have the SHA-256 {'0' * 64}, which you gave, but have {right}"):
        pull(NAME, tmp_path / "other", sha256="0" * 64)
    assert pull(NAME, tmp_path / "other", sha256=right.upper())


def test_a_file_that_nobody_wrote_down_and_a_list_that_is_none_are_refused(hub, run, tmp_path):
    push(run, NAME)
    whole = shared(hub)
    for files, message in (
        (whole | {"results/new.json": b"{}"}, "SHA-256 that nobody wrote down"),
        (
            {name: content for name, content in whole.items() if name != "sha256.json"},
            "so nothing says that its weights",
        ),
        (whole | {"sha256.json": b"[]"}, "is not a list of checksums: it must give a hash"),
        (whole | {"sha256.json": b"{"}, "is not a list of checksums"),
        (whole | {"sha256.json": b"[" * 100_000}, "is not a list of checksums"),
        ({name: content for name, content in whole.items() if "weights" not in name}, "holds no run of vireid"),
    ):
        hub.models[NAME].append(files)
        with pytest.raises(VireidError, match=message):
            pull(NAME, tmp_path / "back")
        assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"weights.safetensors": b"no weights"}, "is not a whole file of weights"),
        ({"results/a.json": b"{}"}, "is not a result of vireid evaluate"),
        ({"config.json": b"[]"}, "is not the configuration of a run"),
        ({"config.json": b'{"hardware": {"accelerators": 5}}'}, "'accelerators' of its 'hardware' must be"),
        ({"log.jsonl": b"5\n"}, "is no line of a training's log"),
    ],
)
def test_files_that_are_not_what_they_say_leave_no_run(hub, run, tmp_path, files, message):
    push(run, NAME)
    reseal(hub, **files)
    with pytest.raises(VireidError, match=message):
        pull(NAME, tmp_path / "place" / "back")
    assert list((tmp_path / "place").iterdir()) == []


def test_a_pickle_in_the_place_of_weights_is_not_run(hub, run, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"net": Trap()}, tmp_path / "trap.pt")
    push(run, NAME)
    reseal(hub, **{"weights.safetensors": (tmp_path / "trap.pt").read_bytes()})
    with pytest.raises(VireidError, match="is not a whole file of weights"):
        pull(NAME, tmp_path / "back")
    assert not (tmp_path / "sprung").exists()


def test_a_place_that_holds_something_is_refused_and_left_alone(hub, run, tmp_path):
    with pytest.raises(VireidError, match="holds something already; choose another"):
        pull(NAME, run)
    assert hub.requests == []
    push(run, NAME)
    (tmp_path / "empty").mkdir()
    assert load_network(pull(NAME, tmp_path / "empty"))


def test_a_broken_download_leaves_no_run_and_goes_on_the_next_time(hub, run, tmp_path, monkeypatch):
    push(run, NAME)
    real = hub.handle

    def breaks(request):
        if request.method == "GET" and request.url.path.endswith("weights.safetensors"):
            hub.answer = 500
        return real(request)

    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    monkeypatch.setattr(hub, "handle", breaks)
    with pytest.raises(VireidError, match=r"the Hub answered 500|is not whole in the cache"):
        pull(NAME, tmp_path / "place" / "back")
    assert not (tmp_path / "place").exists()
    monkeypatch.setattr(hub, "handle", real)
    hub.answer = None
    assert load_network(pull(NAME, tmp_path / "place" / "back"))


def test_a_copying_that_is_interrupted_leaves_no_run(hub, run, tmp_path, monkeypatch):
    push(run, NAME)

    def interrupted(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr("vireid.sharing.pulling.load_network", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pull(NAME, tmp_path / "place" / "back")
    assert list((tmp_path / "place").iterdir()) == []
