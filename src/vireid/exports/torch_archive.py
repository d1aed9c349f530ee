"""Files of torch.export without all that could run code.

`torch.export.load` trusts its file: it unpickles what it cannot read otherwise, evaluates words as expressions, and
writes names into Python code that it runs. What is read here is therefore looked at first, and put together anew.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree

from vireid.models.tensor_file import check_members

__all__ = ["only_data"]

_MEMBER = re.compile(
    r"(?P<folder>[\w-]+)/(?P<name>archive_format|archive_version|byteorder|version|\.data/(?:version|serialization_id)"
    r"|models/model\.json|data/sample_inputs/model\.pt|data/weights/(?:weight_\d+|model_weights_config\.json)"
    r"|data/constants/(?:tensor_\d+|model_constants_config\.json)|extra/\w+)"
)
_GRAPH = "models/model.json"
_SAMPLES = "data/sample_inputs/model.pt"
_CONFIGS = {
    "data/weights/model_weights_config.json": "data/weights/",
    "data/constants/model_constants_config.json": "data/constants/",
}

# Nothing but letters, digits, lines and dots can stand in a name, in which no code can be written.
_NAME = re.compile(r"[\w.+-]*", re.ASCII)
# What torch.export writes of sizes: Mul(Integer(2), Symbol('s81', positive=True, integer=True)).
_EXPRESSION = re.compile(
    r"(?:(?:Symbol|Integer|Add|Mul|Pow|Max|Min|Mod|FloorDiv|CleanDiv|CeilDiv|PythonMod|Eq|Ne|Lt|Le|Gt|Ge)(?=\()|"
    r"'[su]\d+'|\b(?:positive|integer)=True\b|-?\b\d+\b|[(), ])*"
)
_OPERATOR = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)", re.ASCII)
_OTHER_TARGETS = {
    "torch.ops.higher_order.wrap_with_autocast",
    "torch.sym_max",
    "torch.sym_min",
    *(f"_operator.{name}" for name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "neg", "getitem")),
    *(f"_operator.{name}" for name in ("eq", "ne", "lt", "le", "gt", "ge")),
}
# Words that an operator may be given; another one could name a file.
_WORDS = {"approximate", "equation", "indexing", "mode", "padding", "rounding_mode"}
# One tensor in, one tensor out.
_SPECS = {pytree.treespec_dumps(pytree.tree_structure(value)) for value in (((0,), {}), 0, (0,), ({"pixels": 0},))}


def only_data(content: bytes, example: tuple[int, ...]) -> bytes:
    """The same graph and numbers in an archive that `torch.export.load` can read without running what others wrote.

    Left out: notes of where each node comes from, and the example's images, which are made anew.

    Args:
        content: a file that `vireid.exports.torch_file.write_torch` wrote, or somebody else.
        example: sides of images of bytes that the graph takes, as ``(2, 3, height, width)``.

    Raises:
        ValueError: something else than a graph of known operators with its numbers.
        Exception: what zipfile and json raise on damaged bytes.
    """
    members = _members(content)
    document = json.loads(members[_GRAPH])
    _check_graph(document)
    for config, folder in _CONFIGS.items():
        _check_numbers(json.loads(members[config]), folder, members)
    with io.BytesIO() as samples:
        torch.save(((torch.zeros(example, dtype=torch.uint8),), {}), samples)
        made = members | {_GRAPH: json.dumps(document).encode(), _SAMPLES: samples.getvalue()}
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            for name, data in made.items():
                archive.writestr(f"archive/{name}", data)
        return stream.getvalue()


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        check_members(archive.infolist(), len(content))
        members: dict[str, bytes] = {}
        for member in archive.infolist():
            known = _MEMBER.fullmatch(member.filename)
            if known is None or known["name"] in members:
                raise ValueError(f"it holds {member.filename[:80]!r}, which no export does, or does twice")
            members[known["name"]] = archive.read(member)
    missing = {_GRAPH, *_CONFIGS} - members.keys()
    if missing:
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return members


def _check_graph(document: Any) -> None:
    """Refuse all that torch would evaluate, and take out notes of where nodes come from."""
    if document.get("guards_code"):
        raise ValueError("it holds Python code")
    waiting: list[tuple[str, Any]] = [("graph", document)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, str) and not _is_known(key, value):
            raise ValueError(f"its {key} is {value[:80]!r}, which no export of this library says")
        if isinstance(value, list):
            waiting.extend((key, each) for each in value)
        if isinstance(value, dict):
            if "metadata" in value:
                value["metadata"] = {}
            waiting.extend(("name", each) for each in value)
            waiting.extend(value.items())


def _is_known(key: str, value: str) -> bool:
    if key in ("target", "as_operator"):
        return value in _OTHER_TARGETS or _only_computes(value)
    if key in ("in_spec", "out_spec"):
        return value in _SPECS
    return (_EXPRESSION if key == "expr_str" else _NAME).fullmatch(value) is not None


def _only_computes(target: str) -> bool:
    """Whether an operator of torch takes numbers and known words alone; some others read and write files."""
    named = _OPERATOR.fullmatch(target)
    found: Any = named and getattr(getattr(torch.ops.aten, named[1], None), named[2], None)
    schema = getattr(found, "_schema", None)
    return isinstance(schema, torch.FunctionSchema) and not any(
        "str" in str(argument.type) and argument.name not in _WORDS for argument in schema.arguments
    )


def _check_numbers(config: Any, folder: str, members: Mapping[str, bytes]) -> None:
    for facts in config["config"].values():
        if facts["use_pickle"]:
            raise ValueError("it holds a pickle")
        content = members[folder + facts["path_name"]]
        if math.prod(side["as_int"] for side in facts["tensor_meta"]["sizes"]) > len(content):
            raise ValueError(f"{facts['path_name']} holds fewer numbers than it says")
