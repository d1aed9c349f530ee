"""The demo: whole but tiny in every run of the tests, at its own size with its own promises among the slow ones."""

import dataclasses
import json

import pytest

from vireid.cli import demo as demo_module
from vireid.cli.config import DemoConfig
from vireid.cli.demo import demo
from vireid.cli.gallery_config import ServeConfig
from vireid.cli.recipes import RECIPES
from vireid.cli.serve import serve_command
from vireid.data import read
from vireid.retrieval import open_gallery
from vireid.types import VireidError


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(demo_module, "PERSONS", 12)
    monkeypatch.setattr(demo_module, "IMAGES_PER_CAMERA", 2)
    monkeypatch.setattr(demo_module, "SIZE", (64, 32))
    recipe = RECIPES["mscmnet-small"]
    network = dataclasses.replace(
        recipe.network, channels=(8, 16, 24, 32), height=32, width=16, mimb_heads=2, mimb_tokens=8
    )
    small = dataclasses.replace(recipe, network=network, epochs=1, identities=2, images=2)
    monkeypatch.setitem(RECIPES, "mscmnet-small", small)


def rates(out):
    return json.loads((out / "results" / "results.json").read_text())


def test_the_demo_ends_with_scores_a_picture_and_the_next_commands(tiny, tmp_path, capsys):
    out = tmp_path / "demo"
    demo(DemoConfig(out=out))
    printed = " ".join(capsys.readouterr().out.split())
    document = rates(out)
    assert set(document) == {"all", "indoor"}
    assert set(document["all"]) == {"trained", "untrained", "chance"}
    assert len(document["all"]["trained"]["trials"]) == 10
    assert document["indoor"]["trained"]["protocol"]["mode"] == "indoor"
    assert (out / "results" / "ranked.png").stat().st_size > 10_000
    for command in ("vireid search", "vireid evaluate", f"vireid serve --gallery {out / 'gallery'}"):
        assert printed.count(command) == 1
    with open_gallery(out / "gallery") as gallery:
        test = read("sysu", out / "world", splits=("test",))
        assert gallery.count() == len(test)
        assert set(gallery.persons()) == {str(person) for person in test.persons}
    for name in ("Rank-1", "Rank-20", "mAP", "mINP", "untrained", "chance"):
        assert name in printed

    # A finished demo is not trained again.
    weights = (out / "run" / "weights.safetensors").stat().st_mtime_ns
    demo(DemoConfig(out=out))
    assert "is there already" in " ".join(capsys.readouterr().out.split())
    assert (out / "run" / "weights.safetensors").stat().st_mtime_ns == weights
    assert rates(out) == document


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (ServeConfig(demo=True), "run vireid demo first"),
        (ServeConfig(demo=True, gallery="gallery"), "leave --gallery and --checkpoint out"),
        (ServeConfig(gallery="gallery"), "--gallery and --checkpoint, or --demo"),
        (ServeConfig(max_upload=float("nan")), "at most 1000 MB, got nan"),
        (ServeConfig(max_upload=float("inf")), "at most 1000 MB, got inf"),
    ],
)
def test_what_cannot_be_served(config, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VireidError, match=said):
        serve_command(config)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_demo_learns_what_it_promises(tmp_path, seed):
    """At least 5 times chance and 2 times the untrained network in Rank-1, all-search, on people never trained on."""
    demo(DemoConfig(out=tmp_path / "demo", seed=seed))
    document = rates(tmp_path / "demo")["all"]
    trained = document["trained"]["mean"]["cmc"][0]
    assert trained >= 5 * document["chance"]["cmc"][0]
    assert trained >= 2 * document["untrained"]["mean"]["cmc"][0]
