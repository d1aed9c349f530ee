"""Files that older versions wrote are read to the same numbers; those of a version to come are refused by name."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from safetensors.torch import load_file, save_file

from vireid.cli.recipes import RECIPES
from vireid.cli.run_settings import read_settings
from vireid.data import pixel_store, same_data
from vireid.data.pixel_store import PixelStore
from vireid.evaluation.stored_results import read_result
from vireid.exports.export_facts import read_facts
from vireid.models import load_network
from vireid.retrieval import open_gallery
from vireid.retrieval.embedder import embed_pixels
from vireid.retrieval.gallery_facts import GalleryFacts
from vireid.training import read_run
from vireid.training.checkpoint import load_state
from vireid.types import Embeddings, Modality, VireidError

FORMATS = Path(__file__).parent / "formats"
# The sum of all that one training left, in its weights and in its state of either format.
SUM = 508.5500309905692


def sum_of(tensors: dict[str, torch.Tensor]) -> float:
    return sum(tensor.double().abs().sum().item() for tensor in tensors.values())


def state_file(number: int, folder: Path) -> Path:
    file = folder / "state.pt"
    file.write_bytes(gzip.decompress((FORMATS / f"training-state-{number}.pt.gz").read_bytes()))
    return file


def test_fixtures_are_small():
    sizes = {file.name: file.stat().st_size for file in FORMATS.rglob("*") if file.is_file()}
    assert len(sizes) == 13
    assert max(sizes.values()) < 50_000


def test_settings_to_come_are_refused_by_number(tmp_path):
    config = json.loads((FORMATS / "run" / "config.json").read_text())
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config | {"format": 1}))
    assert read_run(tmp_path).settings == read_run(FORMATS / "run").settings
    file.write_text(json.dumps(config | {"format": 7}))
    with pytest.raises(VireidError, match=r"config\.json is of format 7, this version of vireid reads format 1"):
        read_run(tmp_path)


def test_weights_1():
    network, facts = load_network(FORMATS / "weights-1.safetensors")
    assert (facts["recipe"], facts["dataset"]) == ("baseline-small, settings changed", "sysu")
    assert sum_of(network.state_dict()) == pytest.approx(SUM, rel=1e-12)
    pixels = torch.arange(3 * 32 * 16).remainder(251).reshape(1, 3, 32, 16).to(torch.uint8)
    batches = [(modality, pixels) for modality in Modality]
    found = embed_pixels(network, batches, feature="bn", mirror=False, precision="32", device="cpu")
    np.testing.assert_allclose(
        np.concatenate(list(found)), [[-0.99355483, -0.11335274], [-0.65193367, -0.758276]], atol=1e-4
    )


@pytest.mark.parametrize("number", [1, 2])
def test_training_state(number: int, tmp_path):
    state = load_state(state_file(number, tmp_path))
    assert (state["epoch"], state.get("step", 0)) == (1, 0)
    assert sum_of(state["network"]) == pytest.approx(SUM, rel=1e-12)
    assert len(state["optimizer"]["state"]) > 0
    network, _ = load_network(FORMATS / "weights-1.safetensors")
    network.load_state_dict(state["network"])


def test_run():
    run = read_run(FORMATS / "run")
    assert run.steps[1]["loss/identity"] == 1.6122221946716309
    config = read_settings(run.settings, root=Path("world"), out=Path("run"))
    assert config.name == "baseline-small"
    # Of its data it kept names and sizes alone, which does not compare with what is kept now.
    assert run.data["fingerprint"] == "eff1cf06e75a6433"
    assert same_data(run.data, run.data | {"fingerprint": "content:eff1cf06e75a6433"}) is None
    assert config.recipe.optimizer == RECIPES["baseline-small"].optimizer
    # A run of an older version lacks what came later.
    older = {name: value for name, value in run.settings.items() if name not in ("compile_network", "cache")}
    assert read_settings(older, root=Path("world"), out=Path("run")) == config


def test_result_1():
    stored = read_result(FORMATS / "result-1.json")
    assert stored.evaluation.protocol.name == "sysu all-search 1-shot seeded i2v"
    assert stored.evaluation.trials[0].map == 0.5274404761904762
    assert len(stored.evaluation.trials) == 10


def test_a_result_without_a_format_is_of_the_first(tmp_path):
    document = json.loads((FORMATS / "result-1.json").read_text())
    del document["format"]
    (tmp_path / "result.json").write_text(json.dumps(document))
    assert read_result(tmp_path / "result.json").evaluation.trials[0].map == 0.5274404761904762


@pytest.mark.parametrize(("name", "maker"), [("embeddings-1", "0123456789abcdef bn"), ("embeddings-plain", "")])
def test_embeddings(name: str, maker: str):
    read = Embeddings.load(FORMATS / f"{name}.npz")
    assert read.features.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert (read.paths.tolist(), read.maker) == (["day/1.png", "day/2.png", "night/1.png"], maker)


def test_export_1(tmp_path):
    shutil.copy(FORMATS / "export-1.json", tmp_path / "export.json")
    facts = read_facts(tmp_path)
    assert (facts.to, facts.precision, facts.dimension, facts.image_size) == ("onnx", "32", 2, (32, 16))
    assert facts.run["recipe"] == "baseline-small, settings changed"


def test_gallery_1():
    facts = GalleryFacts.from_json(json.loads((FORMATS / "gallery-1.json").read_text()), "gallery-1.json")
    assert (facts.model, facts.dimension) == ("0123456789abcdef bn", 4)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of the cache as its writer named it: with the decoders that it had."""
    decoders = json.loads((FORMATS / "pixel-cache-1" / "header.json").read_text())["decoders"]
    monkeypatch.setattr(pixel_store, "_decoders", lambda: decoders)
    shutil.copytree(FORMATS / "pixel-cache-1", PixelStore(tmp_path, height=8, width=4).folder)
    return tmp_path


def test_pixel_cache_1(cache):
    store = PixelStore(cache, height=8, width=4)
    stored = store.read()
    assert sorted(stored.slots.values()) == [0, 1, 2]
    assert int(store.map(3).sum()) == 23088
    assert pixel_store.zlib.crc32(store.map(3)[1]) == stored.checksums[1]


class Future:
    """A file of each form with a format to come, and what reads it."""

    @staticmethod
    def weights(folder: Path) -> None:
        file = folder / "weights.safetensors"
        with safetensors.safe_open(FORMATS / "weights-1.safetensors", framework="pt") as content:
            document = json.loads(content.metadata()["vireid"])
        metadata = {"vireid": json.dumps(document | {"format": 7})}
        save_file(load_file(FORMATS / "weights-1.safetensors"), file, metadata=metadata)
        load_network(file)

    @staticmethod
    def training_state(folder: Path) -> None:
        file = state_file(2, folder)
        torch.save(load_state(file) | {"format": 7}, file)
        load_state(file)

    @staticmethod
    def result(folder: Path) -> None:
        document = json.loads((FORMATS / "result-1.json").read_text())
        (folder / "result.json").write_text(json.dumps(document | {"format": 7}))
        read_result(folder / "result.json")

    @staticmethod
    def embeddings(folder: Path) -> None:
        with np.load(FORMATS / "embeddings-1.npz") as arrays:
            np.savez(folder / "embeddings.npz", **(dict(arrays) | {"format": np.array(7)}))
        Embeddings.load(folder / "embeddings.npz")

    @staticmethod
    def export(folder: Path) -> None:
        document = json.loads((FORMATS / "export-1.json").read_text())
        (folder / "export.json").write_text(json.dumps(document | {"format": 7}))
        read_facts(folder)

    @staticmethod
    def gallery(folder: Path) -> None:
        document = json.loads((FORMATS / "gallery-1.json").read_text())
        (folder / "gallery.json").write_text(json.dumps(document | {"format": 7}))
        open_gallery(folder)

    @staticmethod
    def run(folder: Path) -> None:
        """A setting to come, by its name; the number of the form of settings has a test of its own above."""
        settings = read_run(FORMATS / "run").settings | {"network.format 7": True}
        read_settings(settings, root=folder, out=folder)


@pytest.mark.parametrize(
    ("form", "what_to_do"),
    [
        ("weights", "load it with the version that saved it, or train again"),
        ("training_state", "resume with the version that wrote it, or train again"),
        ("result", "read it with the version that wrote it, or measure again"),
        ("embeddings", "load it with the version that wrote it, or embed the images again"),
        ("export", "load it with the version that wrote it, or export again"),
        ("gallery", "open it with the version that wrote it, or index the images again"),
        ("run", "use the version of the run"),
    ],
)
def test_a_format_to_come_is_refused_by_name(form: str, what_to_do: str, tmp_path):
    with pytest.raises(VireidError, match=f"format 7.*; {what_to_do}"):
        getattr(Future, form)(tmp_path)


def test_a_pixel_cache_to_come_is_refused_by_name(cache):
    header = PixelStore(cache, height=8, width=4).folder / "header.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"format": 7}))
    with pytest.raises(VireidError, match="is of format 7, this version of vireid knows format 1; choose"):
        PixelStore(cache, height=8, width=4).read()
