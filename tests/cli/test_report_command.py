from __future__ import annotations

import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from vireid.cli.main import main
from vireid.cli.report import OF_NETWORKS
from vireid.cli.report_plots import distance_pictures
from vireid.evaluation import Evaluation, read_results, store_result
from vireid.evaluation.stored_results import read_result
from vireid.figures.report_folder import FIGURES, PAGE
from vireid.models import fingerprint
from vireid.types import VireidError

CHROMIUM = shutil.which("chromium")
HOSTILE = "<script>alert(1)& $x^{ é"
PLOTS = {"cmc", "losses", "map-t-sne", "distances", "accuracy-by-camera", "accuracy-by-person", "alb-tokens"}
PEOPLE = {"ranked", "grad-cam", "alb-places", "confusions"}


class Page(HTMLParser):
    """A report's page: its tables by caption, its pictures, its text."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.source = (folder / PAGE).read_text(encoding="utf-8")
        self.tables: dict[str, list[list[str]]] = {}
        self.images: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.text = ""
        self._rows: list[list[str]] = []
        self._inside = ""
        self.feed(re.sub(r"(?s)<style>.*?</style>", "", self.source))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._inside = tag
        if tag == "img":
            self.images.append(dict(attrs))
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("th", "td"):
            self._rows[-1].append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        self.text += data
        if self._inside == "caption":
            self.tables[data] = self._rows
        if self._inside in ("th", "td"):
            self._rows[-1][-1] += data

    def table(self, caption: str) -> dict[str, list[str]]:
        """Rows by their first cell, the header under an empty one."""
        [rows] = [rows for name, rows in self.tables.items() if name.startswith(caption)]
        return {row[0]: row[1:] for row in rows}


def figures_of(folder: Path) -> set[str]:
    found = {file.suffix: set() for file in (folder / FIGURES).iterdir()}
    for file in (folder / FIGURES).iterdir():
        found[file.suffix].add(file.stem)
    assert found[".png"] == found[".svg"]
    return found[".png"]


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Compiling UMAP takes ten seconds, and drawing twenty images in print size a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vireid.cli.report_plots.find_spec", lambda name: None)
        for name, count in {"QUERIES": 2, "RESULTS": 3, "ACTIVATED": 2, "CONFUSIONS": 2}.items():
            patch.setattr(f"vireid.cli.report_photographs.{name}", count)
        patch.setattr("vireid.cli.report_drawing.ATTENDED", 1)
        patch.setattr("vireid.figures.style._DPI", 75)
        patch.setattr("vireid.figures.image_sheet._DOTS", 3)
        yield


@pytest.fixture(scope="module")
def run(tiny_run, tmp_path_factory) -> Path:
    # Without what other tests measured.
    copied = tmp_path_factory.mktemp("reported") / "tiny"
    return Path(shutil.copytree(tiny_run, copied, ignore=shutil.ignore_patterns("results")))


def another(run: Path, folder: Path) -> Path:
    """A copy with other weights, by the last digits of one number."""
    shutil.copytree(run, folder)
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-4] ^= 1
    weights.write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def alone(run, tmp_path_factory) -> Path:
    """The report of one run, with its data by its own settings."""
    out = tmp_path_factory.mktemp("alone") / "report"
    assert main(["report", str(run), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def compared(run, tmp_path_factory) -> Path:
    """The report of a run beside one of a hostile name and another setting."""
    folder = tmp_path_factory.mktemp("compared")
    other = another(run, folder / HOSTILE)
    config = json.loads((other / "config.json").read_text())
    config["settings"]["loss.margin"] = f"{HOSTILE} /home/somebody/secret.pth"
    (other / "config.json").write_text(json.dumps(config))
    assert main(["report", str(other), str(run), "--out", str(folder / "out")]) == 0
    return folder / "out"


def test_one_run_stands_beside_itself_untrained(alone, run):
    assert figures_of(alone) == PLOTS | PEOPLE
    page = Page(alone)
    assert page.text.count("Untrained: the same network before its first step, as its seed drew it.") == 7
    assert len(page.images) == len(PLOTS | PEOPLE)
    assert all(image["alt"] and (image["src"] or "").startswith("data:image/") for image in page.images)
    assert "This page contains images of people." in page.text


def test_the_result_is_that_of_evaluate_and_stays_with_the_run(alone, run):
    [kept] = read_results(run)
    assert kept.weights == fingerprint(run, "bn")
    row = Page(alone).table("sysu all-search")["tiny"]
    mean, std = kept.evaluation.mean, kept.evaluation.std
    assert row[0] == f"{100 * mean['cmc'][0]:.2f} ± {100 * std['cmc'][0]:.2f}"
    assert row[4] == f"{100 * mean['map']:.2f} ± {100 * std['map']:.2f}"


def test_protocol_settings_and_machine_are_told_in_full(alone, run):
    page = Page(alone)
    settings = json.loads((run / "config.json").read_text())["settings"]
    shown = page.table("Settings (")
    assert set(shown) == {"setting"} | set(settings) - {"root", "out", "cache", "part_maps"}
    assert shown["network.channels"] == ["8 16 24 32"]
    assert shown["network.mimb"] == ["on"]
    protocol = page.table("Facts of sysu all-search 1-shot seeded i2v")
    assert protocol["what a query may not see"][0].startswith("queries of camera 3 do not see camera 2")
    assert protocol["what a rank counts"] == ["different people in the list"]
    assert protocol["trials"] == ["10"]
    assert page.table("The runs")["weights"] == [fingerprint(run, "bn").split()[0]]
    assert len(page.table("Hardware")["processor"]) == 2
    assert page.table("Versions")["torch"][0] == page.table("Versions")["torch"][1]


def test_no_place_of_the_machine_is_told(alone, compared, run, tiny_world):
    for folder in (alone, compared):
        texts = [file.read_text(errors="replace") for file in (folder / FIGURES).glob("*.svg")]
        for text in (Page(folder).source, *texts):
            for place in (tiny_world.parent, run.parent, folder.parent, Path.home(), Path.cwd()):
                assert str(place) not in text
            assert "somebody" not in text


def test_two_runs_are_compared_and_a_hostile_name_stays_a_name(compared):
    page = Page(compared)
    assert not page.tags & {"script", "link", "iframe", "object", "embed"}
    assert figures_of(compared) == PLOTS | PEOPLE
    assert page.text.count(HOSTILE) > 5
    assert page.table("Settings that differ (1)") == {
        "setting": [HOSTILE, "tiny"],
        "loss.margin": ["secret.pth", "0.7"],
    }
    assert list(page.table("sysu all-search"))[-2:] == [HOSTILE, "tiny"]
    assert "untrained" not in page.text.lower()
    for figure in (compared / FIGURES).glob("*.svg"):
        assert "<script" not in figure.read_text()


def test_without_images_nobody_is_shown(vireid, run, tmp_path, monkeypatch):
    # Of each kind one: all that shows people, tokens of a part that has both, and one that shows nobody.
    kept = ("Ranked lists", "Where the network looks", "What each scale brings", "Hardest confusions", "Distances")
    parts = {title: several for title, several in OF_NETWORKS.items() if title.startswith(kept)}
    monkeypatch.setattr("vireid.cli.report.OF_NETWORKS", parts)
    said = vireid("report", run, "--out", tmp_path / "out", "--no-images")
    assert said.code == 0, said.err
    assert figures_of(tmp_path / "out") == {"cmc", "losses", "alb-tokens", "distances"}
    page = Page(tmp_path / "out")
    assert "Images of people were left out." in page.text
    assert "This page contains images" not in page.text
    assert "image/jpeg" not in page.source


@pytest.fixture
def homeless(alone, run, tmp_path) -> Path:
    """A run whose data set is gone; the result that its report with data left is still there."""
    copied = Path(shutil.copytree(run, tmp_path / "homeless"))
    config = json.loads((copied / "config.json").read_text())
    config["settings"]["root"] = str(tmp_path / "gone")
    (copied / "config.json").write_text(json.dumps(config))
    return copied


def test_without_data_the_rest_is_reported_and_what_lacks_is_said(vireid, alone, homeless, tmp_path):
    said = vireid("report", homeless, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert "no figure or score that needs images" in said.err
    assert str(tmp_path / "gone") in said.err
    page = Page(tmp_path / "out")
    assert figures_of(tmp_path / "out") == {"cmc", "losses"}
    assert "The images of the data set were not at hand" in page.text
    # The result that the report with data left in the run.
    assert [row for label, row in page.table("sysu all-search").items() if label] == [
        row for label, row in Page(alone).table("sysu all-search").items() if label == "tiny"
    ]
    assert str(tmp_path) not in page.source


def variant(run: Path, rank1: float, trials: int = 10, measured: str = "2026-01-01", **facts: object) -> None:
    """Keep with a run what it has, by another protocol and with other scores."""
    [file] = (file for file in (run / "results").iterdir() if not file.name.startswith("0-"))
    first = read_result(file)
    scores = [
        dataclasses.replace(one, cmc=np.full(20, rank1), map=rank1, minp=rank1) for one in first.evaluation.trials
    ]
    protocol = dataclasses.replace(first.evaluation.protocol, trials=trials, **facts)
    file = store_result(run, Evaluation(protocol=protocol, trials=scores[:trials]), weights=first.weights)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"measured": measured}))
    # The first file of all by its name.
    file.rename(file.with_name(f"0-{file.name}"))


def test_what_is_kept_stands_at_the_head_only_by_the_plain_protocol(vireid, homeless, tmp_path):
    [plain] = read_results(homeless)
    variant(homeless, 0.99, trials=2, reranking="k-reciprocal (k1=20)")
    variant(homeless, 0.98, test_time_augmentation="image and mirror image averaged", measured="2099-01-01")
    variant(homeless, 0.97, feature="pool", measured="2099-01-01")
    variant(homeless, 0.96, trials=2, measured="2099-01-01")
    variant(homeless, 0.95, mode="indoor", measured="2099-01-01")
    assert vireid("report", homeless, "--out", tmp_path / "out").code == 0
    page = Page(tmp_path / "out")
    rate = f"Rank-1 {100 * plain.evaluation.mean['cmc'][0]:.2f}, mAP"
    assert rate in page.text
    assert page.text.count("sysu all-search 1-shot seeded i2v, 10 galleries") >= 4
    # One by each of the others.
    [rows] = [rows for name, rows in page.tables.items() if name.startswith("Measured before")]
    assert {row[2][:5] for row in rows[1:]} == {"99.00", "98.00", "97.00", "96.00", "95.00"}


def test_a_headline_of_another_protocol_says_so_everywhere(vireid, homeless, tmp_path):
    variant(homeless, 0.99, trials=2, reranking="k-reciprocal (k1=20)", test_time_augmentation="mirrored")
    [file] = (file for file in (homeless / "results").iterdir() if not file.name.startswith("0-"))
    file.unlink()
    assert vireid("report", homeless, "--out", tmp_path / "out").code == 0
    page = Page(tmp_path / "out")
    facts = "sysu all-search 1-shot seeded i2v, 2 galleries, re-ranked: k-reciprocal (k1=20), mirrored"
    # The summary, the caption of the table and that of the curve.
    assert page.text.count(facts) == 3
    assert page.table(facts)["homeless"][0].startswith("99.00")


def test_a_mode_that_no_kept_result_has_is_said(vireid, homeless, tmp_path):
    said = vireid("report", homeless, "--out", tmp_path / "out", "--mode", "indoor")
    assert said.code == 0, said.err
    words = "No result of what was asked for (--mode indoor) is kept with the run, so none stands at the head"
    assert words in " ".join(said.err.split())
    page = Page(tmp_path / "out")
    assert words in page.text
    assert figures_of(tmp_path / "out") == {"losses"}
    variant(homeless, 0.95, mode="indoor")
    assert vireid("report", homeless, "--out", tmp_path / "out", "--mode", "indoor").code == 0
    assert Page(tmp_path / "out").table("sysu indoor-search")["homeless"][0].startswith("95.00")


def test_a_curve_that_cannot_be_drawn_does_not_cost_the_report(vireid, homeless, tmp_path, monkeypatch):
    def draw(*_):
        raise VireidError("no curve")

    monkeypatch.setattr("vireid.cli.report.cmc_picture", draw)
    assert vireid("report", homeless, "--out", tmp_path / "out").code == 0
    assert "Not drawn: no curve" in Page(tmp_path / "out").text


def test_long_names_are_cut_and_stay_apart(run, tmp_path):
    from vireid.cli.report_runs import read_runs

    folders = [another(run, tmp_path / "a" / ("long" * 20)), Path(shutil.copytree(run, tmp_path / "b" / ("long" * 20)))]
    labels = [each.label for each in read_runs(folders)]
    assert labels == [f"{number}. longlonglong…longlonglong" for number in (1, 2)]
    another(run, tmp_path / "a" / "same")
    shutil.copytree(run, tmp_path / "b" / "same")
    named = read_runs([tmp_path / "a" / "same", tmp_path / "b" / "same"])
    assert [each.label for each in named] == ["a/same", "b/same"]


def test_the_same_weights_are_not_compared_with_themselves(vireid, run, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    said = vireid("report", run, tmp_path / "copy", "--out", tmp_path / "out")
    assert said.code == 2
    assert f"have the same ({fingerprint(run, 'bn').split()[0]}); leave one of them out" in " ".join(said.err.split())


def test_an_export_is_told_from_a_run(vireid, tmp_path):
    (tmp_path / "export.json").write_text("{}")
    for command in (("report", tmp_path, "--out", tmp_path / "out"), ("table", tmp_path)):
        said = vireid(*command)
        assert said.code == 2
        assert "is an export, which keeps neither log nor results; name the run" in " ".join(said.err.split())


def test_an_untrained_network_is_scored_too(alone):
    rows = Page(alone).table("sysu all-search")
    assert list(rows)[:3] == ["", "chance", "untrained"]
    assert rows["untrained"] != rows["tiny"]


def test_captions_say_what_is_a_sample_and_what_is_hidden(alone):
    text = " ".join(Page(alone).text.split())
    assert re.search(r"bars of each kind sum to 1 and are of all [\d,]+ pairs of one person and all [\d,]+ pairs", text)
    assert "Pairs that the protocol hides from a query are among them." in text
    assert text.count("Queries of camera 3 do not see camera 2, which looks at the same place.") == 2
    assert "a grid of 6 x 3 over the image, whatever the size of the map" in text
    assert "of 6 x 3 blurred places" in (alone / FIGURES / "alb-places.svg").read_text()
    assert "that of all but the head, which has its own" in text
    assert "A thin line leads from each image to the middle of its person's images in both modalities" in text
    assert "bars, which order the people, are tiny, marks untrained;" in text
    assert "Rank-1 of untrained and tiny by the camera of the query" in text


def test_data_that_were_asked_for_must_be_there(vireid, run, tmp_path):
    said = vireid("report", run, "--out", tmp_path / "out", "--root", tmp_path / "nowhere")
    assert said.code == 2
    assert "nowhere" in said.err
    assert not (tmp_path / "out").exists()


def test_an_imported_run_needs_to_be_told_its_data(vireid, run, tmp_path):
    imported = tmp_path / "imported"
    imported.mkdir()
    shutil.copy(run / "weights.safetensors", imported)
    said = vireid("report", imported, "--out", tmp_path / "out")
    assert said.code == 2
    assert "there is nothing to report" in said.err
    assert "does not say what it was trained on; give --root of the data set" in said.err


def test_an_imported_run_is_reported_with_its_data(vireid, run, tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr("vireid.cli.report.OF_NETWORKS", {"Distances": [(distance_pictures, False)]})
    (tmp_path / "imported").mkdir()
    shutil.copy(run / "weights.safetensors", tmp_path / "imported")
    said = vireid("report", tmp_path / "imported", "--root", tiny_world, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    assert figures_of(tmp_path / "out") == {"cmc", "distances"}
    # Where its backbone started is not known, so what stands beside it is not called its beginning.
    assert "Random weights: the same network as a seed draws it." in Page(tmp_path / "out").text


def test_a_figure_that_cannot_be_drawn_says_why_without_places(vireid, run, tiny_world, tmp_path, monkeypatch):
    def draw(drawing):
        raise VireidError(f"cannot read {drawing.data.plan.records.root}/cam1/<b>.jpg")

    monkeypatch.setattr("vireid.cli.report.OF_NETWORKS", {"Broken": [(draw, False)]})
    assert vireid("report", run, "--out", tmp_path / "out").code == 0
    assert "Not drawn: cannot read ROOT/cam1/<b>.jpg" in Page(tmp_path / "out").text


def test_a_missing_package_is_named_before_anything_is_done(vireid, run, tmp_path, monkeypatch):
    monkeypatch.setattr("vireid.cli.report.find_spec", lambda name: None if name == "sklearn" else name)
    said = vireid("report", run, "--out", tmp_path / "out")
    assert said.code == 2
    assert "a report takes the package scikit-learn, which is not installed" in said.err
    assert "pip install '.[report]'" in said.err


def test_results_of_other_weights_are_told_apart(vireid, run, homeless, tmp_path):
    [file] = (homeless / "results").iterdir()
    document = json.loads(file.read_text())
    document["weights"] = "0000000000000000 bn"
    file.write_text(json.dumps(document))
    assert vireid("report", homeless, "--out", tmp_path / "out").code == 0
    [rows] = [rows for name, rows in Page(tmp_path / "out").tables.items() if name.startswith("Measured before")]
    assert rows[1][5] == "others"
    assert not (tmp_path / "out" / FIGURES / "cmc.png").exists()


def test_what_cannot_be_reported_is_refused(vireid, run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for arguments, words in (
        (("--out", tmp_path / "out"), "a report needs a run; name a run directory"),
        ((run, "--out", tmp_path / "mine"), "holds notes.txt, which is of no earlier report"),
        ((run, run, "--out", tmp_path / "out"), "was given more than once"),
        ((tmp_path / "none", "--out", tmp_path / "out"), "there is no run"),
        ((run, "--out", run), "which is of no earlier report"),
    ):
        said = vireid("report", *arguments)
        assert said.code == 2
        assert words in said.err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine"]


def test_queries_are_spread_and_drawn_by_seed():
    from vireid.cli.report_drawing import spread

    rows = np.arange(103)
    one, other = (spread(rows, 8, seed) for seed in (0, 1))
    assert len(one) == len(other) == 8
    assert one.tolist() != other.tolist()
    assert set(np.diff(one).tolist()) <= {12, 13}
    assert spread(rows[:3], 8, 0).tolist() == [0, 1, 2]


@pytest.mark.skipif(CHROMIUM is None, reason="the page is tested in Chromium: apt-get install -y chromium")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_in_a_browser_without_network_or_scripts(compared, width, scheme):
    playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested through playwright")
    with playwright.sync_playwright() as control:
        browser = control.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, java_script_enabled=False
        )
        page = context.new_page()
        asked, heard = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: heard.append(message.text))
        page.goto((compared / PAGE).as_uri())
        assert [url for url in asked if not url.startswith("data:")] == [(compared / PAGE).as_uri()]
        assert heard == []
        measured = page.evaluate(
            "() => ({wide: document.documentElement.scrollWidth, broken: [...document.images].filter("
            "(image) => !image.naturalWidth).length, images: document.images.length, "
            "rows: Math.min(...[...document.querySelectorAll('tbody th')].map((cell) => cell.offsetWidth))})"
        )
        assert measured["wide"] <= width
        assert measured["broken"] == 0
        assert measured["rows"] >= 60  # no name of a row is broken into a column of letters
        assert measured["images"] == len(PLOTS | PEOPLE)
        browser.close()
