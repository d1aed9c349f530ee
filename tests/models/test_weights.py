import json
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch

from vireid.models import DUAL_STREAMS, build_network, load_network, save_network, weights_file
from vireid.types import Modality, VireidError

IMAGES = torch.linspace(-1, 1, 2 * 3 * 64 * 32).view(2, 3, 64, 32)


@pytest.fixture
def saved(tmp_path: Path, small_arguments: dict[str, Any]) -> Path:
    arguments = small_arguments | {"streams": DUAL_STREAMS, "mimb_blocks": (3, 3, 3, 3), "seed": 5}
    network = build_network(**arguments)
    network([IMAGES, -IMAGES])
    save_network(network, tmp_path / "weights.safetensors", facts={"dataset": "sysu", "epoch": 3})
    return tmp_path / "weights.safetensors"


def rewrite(file: Path, *, tensors: dict[str, Any] | None = None, **changes: Any) -> None:
    """The same file with other tensors or another document."""
    with safetensors.safe_open(file, framework="pt") as content:
        document = json.loads(content.metadata()["vireid"])
    tensors = tensors if tensors is not None else safetensors.torch.load_file(file)
    safetensors.torch.save_file(tensors, file, metadata={"vireid": json.dumps(document | changes)})


def document(file: Path) -> dict[str, Any]:
    with safetensors.safe_open(file, framework="pt") as content:
        return json.loads(content.metadata()["vireid"])


def refusal(file: Path) -> str:
    with pytest.raises(VireidError) as caught:
        load_network(file)
    return str(caught.value)


def test_a_network_comes_back_with_its_facts(saved, small_arguments):
    arguments = small_arguments | {"streams": DUAL_STREAMS, "mimb_blocks": (3, 3, 3, 3), "seed": 5}
    original = build_network(**arguments)
    original([IMAGES, -IMAGES])
    original.eval()
    for place in (saved, saved.parent):
        network, facts = load_network(place)
        assert facts == {"dataset": "sysu", "epoch": 3}
        assert not network.training
        assert network.streams == DUAL_STREAMS
        for modality in Modality:
            with torch.no_grad():
                assert torch.equal(network.embed(IMAGES, modality), original.embed(IMAGES, modality))


def test_the_network_is_built_without_its_first_weights(saved):
    rewrite(saved, network=document(saved)["network"] | {"weights": "/not/there.pth"})
    assert load_network(saved)[1]["epoch"] == 3


def test_a_truncated_file_is_refused(saved):
    content = saved.read_bytes()
    for length in (0, 7, 100, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:length])
        assert refusal(saved).startswith(f"{saved} is not a whole file of weights: ")


def test_weights_of_another_library_are_refused(saved):
    safetensors.torch.save_file({"weight": torch.zeros(2)}, saved)
    assert refusal(saved) == f"{saved} holds weights of another library: it does not say how to build its network"


def test_another_format_is_refused(saved):
    rewrite(saved, format=2)
    assert refusal(saved) == (
        f"{saved} has format 2, this version of the library reads 1; load it with the version that saved it, or train "
        "again"
    )


@pytest.mark.parametrize(
    "network", [{"identities": 3}, {"streams": [], "depth": 3}, {"streams": [{"modality": "x"}]}, 7]
)
def test_words_that_this_version_does_not_know_are_refused(saved, network):
    rewrite(saved, network=network)
    assert "does not say how to build its network in this version's words" in refusal(saved)


def test_tensors_that_do_not_fit_are_named(saved):
    tensors = safetensors.torch.load_file(saved)
    rewrite(saved, tensors={name: tensor for name, tensor in tensors.items() if name != "head.classifier.weight"})
    assert "do not fit the network that they name: missing ['head.classifier.weight'] (1 in all)" in refusal(saved)
    rewrite(saved, tensors=tensors | {"head.classifier.weight": torch.zeros(9, 48)})
    assert "head.classifier.weight is (9, 48) in place of (5, 48)" in refusal(saved)


def test_a_place_without_weights_is_refused(tmp_path):
    file = tmp_path / "weights.safetensors"
    assert refusal(tmp_path) == f"there are no weights at {file}; name a run or a weights file"
    (tmp_path / "config.json").write_text("{}")
    assert "the run has not ended: continue it with train --resume" in refusal(tmp_path)
    assert (
        refusal(tmp_path / "nowhere") == f"there are no weights at {tmp_path / 'nowhere'}; name a run or a weights file"
    )
    file.touch()
    assert weights_file(tmp_path) == file


def test_facts_must_be_plain(saved, small_arguments):
    before = saved.read_bytes()
    with pytest.raises(TypeError, match="set is not plain"):
        save_network(build_network(**small_arguments), saved, facts={"trial": {1}})
    assert saved.read_bytes() == before


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_not_saved(tmp_path, small_arguments, bad):
    network = build_network(**small_arguments)
    network.head.classifier.weight.data[1, 2] = bad
    with pytest.raises(VireidError) as caught:
        save_network(network, tmp_path / "weights.safetensors", facts={})
    assert str(caught.value) == (
        "only finite weights can be saved, but 'head.classifier.weight' holds NaN or infinity; train again with a "
        "lower learning rate, or take another checkpoint"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_weights_before(saved, small_arguments):
    before = saved.read_bytes()
    network = build_network(**small_arguments)
    limits, action = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(VireidError, match=r"cannot write .*weights.safetensors: .*nothing was left half-written"):
            save_network(network, saved, facts={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, action)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_memory_that_is_not_contiguous_is_saved_whole(tmp_path, small_arguments):
    network = build_network(**small_arguments).to(memory_format=torch.channels_last)
    save_network(network, tmp_path / "w.safetensors", facts={})
    loaded, _ = load_network(tmp_path / "w.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), loaded.parameters()))


def test_where_the_weights_came_from_is_not_written_down(saved):
    assert "weights" not in document(saved)["network"]
