"""A network from a name or a folder, by function and by the Hub's own interface."""

import json
import shutil

import pytest
import torch
from huggingface_hub import ModelHubMixin, constants

from vireid.models import Network, load_network
from vireid.sharing import SharedNetwork, from_pretrained, push
from vireid.types import Modality, VireidError, sha256_of

NAME = "anna/day-and-night"


def same(network: Network, run) -> bool:
    mine, theirs = network.state_dict(), load_network(run)[0].state_dict()
    vectors = network.embed(torch.ones(1, 3, 32, 16), Modality.INFRARED)
    return (
        mine.keys() == theirs.keys()
        and all(map(torch.equal, mine.values(), theirs.values()))
        and vectors.shape == (1, 32)
    )


def test_a_folder_is_read_with_no_network_at_all(run, no_sockets, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    network, facts = from_pretrained(run, sha256=sha256_of(run / "weights.safetensors"))
    assert same(network, run)
    assert facts["recipe"] == "mscmnet-small, settings changed"
    assert not network.training
    shared = SharedNetwork.from_pretrained(str(run))
    assert same(shared.network, run)
    assert (shared.facts, shared.run) == (facts, run)


def test_a_name_is_fetched_once_and_then_read_offline(hub, run, monkeypatch):
    push(run, NAME)
    hub.requests.clear()
    network, facts = from_pretrained(NAME)
    assert same(network, run)
    assert "weights.safetensors" in hub.fetched()
    hub.requests.clear()
    assert same(from_pretrained(NAME, local_files_only=True)[0], run)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert same(from_pretrained(NAME)[0], run)
    assert SharedNetwork.from_pretrained(NAME, revision=hub.sha(NAME)).facts == facts
    assert hub.requests == []


def test_what_is_not_in_the_cache_is_not_found_offline(hub, run, monkeypatch):
    push(run, NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    with pytest.raises(VireidError, match="is not whole in the cache of this machine; fetch it once with a network"):
        from_pretrained(NAME)
    with pytest.raises(VireidError, match="HF_HUB_OFFLINE forbids to ask the Hub for anna/day-and-night"):
        push(run, NAME)
    assert hub.requests == []


def test_weights_that_were_changed_in_the_cache_are_refused(hub, run, tmp_path):
    push(run, NAME)
    from_pretrained(NAME)
    [weights] = (tmp_path / "hub-cache").rglob("snapshots/*/weights.safetensors")
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content[:-1] + b"!")
    with pytest.raises(VireidError, match="it is not whole, or was changed"):
        from_pretrained(NAME, local_files_only=True)


def test_a_model_without_checksums_is_refused_unless_its_hash_is_given(hub, run):
    push(run, NAME)
    files = hub.models[NAME][-1]
    hub.models[NAME].append({name: content for name, content in files.items() if name != "sha256.json"})
    for ask in (from_pretrained, SharedNetwork.from_pretrained):
        with pytest.raises(VireidError, match=r"has no sha256.json, so nothing says that its weights are whole"):
            ask(NAME)
        assert ask(NAME, sha256=sha256_of(run / "weights.safetensors"))


def test_other_weights_than_the_hash_are_refused_naming_both(run):
    found = sha256_of(run / "weights.safetensors")
    for ask in (from_pretrained, SharedNetwork.from_pretrained):
        with pytest.raises(VireidError, match=f"{'0' * 64}, which you gave, but have {found}"):
            ask(run, sha256="0" * 64)


def test_a_folder_of_others_is_held_to_its_checksums_where_it_has_some(run):
    (run / "sha256.json").write_text(json.dumps({"weights.safetensors": "0" * 64}))
    with pytest.raises(VireidError, match=f"must have the SHA-256 {'0' * 64}, as sha256.json says, but has"):
        from_pretrained(run)
    (run / "sha256.json").write_text(json.dumps({"weights.safetensors": sha256_of(run / "weights.safetensors")}))
    assert from_pretrained(run)


def test_places_that_are_not_there_are_not_looked_for_on_the_hub(hub, run, tmp_path):
    for place in (tmp_path / "nowhere", str(tmp_path / "nowhere"), "./runs/first"):
        with pytest.raises(VireidError, match="there is no run directory"):
            from_pretrained(place)
    with pytest.raises(VireidError, match="is a directory and has no revisions"):
        from_pretrained(run, revision="main")
    assert hub.requests == []


def test_a_run_that_has_not_ended_says_so(run, tmp_path):
    (run / "weights.safetensors").unlink()
    (tmp_path / "empty").mkdir()
    for ask in (from_pretrained, SharedNetwork.from_pretrained):
        with pytest.raises(VireidError, match=r"there are no weights at .*the run has not ended"):
            ask(run)
        with pytest.raises(VireidError, match=r"there are no weights at .*name a run or a weights file"):
            ask(tmp_path / "empty")


def test_it_is_the_hubs_interface(hub, run, tmp_path):
    shared = SharedNetwork.from_pretrained(run)
    assert isinstance(shared, ModelHubMixin)
    shared.save_pretrained(tmp_path / "saved")
    names = {"README.md", "config.json", "sha256.json", "weights.safetensors"}
    assert {file.name for file in (tmp_path / "saved").iterdir()} == names
    assert shared.push_to_hub(NAME).endswith(hub.sha(NAME))
    assert hub.private == {NAME}
    assert hub.models[NAME][-1].keys() == names
    with pytest.raises(VireidError, match="say who may see the model: private=True, or False for everybody"):
        shared.push_to_hub("anna/other", private=None)
    assert same(SharedNetwork.from_pretrained(tmp_path / "saved").network, run)


def test_saving_over_a_folder_is_refused_and_deletes_nothing(run):
    before = (run / "config.json").read_bytes()
    with pytest.raises(VireidError, match="holds something; choose another"):
        SharedNetwork.from_pretrained(run).save_pretrained(run)
    assert (run / "config.json").read_bytes() == before


def test_keys_of_the_settings_are_no_arguments(run):
    (run / "config.json").write_text(json.dumps({"network": "evil", "run": "/etc", "sha256": "no", "settings": {}}))
    shared = SharedNetwork.from_pretrained(run)
    assert shared.run == run
    assert isinstance(shared.network, Network)


def test_an_imported_run_goes_through(hub, run, tmp_path):
    for name in ("config.json", "log.jsonl", "state.pt"):
        (run / name).unlink()
    shutil.rmtree(run / "tensorboard")
    push(run, NAME)
    assert same(from_pretrained(NAME)[0], run)
