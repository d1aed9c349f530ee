"""``vireid index``, ``vireid search`` in a gallery and ``vireid gallery``: what they print, refuse and leave."""

import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from vireid.cli import gallery as gallery_module
from vireid.cli import search_gallery
from vireid.retrieval import Conditions, Gallery, open_gallery
from vireid.types import Embeddings, Modality

COLUMNS = ["query", "rank", "key", "score", "modality", "camera", "time", "track", "person", "tags", "path"]


@pytest.fixture(scope="module")
def filled(tiny_world, tiny_run, tmp_path_factory):
    """A gallery of the tiny world. Shared: copy it before you change it."""
    from vireid.cli.main import main

    place = tmp_path_factory.mktemp("galleries") / "filled"
    flags = ("--checkpoint", tiny_run, "--gallery", place, "--levels", "camera", "person", "--tag", "made")
    assert main(["index", *map(str, [tiny_world, *flags])]) == 0
    return place


@pytest.fixture
def own(filled, tmp_path):
    return shutil.copytree(filled, tmp_path / "own")


@pytest.fixture
def index(vireid, tiny_run):
    return lambda *arguments: vireid("index", *arguments, "--checkpoint", tiny_run)


@pytest.fixture
def search(vireid, tiny_run, filled):
    return lambda *arguments: vireid("search", "--checkpoint", tiny_run, "--gallery", filled, *arguments)


def lines(said):
    return [line.split("\t") for line in said.out.splitlines()]


def test_a_second_time_everything_is_known(index, tiny_world, own):
    said = index(tiny_world, "--gallery", own)
    assert said.code == 0
    assert said.out == f"0 added, 130 known already; 130 sightings in {own}\n"
    assert "130/130" in said.err


def test_broken_images_are_listed_at_the_end_with_exit_code_1(index, tiny_world, tmp_path):
    crops = tmp_path / "crops"
    shutil.copytree(tiny_world / "cam1", crops / "cam1")
    (crops / "cam1" / "empty.jpg").write_bytes(b"")
    said = index(crops, "--gallery", tmp_path / "g", "--camera", "door")
    assert said.code == 1
    assert said.out == f"24 added, 0 known already, 1 could not be read; 24 sightings in {tmp_path / 'g'}\n"
    assert said.err.endswith(f"  {crops / 'cam1' / 'empty.jpg'} is an empty file; give a whole JPEG, PNG or BMP\n")
    with open_gallery(tmp_path / "g") as gallery:
        assert gallery.cameras() == {"door": 24}


@pytest.mark.parametrize("layout", ["sysu", "regdb", "llcm", "folder"])
def test_a_data_set_says_camera_person_and_modality(index, worlds, tmp_path, layout):
    said = index(worlds[layout], "--gallery", tmp_path / "g", "--dataset", layout)
    assert said.code == 0
    with open_gallery(tmp_path / "g") as gallery:
        assert len(gallery.persons()) == (12 if layout == "sysu" else 8)
        assert all(name.isdecimal() for name in gallery.cameras())
        assert gallery.count(Conditions(modality=Modality.INFRARED)) > 0


def test_a_manifest_says_everything(index, tiny_world, tmp_path):
    shutil.copy(tiny_world / "cam1" / "0001" / "0001.jpg", tmp_path / "a.jpg")
    manifest = tmp_path / "manifest.csv"
    # Against its colours, which are not asked.
    manifest.write_text(
        "path,person,camera,modality,time,track\na.jpg,ann,door,infrared,2026-11-21T08:00:00+01:00,t1\n"
    )
    refused = index(tmp_path, "--gallery", tmp_path / "g")
    assert refused.code == 2
    assert f"holds a manifest; index {manifest} to use it" in refused.err
    assert index(manifest, "--gallery", tmp_path / "g").code == 0
    with open_gallery(tmp_path / "g") as gallery:
        [[match]] = gallery.search(np.ones((1, 32), np.float32), model=gallery.model)
    sighting = match.sighting
    assert (sighting.person, sighting.camera, sighting.track) == ("ann", "door", "t1")
    assert sighting.modality is Modality.INFRARED
    assert sighting.time is not None
    assert sighting.time.isoformat() == "2026-11-21T07:00:00+00:00"


def test_times_in_names_are_of_the_zone_that_is_told(index, tiny_world, tmp_path):
    (tmp_path / "crops").mkdir()
    shutil.copy(tiny_world / "cam1" / "0001" / "0001.jpg", tmp_path / "crops" / "20260721T080000.jpg")
    assert index(tmp_path / "crops", "--gallery", tmp_path / "g", "--time-zone", "Europe/Berlin").code == 0
    with open_gallery(tmp_path / "g") as gallery:
        [[match]] = gallery.search(np.ones((1, 32), np.float32), model=gallery.model)
    assert match.sighting.time is not None
    assert match.sighting.time.isoformat() == "2026-07-21T06:00:00+00:00"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["{tmp}/absent"], "there is no folder of images, data set or manifest"),
        (["{tmp}/hollow"], "there are no images in"),
        (["{world}", "--dataset", "sysu", "--camera", "x"], "says camera, time and modality itself, got --camera too"),
        (["{world}", "--dataset", "regdb"], "is missing"),
        (["{world}", "--time-zone", "Nowhere"], "--time-zone takes a name like Europe/Berlin or UTC, got 'Nowhere'"),
        (["{world}", "--levels", "camera", "camera"], "each level of folders says something else"),
        (["{world}", "--precision", "16", "--accelerator", "cpu"], "precision 16 needs a CUDA GPU"),
        (["{world}", "--rebuild"], "there is no gallery in"),
    ],
)
def test_index_refuses_and_makes_nothing(index, tiny_world, tmp_path, arguments, text):
    (tmp_path / "hollow").mkdir()
    filled = [argument.format(tmp=tmp_path, world=tiny_world) for argument in arguments]
    said = index(*filled, "--gallery", tmp_path / "g")
    assert said.code == 2
    assert text in said.err
    assert not (tmp_path / "g").exists()


def test_another_checkpoint_is_refused_and_may_rebuild(vireid, tiny_world, tiny_run, own, tmp_path):
    other = tmp_path / "other.safetensors"
    content = bytearray((tiny_run / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    flags = ("index", tiny_world / "cam1", "--checkpoint", other, "--gallery", own)
    refused = vireid(*flags)
    assert refused.code == 2
    assert "features of two models cannot be compared" in refused.err
    rebuilt = vireid(*flags, "--rebuild")
    assert rebuilt.out == f"24 added, 0 known already; 24 sightings in {own}\n"
    query = tiny_world / "cam3" / "0001" / "0001.jpg"
    old = vireid("search", "--checkpoint", tiny_run, "--queries", query, "--gallery", own)
    assert old.code == 2
    assert "features of two models cannot be compared" in old.err
    assert "embedding" not in old.err


def test_a_pipe_gets_lines_with_all_fields(search, tiny_world, filled, tmp_path):
    document = tmp_path / "found.json"
    query = tiny_world / "cam3" / "0001" / "0001.jpg"
    said = search("--queries", query, "--top", 3, "--json", document)
    assert said.code == 0
    header, *results = lines(said)
    assert header == COLUMNS
    assert [result[:2] for result in results] == [[str(query), "1"], [str(query), "2"], [str(query), "3"]]
    found = json.loads(document.read_text())
    assert (found["gallery"], found["queries"][0]["modality"]) == (str(filled), "infrared")
    for line, result in zip(results, found["queries"][0]["results"]):
        fields = dict(zip(COLUMNS, line))
        assert result["key"].startswith(fields["key"])
        assert (fields["camera"], fields["person"], fields["path"]) == tuple(
            result[name] for name in ("camera", "person", "path")
        )
        assert float(fields["score"]) == pytest.approx(result["score"], abs=1e-4)
        # The query is infrared, so the other modality is looked for.
        assert (fields["modality"], fields["tags"]) == ("visible", "made")


def test_a_terminal_gets_a_table_without_empty_columns(search, tiny_world, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(search_gallery, "console", Console(file=screen, force_terminal=True, width=100, no_color=True))
    assert search("--queries", tiny_world / "cam3" / "0001" / "0001.jpg", "--top", 2).code == 0
    text = screen.getvalue()
    assert "camera" in text
    assert "track" not in text
    assert max(len(line) for line in text.splitlines() if "│" in line) <= 100


def test_an_image_finds_itself_where_any_modality_is_looked_for(search, tiny_world):
    queries = [tiny_world / "cam1" / "0001" / "0001.jpg", tiny_world / "cam6" / "0002" / "0001.jpg"]
    _, *results = lines(search("--queries", *queries, "--gallery-modality", "any", "--top", 1))
    assert [(result[0], result[-1]) for result in results] == [(str(query), str(query)) for query in queries]
    assert [float(result[3]) for result in results] == pytest.approx([1, 1], abs=1e-4)


def test_conditions_and_fusing(search, tiny_world):
    night = tiny_world / "cam3" / "0001"
    _, *results = lines(search("--queries", night, "--fuse", "--camera", "cam2", "cam4", "--top", 100))
    assert {result[0] for result in results} == {f"{night / '0001.jpg'} and 1 more"}
    assert {result[5] for result in results} == {"cam2", "cam4"}
    nothing = search("--queries", night / "0001.jpg", "--person", "nobody")
    assert nothing.code == 0
    assert lines(nothing) == [COLUMNS]
    assert f"{night / '0001.jpg'}: no sighting meets the conditions" in nothing.err


def test_by_track_each_track_stands_once(vireid, index, tiny_run, tiny_world, tmp_path):
    assert index(tiny_world / "cam1", "--gallery", tmp_path / "g", "--levels", "track").code == 0
    query = tiny_world / "cam3" / "0001" / "0001.jpg"
    flags = ("--checkpoint", tiny_run, "--gallery", tmp_path / "g", "--queries", query, "--top", 100)
    _, *plain = lines(vireid("search", *flags))
    _, *tracks = lines(vireid("search", *flags, "--by-track"))
    assert (len(plain), len(tracks)) == (24, 12)
    assert len({result[7] for result in tracks}) == 12


def test_a_picture_shows_what_was_indexed_and_nothing_else(vireid, index, tiny_run, tiny_world, tmp_path):
    crops = tmp_path / "crops"
    shutil.copytree(tiny_world / "cam1", crops)
    index(crops, "--gallery", tmp_path / "g", "--levels", "person")
    flags = ("search", "--checkpoint", tiny_run, "--gallery", tmp_path / "g", "--top", 100)
    flags += ("--queries", tiny_world / "cam3" / "0001" / "0001.jpg", "--picture", tmp_path / "p.png")
    said = vireid(*flags)
    assert said.err.endswith(f"drawn in {tmp_path / 'p.png'}\n")
    with Image.open(tmp_path / "p.png") as picture:
        whole = picture.width
    (crops / "0001" / "0001.jpg").unlink()
    shutil.copy(crops / "0003" / "0001.jpg", crops / "0002" / "0001.jpg")
    said = vireid(*flags)
    assert said.err.endswith("; left out: 2 results whose image is not where it was\n")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.width < whole
    shutil.rmtree(crops)
    said = vireid(*flags)
    assert said.code == 2
    assert "none of the results can be drawn" in said.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--since", "2026-11-21"], "--since needs a time zone, got '2026-11-21'; 2026-11-21T00:00:00+00:00 is UTC"),
        (["--until", "tomorrow"], "--until takes ISO 8601 with a zone, like 2026-11-21T08:00+01:00, got 'tomorrow'"),
        (["--since", "2026-11-21T08:00Z", "--until", "2026-11-21T08:00+01:00"], "a span of time ends after it starts"),
        (["--top", "0"], "at least 1 result a query, got top 0"),
        (["--picture", "p.gif"], "a picture is a .png or .jpg"),
    ],
)
def test_search_refuses_before_it_embeds(search, tiny_world, arguments, text):
    said = search("--queries", tiny_world / "cam3" / "0001" / "0001.jpg", *arguments)
    assert said.code == 2
    assert text in said.err
    assert "embedding" not in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--fuse"], "--fuse needs a gallery, but"),
        (["--by-track"], "--by-track needs a gallery, but"),
        (["--camera", "cam1"], "a condition needs a gallery, but"),
        (["--modality", "auto"], "--modality auto needs a gallery, but"),
        (["--gallery", "absent"], "there is no gallery and no folder of images absent"),
    ],
)
def test_a_folder_of_images_is_no_gallery(vireid, tiny_run, tiny_world, arguments, text):
    flags = ["--queries", tiny_world / "cam3", "--gallery", tiny_world / "cam1"]
    said = vireid("search", "--checkpoint", tiny_run, *flags, *arguments)
    assert said.code == 2
    assert text in said.err


def test_names_that_others_gave_cannot_act_on_the_terminal(vireid, index, tiny_run, tiny_world, tmp_path):
    bad = tmp_path / "crops" / "yard" / "a\x1b[2J\tb\n.jpg"
    bad.parent.mkdir(parents=True)
    shutil.copy(tiny_world / "cam1" / "0001" / "0001.jpg", bad)
    spelled = str(bad).replace("\x1b", r"\x1b").replace("\t", r"\t").replace("\n", r"\n")
    place = tmp_path / "g\x1b[2J"
    assert index(tmp_path / "crops", "--gallery", place).code == 0
    flags = ("--checkpoint", tiny_run, "--gallery", place, "--gallery-modality", "any", "--queries", bad)
    header, result = lines(vireid("search", *flags))
    assert header == COLUMNS
    assert (result[0], result[-1]) == (spelled, spelled)
    assert f"gallery       {tmp_path}/g\\x1b[2J\n" in vireid("gallery", "info", place).out


def test_an_image_of_a_camera_with_a_control_character_is_told_of(index, tiny_world, tmp_path):
    bad = tmp_path / "crops" / "door\n\x1b[2J"
    bad.mkdir(parents=True)
    shutil.copy(tiny_world / "cam1" / "0001" / "0001.jpg", bad / "a.jpg")
    (bad / "b\x1b.jpg").write_bytes(b"")
    said = index(tmp_path / "crops", "--gallery", tmp_path / "g")
    assert said.code == 1
    assert said.out.startswith("0 added, 0 known already, 2 could not be read; ")
    assert r"the camera of a sighting must be without control characters (tabs, line ends, escapes), got" in said.err
    assert r"b\x1b.jpg is an empty file" in said.err
    assert "[2J" in said.err
    assert "\x1b[2J" not in said.err


def test_camera_names_that_the_gallery_holds_already_are_spelled_out(vireid, filled, monkeypatch):
    monkeypatch.setattr(Gallery, "cameras", lambda self: {"door\x1b[2J": 2})
    assert "  camera door\\x1b[2J: 2\n" in vireid("gallery", "info", filled).out


def test_info_says_what_a_gallery_holds(vireid, filled):
    said = vireid("gallery", "info", filled)
    assert said.code == 0
    assert f"gallery       {filled}\nsightings     130\ncameras       6\ntracks        0\n" in said.out
    assert "named persons 12\n" in said.out
    assert "  camera cam1: 24\n" in said.out


def test_delete_counts_first_and_refuses_where_nobody_can_be_asked(vireid, own):
    said = vireid("gallery", "delete", own, "--person", "0001", "0002")
    assert said.code == 2
    counted = said.out
    assert counted == "24 of 130 sightings meet: person 0001 or 0002\n"
    assert "24 sightings would be deleted, and nobody can be asked; add --yes" in said.err
    assert "sightings     130" in vireid("gallery", "info", own).out
    said = vireid("gallery", "delete", own, "--person", "0001", "0002", "--yes")
    assert said.code == 0
    assert said.out.startswith(f"{counted}24 deleted; ")
    assert "sightings     106" in vireid("gallery", "info", own).out
    assert vireid("gallery", "delete", own, "--person", "0001").out == "0 of 106 sightings meet: person 0001\n"


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 130), ("", 130)])
def test_delete_asks_on_a_terminal(vireid, own, monkeypatch, answer, left):
    screen = Console(force_terminal=True, width=100)
    monkeypatch.setattr(gallery_module, "console", screen)
    monkeypatch.setattr(gallery_module, "progress_console", screen)
    terminal = io.StringIO(answer + "\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    said = vireid("gallery", "delete", own, "--everything")
    assert said.code == 0
    assert "130 of 130 sightings in all" in said.out
    assert ("nothing was deleted" in said.out) == (left > 0)
    with open_gallery(own) as gallery:
        assert gallery.count() == left


def test_uploaded_images_go_with_their_sightings(vireid, own):
    with open_gallery(own) as gallery:
        [[gone], [kept]] = [
            gallery.search(np.ones((1, 32), np.float32), model=gallery.model, top=1, conditions=conditions)[0]
            for conditions in (Conditions(persons=("0001",)), Conditions(persons=("0002",)))
        ]
    for match in (gone, kept):
        file = own / "images" / match.sighting.key[:2] / f"{match.sighting.key}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    said = vireid("gallery", "delete", own, "--person", "0001", "--yes")
    assert said.out.endswith("1 uploaded images of deleted sightings removed\n")
    assert [file.stem for file in own.glob("images/*/*")] == [kept.sighting.key]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["delete", "{own}"], "say what to delete: --person, --track, --camera"),
        (["delete", "{own}", "--key", "12ab", "--yes"], "--key takes whole keys, 64 hexadecimal digits"),
        (["delete", "{own}", "--everything", "--camera", "x"], "give it without other conditions"),
        (["delete", "{own}", "--until", "2020-01-01", "--yes"], "--until needs a time zone"),
        (["info", "{own}/absent"], "there is no gallery in"),
        (["export", "{own}", "--out", "{own}/f.txt"], "an export is an .npz file"),
    ],
)
def test_gallery_refuses(vireid, own, arguments, text):
    said = vireid("gallery", *[argument.format(own=own) for argument in arguments])
    assert said.code == 2
    assert text in said.err
    assert said.out == ""


def test_export_and_compact(vireid, own, tmp_path):
    said = vireid("gallery", "export", own, "--out", tmp_path / "e.npz", "--camera", "cam1")
    assert said.out == f"24 sightings in {tmp_path / 'e.npz'} and {tmp_path / 'e.parquet'}\n"
    assert len(Embeddings.load(tmp_path / "e.npz").paths) == 24
    before, after = re.findall(r"[\d.]+(?= MiB)", vireid("gallery", "compact", own).out)
    assert float(after) < float(before) + 1
    said = vireid("gallery", "compact", own).out
    assert said == f"there was nothing to give back: {after} MiB before, {after} MiB now\n"
