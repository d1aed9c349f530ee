"""``vireid embed`` and ``vireid search``: files and folders in, rows, JSON and pictures out."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from vireid.cli import search as search_module
from vireid.types import Embeddings


def test_a_folder_of_images_is_embedded_by_its_light(vireid, tiny_world, tiny_run, tmp_path):
    out = tmp_path / "found" / "cam1.npz"
    said = vireid(
        "embed", "--checkpoint", tiny_run, "--root", tiny_world / "cam1", "--modality", "visible", "--out", out
    )
    assert said.code == 0
    embeddings = Embeddings.load(out)
    assert said.out == f"24 embeddings of 32 numbers in {out}, paths relative to {tiny_world / 'cam1'}\n"
    assert embeddings.paths[0] == "0001/0001.jpg"
    np.testing.assert_allclose(np.linalg.norm(embeddings.features, axis=1), 1, atol=1e-5)
    assert "24/24" in said.err


@pytest.mark.parametrize(("split", "count"), [("test", 42), ("train", 88), ("all", 130)])
def test_a_side_of_a_data_set_is_embedded(vireid, tiny_world, tiny_run, tmp_path, split, count):
    out = tmp_path / "f.npz"
    data = ("--root", tiny_world, "--dataset", "sysu", "--split", split)
    assert vireid("embed", "--checkpoint", tiny_run, *data, "--out", out).code == 0
    assert len(Embeddings.load(out).paths) == count


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--out", "{tmp}/f.npz"], "embed needs either a data set (--dataset NAME) or"),
        (["--out", "{tmp}/f.npz", "--dataset", "sysu", "--modality", "visible"], "embed needs either a data set"),
        (["--out", "{tmp}/f.txt", "--dataset", "sysu"], "end its name in .npz"),
        (["--out", "{tmp}/f.npz", "--dataset", "regdb"], "is missing"),
        (["--out", "{tmp}/f.npz", "--dataset", "sysu", "--workers", "-1"], "reading processes must be 0 or more"),
    ],
)
def test_embed_refuses(vireid, tiny_world, tiny_run, tmp_path, arguments, text):
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    said = vireid("embed", "--checkpoint", tiny_run, "--root", tiny_world, *filled)
    assert said.code == 2
    assert text in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_image_is_named_and_nothing_is_written(vireid, tiny_world, tiny_run, tmp_path, workers):
    root, out = tmp_path / "cam1", tmp_path / "f.npz"
    shutil.copytree(tiny_world / "cam1", root)
    bad = root / "0003" / "0002.jpg"
    bad.write_bytes(bad.read_bytes()[:250])
    arguments = ("--root", root, "--modality", "visible", "--out", out, "--workers", workers)
    said = vireid("embed", "--checkpoint", tiny_run, *arguments)
    assert said.code == 2
    assert said.err.startswith(f"vireid: error: {bad} cannot be decoded")
    assert not out.exists()


@pytest.fixture
def night(tiny_world):
    return tiny_world / "cam3"


@pytest.fixture
def search(vireid, tiny_run):
    return lambda *arguments: vireid("search", "--checkpoint", tiny_run, *arguments)


@pytest.fixture
def gallery_file(vireid, tiny_world, tiny_run, tmp_path):
    file = tmp_path / "gallery.npz"
    arguments = ("--root", tiny_world / "cam1", "--modality", "visible", "--out", file)
    assert vireid("embed", "--checkpoint", tiny_run, *arguments).code == 0
    return file


def test_an_image_among_a_folder_as_table_json_and_picture(search, night, tiny_world, tmp_path):
    document, picture = tmp_path / "found.json", tmp_path / "found.png"
    query, gallery = night / "0001" / "0001.jpg", tiny_world / "cam1"
    said = search("--queries", query, "--gallery", gallery, "--top", 3, "--json", document, "--picture", picture)
    assert said.code == 0
    found = json.loads(document.read_text())
    assert (found["query_root"], found["gallery_root"]) == (str(query.parent), str(gallery))
    (only,) = found["queries"]
    assert only["query"] == "0001.jpg"
    assert len(only["results"]) == 3
    scores = [result["score"] for result in only["results"]]
    assert scores == sorted(scores, reverse=True)
    for result in only["results"]:
        assert (gallery / result["path"]).is_file()
        assert result["path"] in said.out
        assert f"{result['score']:.4f}" in said.out
    assert said.out.endswith(f"written to {document}\ndrawn in {picture}\n")
    with Image.open(picture) as image:
        assert image.format == "PNG"


def test_an_image_finds_itself_first(search, night, tmp_path):
    document = tmp_path / "found.json"
    arguments = ("--queries", night / "0002", "--gallery", night, "--gallery-modality", "infrared", "--json", document)
    assert search(*arguments, "--top", 1).code == 0
    for query in json.loads(document.read_text())["queries"]:
        assert query["results"][0]["path"] == f"0002/{query['query']}"
        assert query["results"][0]["score"] == pytest.approx(1, abs=1e-5)


def test_several_queries_and_folders(search, night, tiny_world, gallery_file, tmp_path):
    document = tmp_path / "found.json"
    queries = (night / "0001" / "0001.jpg", night / "0002", tiny_world / "cam6" / "0001")
    said = search("--queries", *queries, "--gallery", gallery_file, "--json", document, "--top", 2)
    assert said.code == 0
    named = [query["query"] for query in json.loads(document.read_text())["queries"]]
    assert named[0] == "cam3/0001/0001.jpg"
    assert {name.rpartition("/")[0] for name in named} == {"cam3/0001", "cam3/0002", "cam6/0001"}


def test_a_file_finds_what_its_folder_finds(search, night, tiny_world, gallery_file, tmp_path):
    results = []
    for gallery in (tiny_world / "cam1", gallery_file):
        document = tmp_path / "found.json"
        assert search("--queries", night, "--gallery", gallery, "--json", document, "--top", 5).code == 0
        results.append(json.loads(document.read_text())["queries"])
    for first, second in zip(*results):
        assert [each["path"] for each in first["results"]] == [each["path"] for each in second["results"]]


def test_a_file_in_any_order_finds_the_same(search, night, gallery_file, tmp_path):
    whole = np.load(gallery_file)
    order = np.random.default_rng(1).permutation(len(whole["paths"]))
    np.savez(tmp_path / "mixed.npz", features=whole["features"][order], paths=whole["paths"][order])
    outs = [
        search("--queries", night / "0001", "--gallery", tmp_path / name).out for name in ("gallery.npz", "mixed.npz")
    ]
    assert outs[0] == outs[1]


def test_a_picture_of_a_file_takes_its_images_from_the_gallery_root(search, night, tiny_world, gallery_file, tmp_path):
    picture = tmp_path / "found.jpg"
    arguments = ("--queries", night / "0001", "--gallery", gallery_file, "--picture", picture)
    assert search(*arguments, "--gallery-root", tiny_world / "cam1").code == 0
    with Image.open(picture) as image:
        assert image.format == "JPEG"
    refused = search(*arguments)
    assert refused.code == 2
    assert "add --gallery-root FOLDER" in refused.err
    assert "embedding queries" not in refused.err  # before anything is computed


def test_a_picture_of_many_queries_says_how_many_it_shows(search, night, tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr(search_module, "MOST_PICTURED", 2)
    picture = tmp_path / "found.png"
    said = search("--queries", night, "--gallery", tiny_world / "cam1", "--top", 1, "--picture", picture)
    assert said.out.endswith(f"drawn in {picture} (the first 2 of {len(list(night.glob('*/*.jpg')))} queries)\n")
    alone = tmp_path / "alone.png"
    search("--queries", night / "0001", "--gallery", tiny_world / "cam1", "--top", 1, "--picture", alone)
    with Image.open(picture) as two, Image.open(alone) as one:
        assert len(list((night / "0001").iterdir())) == 2
        assert two.height == one.height


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--queries", "{night}", "--gallery", "{tmp}/no.npz"], "there is no features file"),
        (["--queries", "{night}", "--gallery", "{tmp}/no"], "there is no gallery and no folder of images"),
        (["--queries", "{night}", "--gallery", "{tmp}/hollow"], "there are no images in"),
        (["--queries", "{night}/no.jpg", "--gallery", "{gallery}"], "there is no image or folder"),
        (["--queries", "{tmp}/hollow", "--gallery", "{gallery}"], "there are no images in"),
        (["--queries", "--gallery", "{gallery}"], "give at least one image or folder of images"),
        (["--queries", "{night}", "--gallery", "{tmp}/other.npz"], "makes features of 32 numbers and"),
        (["--queries", "{night}", "--gallery", "{tmp}/empty.npz"], "holds no embeddings"),
        (["--queries", "{night}", "--gallery", "{tmp}/nan.npz"], "every feature must be finite"),
        (["--queries", "{night}", "--gallery", "{tmp}/outside.npz"], "may not leave it"),
        (["--queries", "{night}", "--gallery", "{gallery}", "--top", "0"], "at least 1 result a query, got top 0"),
        (["--queries", "{night}", "--gallery", "{gallery}", "--picture", "{tmp}/p.gif"], "a picture is a .png or .jpg"),
    ],
)
def test_search_refuses(search, night, tiny_world, gallery_file, tmp_path, arguments, text):
    whole = np.load(gallery_file)
    features, paths = whole["features"], whole["paths"]
    np.savez(tmp_path / "other.npz", features=features[:, :7], paths=paths)
    np.savez(tmp_path / "empty.npz", features=features[:0], paths=paths[:0])
    np.savez(tmp_path / "nan.npz", features=features * np.nan, paths=paths)
    np.savez(tmp_path / "outside.npz", features=features[:1], paths=np.array(["../secret.jpg"]))
    (tmp_path / "hollow").mkdir()
    names = {"night": night, "gallery": tiny_world / "cam1", "tmp": tmp_path}
    said = search(*[argument.format(**names) for argument in arguments])
    assert said.code == 2
    assert text in said.err
    assert said.out == ""
