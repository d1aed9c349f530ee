"""An export from anybody: what it says of itself, and files that are none."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vireid.exports import load_model, model_fingerprint, read_facts
from vireid.types import Modality, sha256_of

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
DEEP = "[" * 200_000


def write(folder: Path, content: bytes, **changes: Any) -> None:
    """An export of ONNX whose files both hold these bytes, with the hash that they have."""
    folder.mkdir(exist_ok=True)
    files = {}
    for light in ("visible", "infrared"):
        (folder / f"{light}.onnx").write_bytes(content)
        files[light] = {"name": f"{light}.onnx", "sha256": sha256_of(content), "bytes": len(content)}
    facts = {
        "format": 1,
        "vireid": "0.1",
        "to": "onnx",
        "precision": "32",
        "feature": "bn",
        "image_size": [4, 2],
        "dimension": 3,
        "source": "s",
        "run": {},
        "files": files,
        "verification": "none",
    }
    (folder / "export.json").write_text(json.dumps(facts | changes))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from([10**400, -1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["format", "vireid", "to", "precision", "feature", "image_size", "dimension", "source", "run", "files"]


@quick
@given(changes=st.dictionaries(st.sampled_from([*NAMES, "verification", "quantised"]), plain, min_size=1, max_size=3))
def test_any_words_of_an_export_are_harmless(tmp_path, harmless, changes):
    write(tmp_path / "e", b"no model", **changes)
    for reader in (read_facts, lambda folder: model_fingerprint(folder, "bn"), load_model):
        harmless(reader, tmp_path / "e")


@pytest.mark.parametrize("content", [b"", b"[]", DEEP.encode(), b"\xff", b'{"format": 1}', b'{"format": 1e999}', b"7"])
def test_any_json_is_harmless(tmp_path, harmless, content):
    (tmp_path / "export.json").write_bytes(content)
    assert "export.json" in harmless(load_model, tmp_path)


@pytest.mark.parametrize(
    "name", ["../visible.onnx", "/etc/passwd", "..", "", "a/b", "a\0b", "\x1b[2J", "visible.onnx\n"]
)
def test_a_file_outside_its_folder_is_not_read(tmp_path, harmless, name):
    write(
        tmp_path / "e",
        b"x",
        files={light: {"name": name, "sha256": "0", "bytes": 1} for light in ("visible", "infrared")},
    )
    assert "is no name of a file in the folder" in harmless(load_model, tmp_path / "e")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda file: Path(file).symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, harmless, make: Callable[[str], None]):
    write(tmp_path / "e", b"x")
    (tmp_path / "e" / "visible.onnx").unlink()
    make(str(tmp_path / "e" / "visible.onnx"))
    assert "it is no regular file" in harmless(load_model, tmp_path / "e")


@quick
@given(content=st.binary(max_size=100))
def test_any_bytes_as_a_model_are_harmless(tmp_path, harmless, content):
    write(tmp_path / "e", content)
    assert "ONNX Runtime" in harmless(load_model, tmp_path / "e")


def model() -> bytes:
    """What the facts describe, in few bytes: the mean of each channel."""
    onnx = pytest.importorskip("onnx")
    kind = onnx.TensorProto
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Cast", ["pixels"], ["numbers"], to=kind.FLOAT),
            onnx.helper.make_node("ReduceMean", ["numbers", "axes"], ["embedding"], keepdims=0),
        ],
        "g",
        [onnx.helper.make_tensor_value_info("pixels", kind.UINT8, ["b", 3, 4, 2])],
        [onnx.helper.make_tensor_value_info("embedding", kind.FLOAT, ["b", 3])],
        [onnx.helper.make_tensor("axes", kind.INT64, [2], [2, 3])],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    return made.SerializeToString()


def embed(folder: Path) -> None:
    network, _ = load_model(folder, threads=1)
    network.embed_pixels(torch.zeros(2, 3, 4, 2, dtype=torch.uint8), Modality.VISIBLE)


@quick
@given(changes=st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_changed_byte_of_a_model_is_harmless(tmp_path, monkeypatch, harmless, changes):
    # Its own words and shapes are another test's: here the runtime has to bear what it is given.
    monkeypatch.setattr("vireid.exports.onnx_model.check_file", lambda *_, **__: None)
    content = bytearray(model())
    write(tmp_path / "e", bytes(content))
    assert not harmless(embed, tmp_path / "e")
    for place, value in changes:
        content[place % len(content)] = value
    write(tmp_path / "e", bytes(content))
    harmless(embed, tmp_path / "e")


@pytest.mark.parametrize("location", ["secret", "../secret", "/dev/zero", "secret\0", "{}"])
def test_a_model_names_no_further_files(tmp_path, monkeypatch, harmless, location):
    onnx = pytest.importorskip("onnx")
    (tmp_path / "work").mkdir()
    for folder in (tmp_path, tmp_path / "work"):
        (folder / "secret").write_bytes(np.zeros(3, np.float32).tobytes())
    monkeypatch.chdir(tmp_path / "work")
    kind = onnx.TensorProto
    weights = kind(name="w", data_type=kind.FLOAT, dims=[3], data_location=kind.EXTERNAL)
    for key, value in {"location": location.format(tmp_path / "secret"), "length": "12"}.items():
        weights.external_data.add(key=key, value=value)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["w"], ["embedding"])],
        "g",
        [onnx.helper.make_tensor_value_info("pixels", kind.UINT8, ["b", 3, 4, 2])],
        [onnx.helper.make_tensor_value_info("embedding", kind.FLOAT, ["b", 3])],
        [weights],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    write(tmp_path / "e", model.SerializeToString())
    assert "ONNX Runtime cannot run this export" in harmless(load_model, tmp_path / "e")
