"""``vireid import``, on files whose tensors take no room: each is one zero, seen many times."""

import json
from pathlib import Path

import pytest
import torch

from vireid.cli.config import ImportConfig
from vireid.cli.import_reference import import_command
from vireid.models import load_network
from vireid.types import VireidError

KEYS = Path(__file__).parents[1] / "golden" / "model_agw_keys.json"


def published(folder: Path, identities: int = 395) -> Path:
    shapes = json.loads(KEYS.read_text())["keys"] | {"classifier.weight": [identities, 2048]}
    file = folder / "published.t"
    state = {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}
    torch.save({"net": state, "mAP": 0.4765, "epoch": 48}, file)
    return file


def test_a_published_file_becomes_a_run(tmp_path, capsys):
    out = tmp_path / "runs" / "agw"
    file = published(tmp_path)
    assert import_command(ImportConfig(file=file, out=out, kind="agw")) == out
    network, facts = load_network(out)
    assert json.loads((out / "import.json").read_text()) == facts
    assert network.image_size == (288, 144)
    assert facts["published"] == {"mAP": 0.4765, "epoch": 48}
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "import.json", "weights.safetensors"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "agw for images 288 x 144 (height x width), trained on 395 identities"
    assert "  the file says mAP 0.4765" in lines
    assert "  thermal_module.thermal.layer4 (60 tensors, 59.9 MB)" in lines
    size = (out / "weights.safetensors").stat().st_size
    assert f"{file.stat().st_size / 1e6:.1f} MB before, {size / 1e6:.1f} MB in {out / 'weights.safetensors'}" in lines
    assert lines[-1] == f"next: vireid evaluate --checkpoint {out} --dataset sysu --root ROOT"


def test_a_network_of_regdb_keeps_its_trial(tmp_path, capsys):
    file = published(tmp_path, identities=206)
    import_command(ImportConfig(file=file, out=tmp_path / "a", kind="agw", height=64, width=32))
    assert "import it with --dataset regdb --trial N, so that it is scored on no trial" in capsys.readouterr().out
    import_command(
        ImportConfig(file=file, out=tmp_path / "b", kind="caj", height=64, width=32, dataset="regdb", trial=3)
    )
    said = capsys.readouterr().out
    assert said.splitlines()[-1].endswith("--dataset regdb --root ROOT --trial 3")
    assert "--trial N" not in said
    network, facts = load_network(tmp_path / "b")
    assert network.image_size == (64, 32)
    assert (facts["dataset"], facts["trial"]) == ("regdb", 3)


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(VireidError, match="holds something already; choose another"):
            import_command(ImportConfig(file=tmp_path / "nowhere.t", out=out, kind="agw"))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_half_an_image_size_is_refused(tmp_path):
    with pytest.raises(VireidError, match="give both --height and --width, or neither"):
        import_command(ImportConfig(file=tmp_path / "nowhere.t", out=tmp_path / "a", kind="agw", height=64))


def test_a_refused_file_leaves_nothing_behind(tmp_path):
    file = tmp_path / "text.t"
    file.write_text("no weights")
    with pytest.raises(VireidError, match="is not a whole file"):
        import_command(ImportConfig(file=file, out=tmp_path / "a", kind="deen"))
    assert not (tmp_path / "a").exists()
