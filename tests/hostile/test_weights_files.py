"""A file of weights asks for a network: it gets one that its tensors account for, or a message."""

import copy
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vireid.cli.main import main
from vireid.models import DUAL_STREAMS, build_network, load_network, save_network

ARGUMENTS: dict[str, Any] = {
    "identities": 5,
    "backbone": "resnet10t",
    "backbone_options": {"channels": (16, 24, 32, 48)},
    "weights": "none",
    "image_size": (64, 32),
    "streams": DUAL_STREAMS,
    "nonlocal_blocks": (0, 0, 0, 0),
    "mimb_tokens": 16,
    "mimb_heads": 2,
}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_network(build_network(**ARGUMENTS), file, facts={"dataset": "sysu"})
    return file.read_bytes()


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def join(header: Any, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def with_network(content: bytes, changes: dict[str, Any]) -> bytes:
    """The same tensors under other words for their network."""
    header, body = split(content)
    document = json.loads(header["__metadata__"]["vireid"])
    document["network"] |= changes
    header["__metadata__"]["vireid"] = json.dumps(document)
    return join(header, body)


@pytest.mark.parametrize(
    "changes",
    [
        {"identities": 10**9},
        {"identities": 10**30},
        {"identities": -1},
        {"identities": "5"},
        {"mimb_tokens": 10**9},
        {"mimb_blocks": [3] * 100_000},
        {"image_size": [10**6, 10**6]},
        {"image_size": [10**12, 1]},
        {"image_size": [64]},
        {"image_size": [float("nan"), 32]},
        {"nonlocal_blocks": [10**9] * 4},
        {"nonlocal_blocks": [1, 1, 1, 1], "nonlocal_channels": 10**9},
        {"mimb": False, "expansion_branches": 10**9},
        {"mimb": False, "stripes": [10**6, 10**5]},
        {"mimb": False, "stripes": list(range(1, 100_000))},
        {"mimb": False, "parts": 10**9},
        {"mimb": False, "parts": 10**5},
        {"backbone": "resnetv2_152x4_bit"},
        {"backbone": "hf-hub:somebody/something"},
        {"backbone": "local-dir:/etc"},
        {"backbone": "../../etc/passwd"},
        {"backbone": "{{ 7 * 7 }}\n\x1b[2J"},
        {"backbone": 7},
        {"backbone_options": {"channels": [10**9] * 4}},
        {"backbone_options": {"channels": [10**5] * 4}},
        {"backbone_options": {"layers": [10**9, 1, 1, 1]}},
        {"backbone_options": {"stem_width": 10**8}},
        {"backbone_options": [["channels", 1]]},
        {"backbone_options": {"channels": [16, 24, 32, float("nan")]}},
        {"backbone": "convnext_tiny", "backbone_options": {"depths": [10**9, 1, 1, 1]}},
        {"backbone": "regnetx_002", "backbone_options": {"depth": 10**9}},
        {"backbone": "hiera_tiny_224", "backbone_options": {"stages": [10**8] * 4}},
        {"backbone": "hiera_tiny_224", "backbone_options": {"stages": [1] * 100_000}},
        {"streams": [{"modality": "visible", "view": "v", "stem": str(k)} for k in range(100_000)]},
        {"streams": [{"modality": "visible", "view": "v", "stem": "__class__.x"}] * 2},
        {"seed": 10**40},
        {"power": "three"},
        {"power": None},
    ],
    ids=lambda changes: str(changes)[:50],
)
def test_a_network_that_the_tensors_do_not_account_for_is_refused(tmp_path, content, harmless, changes):
    (tmp_path / "w.safetensors").write_bytes(with_network(content, changes))
    # Twice the time that it takes on a quiet machine, since this one may be busy.
    assert "w.safetensors" in harmless(load_network, tmp_path / "w.safetensors", seconds=4)
    assert torch.is_grad_enabled()  # a refusal in the middle of a build once left gradients switched off


@pytest.mark.parametrize("option", ["checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay"])
def test_a_file_of_weights_names_no_further_files(tmp_path, content, harmless, option):
    other = tmp_path / "other.pth"
    torch.save({"state": Path("harm")}, other)
    changed = with_network(content, {"backbone_options": {"channels": [16, 24, 32, 48], option: str(other)}})
    (tmp_path / "w.safetensors").write_bytes(changed)
    message = harmless(load_network, tmp_path / "w.safetensors")
    assert f"options of a backbone may not name files or weights, but ['{option}'] do" in message


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("words", [deep(100_000), '{"format": 1, "network": ' + deep(900) + "}", "NaN", "1e999", '"x"'])
def test_other_words_in_place_of_the_document(tmp_path, content, harmless, words):
    header, body = split(content)
    header["__metadata__"]["vireid"] = words
    (tmp_path / "w.safetensors").write_bytes(join(header, body))
    assert harmless(load_network, tmp_path / "w.safetensors")


@pytest.mark.parametrize("facts", [[], "sysu", 7, None])
def test_facts_that_are_no_object_are_refused(tmp_path, content, harmless, facts):
    header, body = split(content)
    document = json.loads(header["__metadata__"]["vireid"]) | {"facts": facts}
    header["__metadata__"]["vireid"] = json.dumps(document)
    (tmp_path / "w.safetensors").write_bytes(join(header, body))
    assert "must be an object" in harmless(load_network, tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("fact", "value", "said"),
    [
        ("dataset", 7, "words, got int"),
        ("checkpoint_rule", ["a"], "words, got list"),
        ("recipe", {"a": 1}, "words, got dict"),
        ("reconstruction", True, "words, got bool"),
        ("trial", "1", "a whole number, got str"),
        ("trial", 1.5, "a whole number, got float"),
        ("seed", float("nan"), "a whole number, got float"),
    ],
)
def test_a_fact_that_results_name_is_held_to_its_kind(tmp_path, content, harmless, fact, value, said):
    header, body = split(content)
    document = json.loads(header["__metadata__"]["vireid"]) | {"facts": {fact: value}}
    header["__metadata__"]["vireid"] = json.dumps(document)
    (tmp_path / "w.safetensors").write_bytes(join(header, body))
    assert f"must give the {fact} as {said}" in harmless(load_network, tmp_path / "w.safetensors")


@pytest.mark.parametrize(("dataset", "message"), [("sysu", "test_id"), ("regdb", "does not say which that was")])
def test_weights_that_say_nothing_of_themselves_end_in_a_message(tmp_path, content, capsys, dataset, message):
    header, body = split(content)
    document = json.loads(header["__metadata__"]["vireid"]) | {"facts": {"dataset": "regdb"}}
    header["__metadata__"]["vireid"] = json.dumps(document)
    (tmp_path / "w.safetensors").write_bytes(join(header, body))
    (tmp_path / "root").mkdir()
    arguments = ["evaluate", "--checkpoint", str(tmp_path / "w.safetensors"), "--root", str(tmp_path / "root")]
    assert main([*arguments, "--dataset", dataset]) == 2
    assert message in capsys.readouterr().err


NAME = "head.classifier.weight"


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [10**9, 48]},
        {"shape": [2**63, 2**63]},
        {"shape": [-1, 48]},
        {"shape": []},
        {"shape": [0, 48], "data_offsets": [0, 0]},
        {"data_offsets": [0, 10**15]},
        {"data_offsets": [0, 960]},
        {"data_offsets": [960, 0]},
        {"dtype": "F64"},
        {"dtype": "STR"},
        {"dtype": "\n"},
    ],
    ids=str,
)
def test_tensors_that_the_header_lies_about(tmp_path, content, harmless, changes):
    header, body = split(content)
    header[NAME] |= changes
    (tmp_path / "w.safetensors").write_bytes(join(header, body))
    assert harmless(load_network, tmp_path / "w.safetensors")


@pytest.mark.parametrize("size", [0, 1, 2**20, 10**8, 2**40, 2**63, 2**64 - 1])
def test_a_header_that_lies_about_its_length(tmp_path, content, harmless, size):
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", size) + content[8:])
    assert harmless(load_network, tmp_path / "w.safetensors")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from([10**9, -(10**9)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
words = st.sampled_from(sorted(set(ARGUMENTS) - {"weights"} | {"mimb_mix", "power", "stripes", "parts", "seed", "x"}))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(changes=st.dictionaries(words, plain, min_size=1, max_size=3))
def test_any_plain_words_give_a_network_or_a_message(tmp_path, content, harmless, changes):
    (tmp_path / "w.safetensors").write_bytes(with_network(content, copy.deepcopy(changes)))
    harmless(load_network, tmp_path / "w.safetensors")


@pytest.mark.slow
def test_a_file_of_many_names_is_refused(tmp_path, content, harmless):
    header, body = split(with_network(content, {"backbone_options": {"layers": [10**9] * 4}}))
    header |= {f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(20_000)}
    (tmp_path / "w.safetensors").write_bytes(join(header, body))
    assert "its layers are many times those" in harmless(load_network, tmp_path / "w.safetensors", seconds=20)
