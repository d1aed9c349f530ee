"""What an export says of itself, and an ONNX file; the file's hash is made to fit, so that it is read."""

import json

import atheris
import torch

with atheris.instrument_imports(include=["vireid.exports", "vireid.types"]):
    from vireid.exports import load_model, model_fingerprint, onnx_model, read_facts

from harness import checked, fuzz

from vireid.types import Modality, sha256_of

# A changed model seldom keeps its own words; here the runtime has to bear what it is given.
onnx_model.check_file = lambda *_, **__: None
FILES = {light: {"name": f"{light}.onnx", "sha256": "0", "bytes": 1} for light in ("visible", "infrared")}
FACTS = {
    "format": 1,
    "vireid": "0.1",
    "to": "onnx",
    "precision": "32",
    "feature": "bn",
    "image_size": [4, 2],
    "dimension": 3,
    "source": "s",
    "run": {"dataset": "sysu"},
    "files": FILES,
    "verification": {"a": 1},
}


def _read(file):
    content = file.read_bytes()
    said, holding = file.parent / "said", file.parent / "holding"
    for folder in (said, holding):
        folder.mkdir(exist_ok=True)
    (said / "export.json").write_bytes(content)
    for light in FILES:
        (holding / f"{light}.onnx").write_bytes(content)
    files = {light: facts | {"sha256": sha256_of(content)} for light, facts in FILES.items()}
    (holding / "export.json").write_text(json.dumps(FACTS | {"files": files}))
    for reader in (lambda: read_facts(said), lambda: model_fingerprint(said, "bn"), lambda: load_model(said)):
        checked(reader)
    model, _ = load_model(holding, threads=1)
    model.embed_pixels(torch.zeros(1, 3, 4, 2, dtype=torch.uint8), Modality.VISIBLE)


def _model():
    import onnx

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
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10
    ).SerializeToString()


fuzz("exports", _read, file="any", seeds=[json.dumps(FACTS).encode(), json.dumps({"format": 2}).encode(), _model()])
