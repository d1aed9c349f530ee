"""``vireid export``, and every command that takes an export in place of a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vireid.cli import export
from vireid.cli.export_config import ExportConfig
from vireid.data import read
from vireid.exports import OnnxModel, is_export, load_model, model_fingerprint, read_facts
from vireid.exports.entry_point import made_pixels
from vireid.exports.onnx_file import OPSET, save_model
from vireid.exports.quantizing import quantize
from vireid.figures import explain_match
from vireid.models import fingerprint, load_network
from vireid.types import Embeddings, Modality, Records, VireidError

CLOSE = 2e-3


@pytest.fixture(scope="module")
def exported(tiny_run: Path, tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run as ONNX in float32, compared on its world. Shared: copy it before you change it."""
    from vireid.cli.main import main

    out = tmp_path_factory.mktemp("exports") / "onnx"
    data = ["--dataset", "sysu", "--root", str(tiny_world)]
    with pytest.MonkeyPatch.context() as patch:
        # One epoch leaves features that hardly vary; the BatchNorm after them enlarges the last digits.
        patch.setattr("vireid.exports.exporting.LARGEST_DIFFERENCE", CLOSE)
        assert main(["export", str(tiny_run), "--to", "onnx", "--out", str(out), *data]) == 0
    return out


def test_an_export_says_what_it_is_and_what_was_found(exported: Path, tiny_run: Path) -> None:
    import onnx

    facts = json.loads((exported / "export.json").read_text())
    assert facts["source"] == fingerprint(tiny_run, "bn") == model_fingerprint(exported, "bn")
    assert facts["run"]["checkpoint_rule"] == "last epoch"
    assert facts["verification"]["vectors"]["largest_difference"] <= CLOSE
    assert facts["verification"]["vectors"]["images_of_data_set"] > 0
    assert sorted(file.name for file in exported.iterdir()) == ["export.json", "infrared.onnx", "visible.onnx"]
    for modality in Modality:
        file = exported / f"{modality.value}.onnx"
        assert facts["files"][modality.value]["bytes"] == file.stat().st_size
        model = onnx.load(file)
        assert (model.ir_version, [each.version for each in model.opset_import]) == (10, [OPSET])
        said = {entry.key: entry.value for entry in model.metadata_props}
        assert said["modality"] == modality.value
        assert said["normalised"].startswith("in the graph")
        assert (said["height"], said["width"], said["feature"]) == ("32", "16", "bn")
        assert str(Path(__file__).parents[2]).encode() not in file.read_bytes()


def test_evaluate_names_the_export_and_scores_what_the_run_scores(
    exported: Path, tiny_run: Path, tiny_world: Path, tmp_path: Path, vireid: Callable[..., Any]
) -> None:
    copy = shutil.copytree(tiny_run, tmp_path / "run")
    for name, checkpoint in {"run": copy, "export": exported}.items():
        command = ["evaluate", "--checkpoint", checkpoint, "--dataset", "sysu", "--root", tiny_world]
        assert vireid(*command, "--json", tmp_path / f"{name}.json").code == 0
    run, export = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("run", "export"))
    assert export["protocol"]["feature"] == "bn, onnx 32"
    assert run["protocol"]["feature"] == "bn"
    assert export["mean"]["map"] == pytest.approx(run["mean"]["map"], abs=0.02)
    assert not (exported / "results").exists()


def test_an_export_embeds_and_searches_what_the_run_embedded(
    exported: Path, tiny_run: Path, tiny_world: Path, tmp_path: Path, vireid: Callable[..., Any]
) -> None:
    files = {}
    for name, checkpoint in {"run": tiny_run, "export": exported}.items():
        files[name] = tmp_path / f"{name}.npz"
        command = ["embed", "--checkpoint", checkpoint, "--dataset", "sysu", "--root", tiny_world]
        assert vireid(*command, "--out", files[name]).code == 0
    run, export = Embeddings.load(files["run"]), Embeddings.load(files["export"])
    assert export.maker == run.maker
    assert np.abs(export.features - run.features).max() < CLOSE
    query = next(iter(sorted((tiny_world / "cam3").rglob("*.jpg"))))
    said = vireid("search", "--checkpoint", exported, "--queries", query, "--gallery", files["run"])
    assert said.code == 0, said.err


def test_a_gallery_of_the_run_is_searched_and_filled_by_its_export(
    exported: Path, tiny_run: Path, tiny_world: Path, tmp_path: Path, vireid: Callable[..., Any]
) -> None:
    gallery = tmp_path / "gallery"
    assert vireid("index", tiny_world / "cam1", "--checkpoint", tiny_run, "--gallery", gallery).code == 0
    assert vireid("index", tiny_world / "cam2", "--checkpoint", exported, "--gallery", gallery).code == 0
    query = next(iter(sorted((tiny_world / "cam3").rglob("*.jpg"))))
    assert vireid("search", "--checkpoint", exported, "--queries", query, "--gallery", gallery).code == 0


def test_a_match_is_explained_by_an_export(exported: Path, tiny_run: Path) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 255, (32, 16, 3), dtype=np.uint8) for _ in range(2)]
    pair = (images[0], Modality.INFRARED, images[1], Modality.VISIBLE)
    of_run, of_export = (explain_match(load_model(each)[0], *pair) for each in (tiny_run, exported))
    assert of_export.score == pytest.approx(of_run.score, abs=CLOSE)


@pytest.mark.parametrize("more", [[], ["--no-verify"]], ids=str)
def test_int8_without_data_is_told_what_it_cannot_do_without(
    tiny_run: Path, tmp_path: Path, vireid: Callable[..., Any], more: list[str]
) -> None:
    said = vireid("export", tiny_run, "--to", "onnx", "--precision", "int8", "--out", tmp_path / "int8", *more)
    assert said.code == 2
    assert "int8 learns the ranges of its numbers from training images: give a data set" in " ".join(said.err.split())
    assert "no-verify" not in said.err


@pytest.mark.slow
def test_int8_learns_from_training_images_and_is_compared_by_scores(
    tiny_run: Path, tiny_world: Path, tmp_path: Path, vireid: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["export", tiny_run, "--to", "onnx", "--precision", "int8", "--out", tmp_path / "int8"]
    data = ["--dataset", "sysu", "--root", tiny_world, "--calibration", "8"]
    # Scores of a tiny run on 4 people jump with a single image: the limit is tried below.
    monkeypatch.setattr("vireid.exports.verifying.LARGEST_FALL", 100.0)
    said = vireid(*command, *data)
    assert said.code == 0, said.err
    assert model_fingerprint(tmp_path / "int8", "bn") == f"{fingerprint(tiny_run, 'bn')} int8"
    facts = json.loads((tmp_path / "int8" / "export.json").read_text())
    assert facts["quantised"]["visible"]["convolutions_in_8_bits"] > 0
    assert set(facts["verification"]["scores"]["run"]) == {"Rank-1", "mAP"}
    model, said_facts = load_model(tmp_path / "int8", threads=1)
    assert said_facts["export"] == "onnx int8"
    content = (tmp_path / "int8" / "visible.onnx").read_bytes()
    assert b"QuantizeLinear" in content
    vectors = model.embed_pixels(torch.zeros(3, 3, 32, 16, dtype=torch.uint8), Modality.VISIBLE)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-5)


def test_convolutions_of_an_export_are_put_into_8_bits(exported: Path, tmp_path: Path) -> None:
    import onnx

    folder = Path(shutil.copytree(exported, tmp_path / "int8"))
    file = folder / "visible.onnx"
    facts = replace(read_facts(folder), precision="int8")
    found = quantize(file, made_pixels(8, (32, 16)), metadata=facts.metadata(Modality.VISIBLE))
    model = onnx.load(file)
    assert 0 < found["convolutions_in_8_bits"] < found["of"]
    # One epoch leaves features that hardly vary: few convolutions can be put into 8 bits without turning them.
    assert found["mean_cosine"] > 0.9
    assert any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    # What loading asks of a file holds for one in 8 bits, too.
    content = dict.fromkeys([Modality.VISIBLE], file.read_bytes())
    loaded = OnnxModel(content, facts, threads=1)
    vectors = loaded.embed_pixels(torch.zeros(3, 3, 32, 16, dtype=torch.uint8), Modality.VISIBLE)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-5)


def test_int8_is_never_calibrated_on_people_of_the_test(
    tiny_run: Path, tiny_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ExportConfig(
        run=tiny_run, to="onnx", out=tmp_path, precision="int8", dataset="sysu", root=tiny_world, calibration=4
    )
    plan = export._plan(config, load_network(tiny_run)[1])
    assert plan is not None
    images = export._calibration(config, plan, (32, 16))
    assert {modality: each.shape for modality, each in images.items()} == dict.fromkeys(Modality, (4, 3, 32, 16))
    one = np.unique(plan.records.persons)[0]

    def careless(*arguments: Any, **options: Any) -> Records:
        records = read(*arguments, **options)
        persons = records.persons.copy()
        persons[-1] = one
        return replace(records, persons=persons)

    monkeypatch.setattr(export, "read", careless)
    with pytest.raises(VireidError, match=f"but 1 of them are tested too, the first {one}; separate train and test"):
        export._calibration(config, plan, (32, 16))


def test_nothing_is_left_of_an_export_that_fails_its_comparison(
    exported: Path, tiny_run: Path, tmp_path: Path, vireid: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    network, facts = load_network(tiny_run)
    neck = network.head.neck
    assert neck.running_mean is not None
    assert neck.running_var is not None
    with torch.no_grad():
        neck.running_mean += 5 * neck.running_var.sqrt()

    def of_another_network(entry: Any, file: Path, *, metadata: Any) -> None:
        save_model(onnx.load(exported / file.name), file, metadata=metadata)

    monkeypatch.setattr("vireid.cli.export.load_network", lambda run: (network, facts))
    monkeypatch.setattr("vireid.exports.exporting.write_onnx", of_another_network)
    said = vireid("export", tiny_run, "--to", "onnx", "--out", tmp_path / "out")
    assert said.code == 2
    assert "the export must make the vectors of its run, with differences up to 0.0001" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--to", "onnx", "--precision", "bf16"], "an export to onnx is offered in precision 32 or int8, got bf16"),
        (["--to", "onnx", "--precision", "16"], "Invalid choice"),
        (["--to", "torch", "--precision", "int8"], "an export to torch is offered in precision 32 or bf16, got int8"),
        (["--to", "torch", "--precision", "bf16"], "precision bf16 changes vectors"),
        (["--to", "onnx", "--dataset", "sysu"], "--dataset NAME and --root ROOT together"),
        (["--to", "onnx", "--calibration", "0"], "at least 1 image to learn from"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_written(
    flags: list[str], message: str, tiny_run: Path, tmp_path: Path, vireid: Callable[..., Any]
) -> None:
    said = vireid("export", tiny_run, "--out", tmp_path / "out", *flags)
    assert said.code == 2
    assert message in said.err.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_not_exported_and_no_folder_is_overwritten(
    exported: Path, tiny_run: Path, tmp_path: Path, vireid: Callable[..., Any]
) -> None:
    said = vireid("export", exported, "--to", "onnx", "--out", tmp_path / "again")
    assert "is an export already" in said.err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    said = vireid("export", tiny_run, "--to", "onnx", "--out", tmp_path / "full")
    assert "needs a folder of its own" in said.err
    assert is_export(exported)
    assert not is_export(tmp_path / "full")
