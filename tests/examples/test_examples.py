"""The examples run without data and say what they are there to say; the how-to pages show their lines."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGES = ("add_a_loss", "add_a_backbone")


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs an example as a script, in this process, which has imported torch already."""

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def rates(text: str, name: str) -> float:
    found = re.search(rf"^{name}\s+Rank-1\s+([\d.]+)%", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def test_every_example_is_tested():
    named = set(re.findall(r'printed\(\s*"(\w+)"', Path(__file__).read_text(encoding="utf-8")))
    assert named == {file.stem for file in EXAMPLES.glob("*.py")}


def test_own_features_are_well_above_chance(printed):
    text = printed("score_own_features", "--persons", "24")
    assert "sysu all-search 1-shot seeded i2v" in text
    assert rates(text, "features") > 1.5 * rates(text, "chance")
    assert 0 <= rates(text, "re-ranked") <= 100


def test_an_own_loss_starts_from_the_recipes_network_and_falls(printed):
    text = printed("add_a_loss", "--persons", "20", "--epochs", "1")
    terms = {
        (name, term): (float(first), float(last))
        for name, term, first, last in re.findall(
            r"^(\w+)\s+(\w+): ([\d.]+) in the first step, ([\d.]+) in the last", text, re.MULTILINE
        )
    }
    # one seed: same weights, same batch, and the identity loss has not seen the metric loss yet
    assert terms["own", "identity"][0] == terms["recipe", "identity"][0]
    first, last = terms["own", "cross_modal_triplet"]
    assert last < 0.7 * first


def test_mimb_stands_on_another_backbone_and_costs_something(printed):
    text = printed("add_a_backbone", "--height", "64", "--width", "32", "--heads", "2")
    costs = {
        how: int(parameters.replace(",", ""))
        for how, parameters in re.findall(r"^convnext_atto (\w+) MIMB: ([\d,]+) parameters", text, re.MULTILINE)
    }
    assert costs["with"] > costs["without"] > 0
    assert "quadruple_center:" in text
    assert "8 infrared images, 320 numbers each" in text


def test_two_recipes_are_compared_seed_by_seed(printed):
    text = printed("train_and_compare", "--recipes", "agw-small", "baseline-small", "--seeds", "0", "3")
    means = {
        name: (float(mean), [float(rate) for rate in each.split(", ")])
        for name, mean, each in re.findall(
            r"^(\S+): Rank-1 ([\d.]+) \+- [\d.]+ over seeds \[0, 3\] \((.*)\)", text, re.M
        )
    }
    assert set(means) == {"agw-small", "baseline-small"}
    for mean, each in means.values():
        assert mean == pytest.approx(sum(each) / 2, abs=0.011)
    [difference] = re.findall(r"^baseline-small minus agw-small: ([+-][\d.]+)", text, re.M)
    assert float(difference) == pytest.approx(means["baseline-small"][0] - means["agw-small"][0], abs=0.011)


def test_a_folder_is_searched_under_conditions_and_a_person_forgotten(printed):
    text = printed("search_a_folder")
    assert "indexed: 48 new, 0 known, by camera {'gate': 24, 'yard': 24}" in text
    assert "infrared by their pixels" in text
    found = re.findall(r"^  \d\. (-?[\d.]+) (\w+) (\d\d:\d\d)", text, re.M)
    assert len(found) == 5
    assert {camera for _, camera, _ in found} == {"gate"}
    assert all("10:05" <= moment < "10:20" for _, _, moment in found)
    assert [score for score, _, _ in found] == sorted((score for score, _, _ in found), reverse=True)
    assert "deleted: 4 sightings of 0007\nleft: 0 of 0007, 44 in all" in text


def test_crops_are_described_by_a_manifest_that_the_doctor_accepts(printed):
    text = printed("own_data_manifest")
    assert "gate/20260101T000036Z_rgb_0001.jpg,0001,gate,visible,test,20260101T000036Z," in text
    assert "train visible: 6 people, 24 images" in text
    assert "test infrared: 3 people, 12 images" in text
    assert "72 images looked into: a run can start" in text
    assert "left out" not in text


def test_names_that_the_pattern_does_not_fit_are_said(printed, tmp_path: Path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "team.jpg").write_bytes(b"no crop")
    with pytest.raises(SystemExit, match="no image fits"):
        printed("own_data_manifest", "--root", str(tmp_path))


def test_the_service_is_asked_and_refuses_a_reader(printed):
    text = printed("serve_and_ask")
    assert "added 6 images of the gate, 0 known" in text
    assert "query: infrared" in text
    assert len(re.findall(r"^  [\d.]+ gate 2026-01-01T10:00:00\+00:00 visible [0-9a-f]{12}$", text, re.M)) == 3
    assert "a reader may not add: 403" in text
    assert text.endswith("stopped\n")


def test_an_export_runs_on_onnxruntime_alone(printed):
    text = printed("export_and_run")
    differences = re.findall(r"^(\w+): 512 numbers, at most (\S+) from the run's own", text, re.M)
    assert [name for name, _ in differences] == ["visible", "infrared"]
    assert max(float(number) for _, number in differences) < 1e-4
    assert "likeness of the two images" in text


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_stands_in_its_example(page: str):
    code = (EXAMPLES / f"{page}.py").read_text(encoding="utf-8")
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert block in code, f"not in examples/{page}.py:\n{block}"
