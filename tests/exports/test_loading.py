"""What an export is checked for when it is loaded, and what a loaded one refuses."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vireid.exports import (
    ExportFormat,
    OnnxModel,
    TorchModel,
    can_run_on,
    export_network,
    load_model,
    model_fingerprint,
    read_facts,
)
from vireid.exports.file_checks import check_file
from vireid.exports.requests import check_request
from vireid.exports.verifying import check_scores
from vireid.models import EmbeddingModel, fingerprint, load_network
from vireid.retrieval.embedder import computing_type
from vireid.types import Modality, VireidError, sha256_of


@pytest.fixture(scope="module", params=["onnx", "torch"])
def export(request: pytest.FixtureRequest, tiny_export: Callable[[ExportFormat], Path]) -> Path:
    """The tiny run, not verified. Shared: copy it before you change it."""
    return tiny_export(request.param)


@pytest.fixture(scope="module")
def model(export: Path) -> OnnxModel | TorchModel:
    """The export, loaded once: that of torch takes a second."""
    loaded, _ = load_model(export, threads=1)
    assert isinstance(loaded, OnnxModel | TorchModel)
    return loaded


def pixels(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.uint8)


def test_a_loaded_export_is_a_model_with_its_runs_facts_and_vectors(export: Path, tiny_run: Path) -> None:
    model, facts = load_model(export, threads=1)
    network, own = load_network(tiny_run)
    assert isinstance(model, OnnxModel | TorchModel)
    assert isinstance(model, EmbeddingModel)
    assert facts == own | {"export": f"{model.facts.to} 32"}
    assert (model.image_size, model.embedding_dimension) == (network.image_size, network.embedding_dimension)
    images = torch.randint(0, 256, (5, 3, 32, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for modality in Modality:
        with torch.no_grad():
            want = network.embed_pixels(images, modality)
            for layout in (torch.contiguous_format, torch.channels_last):
                got = model.embed_pixels(images.contiguous(memory_format=layout), modality)
                # One epoch leaves features that hardly vary; the BatchNorm after them enlarges the last digits. For one
                # image of noise in a hundred they come to 1e-2, in whatever version of torch; never for most of five.
                assert (got - want).abs().amax(dim=1).median() < 1e-3
    visible, infrared = (model.embed_pixels(images, modality) for modality in Modality)
    assert not torch.allclose(visible, infrared, atol=2e-2)


def test_a_run_is_loaded_as_it_is(tiny_run: Path) -> None:
    model, facts = load_model(tiny_run)
    assert type(model).__name__ == "Network"
    assert "export" not in facts
    assert model_fingerprint(tiny_run / "weights.safetensors", "pool") == fingerprint(tiny_run, "pool")


def test_an_export_that_was_not_verified_says_so_in_its_fingerprint(export: Path, tiny_run: Path) -> None:
    assert model_fingerprint(export, "bn") == f"{fingerprint(tiny_run, 'bn')} unverified"
    assert "no-verify" in json.loads((export / "export.json").read_text())["verification"]


def test_what_the_graph_was_not_made_for_is_refused(export: Path, model: EmbeddingModel) -> None:
    for images, feature, kind, message in (
        (pixels(1, 3, 32, 16), "pool", None, "makes the feature 'bn', not 'pool'"),
        (pixels(1, 3, 32, 16), "bn", torch.bfloat16, "computes in precision 32"),
        (pixels(1, 3, 16, 32), "bn", None, "images b x 3 x 32 x 16 .* got 1 x 3 x 16 x 32"),
        (pixels(0, 3, 32, 16), "bn", None, "at least 1"),
    ):
        with pytest.raises(VireidError, match=message):
            model.embed_pixels(images, Modality.VISIBLE, feature, kind=kind)
    # The tests' own checks of shapes would refuse these before the model does.
    for images, message in (
        (pixels(1, 3, 32, 16).float(), "images as bytes .* normalises them itself, got float32"),
        (pixels(3, 32, 16), "got 3 x 32 x 16"),
    ):
        with pytest.raises(VireidError, match=message):
            check_request(read_facts(export), images, "bn", None)
    with pytest.raises(VireidError, match="makes the feature 'bn', not 'pool'"):
        model_fingerprint(export, "pool")


def test_a_changed_or_missing_file_is_refused(export: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(export, tmp_path / "copy"))
    [file] = copy.glob("infrared.*")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(VireidError, match="is not the file that was exported: its SHA-256 differs"):
        load_model(copy)
    file.unlink()
    with pytest.raises(VireidError, match=r"cannot read .*infrared"):
        load_model(copy)


def test_facts_that_are_damaged_or_point_elsewhere_are_refused(export: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(export, tmp_path / "copy"))
    whole = json.loads((copy / "export.json").read_text())

    def named(name: str) -> dict[str, Any]:
        return whole | {"files": whole["files"] | {"visible": whole["files"]["visible"] | {"name": name}}}

    for document, message in (
        ("{", "does not describe an export"),
        (json.dumps(named("../visible.onnx")), "is no name of a file in the folder"),
        (json.dumps(whole | {"to": "pickle"}), "'pickle' is none of onnx, torch"),
        (json.dumps(whole | {"image_size": [-1, 0]}), "sides? .* counted from 1, got -1"),
        (json.dumps(whole | {"image_size": [32, 1e400]}), "counted from 1, got inf"),
        (json.dumps(whole | {"dimension": "32"}), "counted from 1, got '32'"),
        (json.dumps(named("visible\0.onnx")), "is no name of a file in the folder"),
        (json.dumps(named("visible\ud800.onnx")), "is no name of a file in the folder"),
        (json.dumps(named("..")), "is no name of a file in the folder"),
        ("[" * 100_000, "does not describe an export .RecursionError"),
        (json.dumps(whole | {"format": 99}), "has format 99, this version of the library reads 1"),
    ):
        (copy / "export.json").write_text(document)
        with pytest.raises(VireidError, match=message):
            load_model(copy)


def test_files_exchanged_with_their_hashes_are_refused(export: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(export, tmp_path / "copy"))
    whole = json.loads((copy / "export.json").read_text())
    exchanged = {"visible": whole["files"]["infrared"], "infrared": whole["files"]["visible"]}
    (copy / "export.json").write_text(json.dumps(whole | {"files": exchanged}))
    with pytest.raises(VireidError, match="modality of the visible entry point is 'visible', but its file says 'infra"):
        load_model(copy)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"source": "0123456789abcdef bn"}, "source of the visible .* is '0123456789abcdef bn', but its file says"),
        ({"image_size": (16, 16)}, "height of the visible entry point is '16', but its file says '32'"),
        ({"precision": "int8"}, "precision of the visible entry point is 'int8', but its file says '32'"),
        ({"feature": "pool"}, "feature of the visible entry point is 'pool', but its file says 'bn'"),
        ({"version": "9.9"}, "vireid of the visible entry point is '9.9'"),
        ({"dimension": 7}, r"puts out embedding .float32, any x 7., but its file embedding .float32, any x \d+."),
    ],
)
def test_facts_that_are_not_those_of_the_files_are_refused(
    export: Path, model: OnnxModel | TorchModel, changed: dict[str, Any], message: str
) -> None:
    content = {each: (export / file.name).read_bytes() for each, file in model.facts.files.items()}
    with pytest.raises(VireidError, match=message):
        type(model)(content, replace(model.facts, **changed))


def test_another_model_in_place_of_the_exported_one_is_refused(tiny_onnx: Path, tmp_path: Path) -> None:
    import onnx

    copy = Path(shutil.copytree(tiny_onnx, tmp_path / "copy"))
    file = copy / "visible.onnx"
    other = onnx.load(file)
    del other.metadata_props[:]
    file.write_bytes(other.SerializeToString())
    whole = json.loads((copy / "export.json").read_text())
    whole["files"]["visible"]["sha256"] = sha256_of(file)
    (copy / "export.json").write_text(json.dumps(whole))
    with pytest.raises(VireidError, match=r"vireid of the visible entry point is .* but its file says nothing"):
        load_model(copy)


def test_a_graph_that_takes_or_makes_something_else_is_refused(tiny_onnx: Path) -> None:
    facts = read_facts(tiny_onnx)
    pixels, embedding = ("uint8", ("batch", 3, 32, 16)), ("float32", ("batch", facts.dimension))

    def check(inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        check_file(facts, Modality.VISIBLE, metadata=facts.metadata(Modality.VISIBLE), inputs=inputs, outputs=outputs)

    check({"pixels": pixels}, {"embedding": embedding})
    for inputs, outputs, message in (
        ({"images": pixels}, {"embedding": embedding}, "takes pixels .* but its file images"),
        ({"pixels": ("float32", pixels[1])}, {"embedding": embedding}, "its file pixels .float32, any x 3 x 32 x 16"),
        ({"pixels": ("uint8", (1, 3, 32, 16))}, {"embedding": embedding}, "any x 3 x 32 x 16.* 1 x 3 x 32 x 16"),
        ({"pixels": ("uint8", ("b", 3, 16, 32))}, {"embedding": embedding}, "any x 3 x 16 x 32"),
        ({"pixels": pixels, "more": pixels}, {"embedding": embedding}, "its file pixels .*, more"),
        ({"pixels": pixels}, {"embedding": ("float16", embedding[1])}, "puts out .* its file embedding .float16"),
        ({"pixels": pixels}, {}, "puts out embedding"),
    ):
        with pytest.raises(VireidError, match=message):
            check(inputs, outputs)


def test_what_onnx_runtime_fails_at_is_said_in_words(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = load_model(tiny_onnx, threads=1)

    def full(*_: Any) -> None:
        raise RuntimeError("Failed to allocate memory\nStacktrace: ..")

    monkeypatch.setattr("onnxruntime.InferenceSession.run", full)
    with pytest.raises(VireidError, match="failed on 4 infrared images: Failed to allocate memory; give fewer"):
        model.embed_pixels(pixels(4, 3, 32, 16), Modality.INFRARED)


def test_no_file_names_the_machine_that_wrote_it(export: Path, tiny_run: Path) -> None:
    folders = [Path(__file__).parents[2], Path(sys.prefix), Path(torch.__file__).parents[1], tiny_run, Path.home()]
    for file in export.iterdir():
        members = [file.read_bytes()]
        if file.suffix == ".pt2":
            with zipfile.ZipFile(file) as archive:
                members += [archive.read(name) for name in archive.namelist()]
            assert len(members) > 5
        for folder in folders:
            assert not any(str(folder).encode() in member for member in members), (file.name, folder)


def test_content_that_is_no_model_is_refused(model: OnnxModel | TorchModel) -> None:
    with pytest.raises(VireidError, match=r"cannot (run|read)"):
        type(model)(dict.fromkeys(Modality, b"nonsense"), model.facts)


def test_an_onnx_export_without_cuda_stays_on_the_processor(export: Path, model: EmbeddingModel) -> None:
    assert model.move_to(torch.device("cpu")) is model
    assert can_run_on(export, torch.device("cpu"))
    if isinstance(model, OnnxModel):
        with pytest.raises(VireidError, match="cannot compute on cuda"):
            model.move_to(torch.device("cuda"))
        assert not can_run_on(export, torch.device("cuda"))
        with pytest.raises(VireidError, match="at least 1 thread"):
            load_model(export, threads=0)


def test_auto_leaves_an_export_its_own_precision(model: EmbeddingModel) -> None:
    # On this device `auto` of a network would ask a GPU what it can.
    assert computing_type(model, "auto", torch.device("cuda")) is None
    assert computing_type(model, "bf16", torch.device("cpu")) is torch.bfloat16


def test_what_is_not_installed_is_named(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, facts = load_network(tiny_run)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(VireidError, match=r"package onnxscript, .*pip install '\.\[export\]'"):
        export_network(network, facts, tmp_path / "out", source="x", to="onnx")
    assert list(tmp_path.iterdir()) == []


def test_scores_may_fall_by_half_a_point() -> None:
    found = check_scores({"Rank-1": 50.0, "mAP": 40.0}, {"Rank-1": 49.6, "mAP": 41.0})
    assert found["export"] == {"Rank-1": 49.6, "mAP": 41.0}
    with pytest.raises(VireidError, match=r"mAP may fall by 0.5 points at most, but the run scores 40.00 .* 39.40"):
        check_scores({"Rank-1": 50.0, "mAP": 40.0}, {"Rank-1": 50.0, "mAP": 39.4})
    with pytest.raises(VireidError, match="Rank-1 may fall"):
        check_scores({"Rank-1": 50.0}, {"Rank-1": float("nan")})
