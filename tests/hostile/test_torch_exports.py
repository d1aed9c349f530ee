"""A file of torch.export from anybody: its graph and numbers, and no code."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from vireid.exports.torch_archive import only_data

GRAPH, WEIGHTS = "archive/models/model.json", "archive/data/weights/model_weights_config.json"
SAMPLES = "archive/data/sample_inputs/model.pt"
EXAMPLE = (2, 3, 4, 2)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(24, 3)

    def forward(self, pixels):
        return self.linear(pixels.float().flatten(1)) * pixels.shape[0]


class Mischief:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture(scope="module")
def network() -> Small:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="module")
def content(network) -> bytes:
    sides = {"pixels": {0: torch.export.Dim("batch", min=1)}}
    program = torch.export.export(network, (torch.zeros(EXAMPLE, dtype=torch.uint8),), dynamic_shapes=sides)
    stream = io.BytesIO()
    torch.export.save(program, stream, extra_files={"height": "4"})
    return stream.getvalue()


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def changed(content: bytes, name: str, change: Callable[[Any], object]) -> bytes:
    """With the JSON of a member changed in place."""
    files = members(content)
    document = json.loads(files[name])
    change(document)
    return packed(files | {name: json.dumps(document).encode()})


def nodes(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document["graph_module"]["graph"]["nodes"]


def test_what_is_let_through_computes_the_same(network, content):
    extra = {"height": ""}
    program = torch.export.load(io.BytesIO(only_data(content, EXAMPLE)), extra_files=extra)
    pixels = torch.randint(0, 256, (5, 3, 4, 2), dtype=torch.uint8)
    assert torch.equal(program.module()(pixels), network(pixels))
    assert extra == {"height": "4"}


def test_a_pickle_in_place_of_the_example_is_not_read(tmp_path, content):
    mark = tmp_path / "mark"
    stream = io.BytesIO()
    torch.save((Mischief(mark), {}), stream)
    evil = packed(members(content) | {SAMPLES: stream.getvalue()})
    torch.export.load(io.BytesIO(only_data(evil, EXAMPLE)))
    assert not mark.exists()


def bent(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    """A change of the first node of a graph."""
    return lambda document: change(nodes(document)[0])


CODE = "__import__('os').mkdir('mark')"


def sizes(document: dict[str, Any]) -> None:
    for values in document["graph_module"]["graph"]["tensor_values"].values():
        values["sizes"][0] = {"as_expr": {"expr_str": CODE, "hint": None}}


def argument_of(value: dict[str, Any]) -> Callable[[dict[str, Any]], object]:
    return bent(lambda node: node["inputs"].append({"name": "x", "arg": value, "kind": 1}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document.update(guards_code=[CODE]), "Python code"),
        (sizes, 'its expr_str is "__import__'),
        (argument_of({"as_expr": {"expr_str": "Symbol('s81', positive=True).func", "hint": None}}), "expr_str"),
        (argument_of({"as_expr": {"expr_str": "Mul(exit(), 1)", "hint": None}}), "expr_str"),
        (argument_of({"as_strings": [["a", CODE]]}), "its as_strings is"),
        (argument_of({"as_operator": "torch.hub.load"}), "its as_operator is"),
        (argument_of({CODE: 1}), "its name is"),
        (bent(lambda node: node.update(target="torch.hub.load")), "its target is 'torch.hub.load'"),
        (bent(lambda node: node.update(target="torch.ops.aten.from_file.default")), "from_file"),
        (bent(lambda node: node.update(target="torch.ops.aten.save.default")), "save"),
        (bent(lambda node: node.update(target="torch.ops.aten.no_such.default")), "no_such"),
        (bent(lambda node: node.update(target="torch.ops.aten.__class__.mro")), "__class__"),
        (bent(lambda node: node.update(target="_operator.attrgetter")), "attrgetter"),
        (bent(lambda node: node.update(target="math.__loader__")), "__loader__"),
        (bent(lambda node: node.update(target="#torch.ops.aten")), "#torch"),
        (bent(lambda node: node.update(name=f"x={CODE}")), "its name is"),
        (lambda document: document["range_constraints"].update({CODE: {}}), "its name is"),
        (
            lambda document: document["graph_module"]["signature"]["input_specs"][-1]["user_input"]["arg"].update(
                as_tensor={"name": f"pixels={CODE}"}
            ),
            "its name is",
        ),
        (
            lambda document: document["graph_module"]["module_call_graph"][0]["signature"].update(
                in_spec='[1, {"type": "collections.defaultdict", "context": ["os", "mkdir"], "children_spec": []}]'
            ),
            "its in_spec is",
        ),
    ],
)
def test_words_that_torch_would_run_are_refused(content, change, said):
    with pytest.raises(ValueError, match=said):
        only_data(changed(content, GRAPH, change), EXAMPLE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda facts: facts.update(use_pickle=True), "pickle"),
        (lambda facts: facts["tensor_meta"].update(sizes=[{"as_int": 10**12}]), "fewer numbers than it says"),
    ],
)
def test_numbers_that_are_none_are_refused(content, change, said):
    evil = changed(content, WEIGHTS, lambda document: change(document["config"]["linear.weight"]))
    with pytest.raises(ValueError, match=said):
        only_data(evil, EXAMPLE)


@pytest.mark.parametrize(
    "name",
    [
        "archive/data/constants/custom_obj_0",
        "archive/data/constants/opaque_obj_0",
        "archive/data/constants/model.pt",
        "archive/data/weights/model.pt",
        "archive/data/aotinductor/model/x.so",
        "archive/models/other.json",
        "other/models/model.json",
        "version/x",
        "archive/extra/../../x",
    ],
)
def test_members_that_no_export_has_are_refused(content, name):
    with pytest.raises(ValueError, match="which no export does, or does twice"):
        only_data(packed(members(content) | {name: pickle.dumps(1)}), EXAMPLE)


def test_files_that_unpack_to_more_than_they_are_are_refused(content):
    with pytest.raises(ValueError, match=r"it is compressed, as torch\.save writes none"):
        only_data(packed(members(content), zipfile.ZIP_DEFLATED), EXAMPLE)
    files = members(content)
    del files[GRAPH]
    with pytest.raises(ValueError, match=r"lacks models/model\.json"):
        only_data(packed(files), EXAMPLE)
