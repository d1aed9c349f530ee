import hashlib
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient

from vireid.retrieval import Gallery, Sighting, edge_store, open_gallery, rebuilding
from vireid.retrieval.gallery_server import open_named, rebuilding_named
from vireid.types import Modality, VireidError

QUIET = pytest.mark.filterwarnings("ignore:(Payload indexes|Local mode)")


def rows(count: int) -> list[Sighting]:
    keys = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    return [Sighting(key=key, path=f"{number}.jpg", modality=Modality.VISIBLE) for number, key in enumerate(keys)]


def made(folder: Path, count: int = 3) -> Path:
    with open_gallery(folder, create=True, model="old", dimension=2) as gallery:
        gallery.add(rows(count), np.ones((count, 2), np.float32), model="old")
    return folder


def collections(folder: Path) -> list[str]:
    return sorted(entry.name for entry in (folder / "collections").iterdir())


def test_a_gallery_is_there_after_reopening(tmp_path):
    folder = made(tmp_path / "deep" / "gallery")
    for place in (folder, str(folder)):
        with open_gallery(place) as gallery:
            assert (gallery.count(), gallery.model, gallery.dimension) == (3, "old", 2)
    with open_gallery(folder, create=True, model="old", dimension=2) as gallery:
        assert gallery.count() == 3


def test_a_closed_gallery_says_so_and_closes_twice(tmp_path):
    with open_gallery(made(tmp_path / "g")) as gallery:
        gallery.close()
        with pytest.raises(VireidError, match=r"gallery .*g was closed; open it again"):
            gallery.count()


def test_a_process_that_rebuilds_keeps_others_out_and_leaves_the_old_when_it_is_killed(tmp_path):
    folder = made(tmp_path / "g")
    before = collections(folder)
    program = """
import sys, vireid.retrieval as r
with r.rebuilding(sys.argv[1], model="new", dimension=3):
    print("open", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(VireidError, match="is open already, in this process or another"):
            open_gallery(folder)
        with pytest.raises(VireidError, match="is open already"), rebuilding(folder, model="new", dimension=2):
            pass
        other.kill()
    assert len(collections(folder)) == 2
    (folder / "collections" / "notes of the user").mkdir()
    with open_gallery(folder) as gallery:
        assert (gallery.count(), gallery.model) == (3, "old")
        assert collections(folder) == sorted([*before, "notes of the user"])
        with pytest.raises(VireidError, match="is open already"):
            open_gallery(folder)


def test_what_is_no_gallery_is_refused(tmp_path):
    with pytest.raises(VireidError, match=r"there is no gallery in .*none; give the folder of one, or create it"):
        open_gallery(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(VireidError, match="there is no gallery in"), rebuilding(tmp_path, model="m", dimension=2):
        pass
    with pytest.raises(VireidError, match=r"needs the fingerprint of its model .* got model None and dimension 3"):
        open_gallery(tmp_path / "new", create=True, dimension=3)
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(VireidError, match=r"takes an empty folder, but .* holds 'holiday.jpg'"):
        open_gallery(tmp_path, create=True, model="m", dimension=2)
    with pytest.raises(VireidError, match="cannot open gallery"):
        open_gallery(tmp_path / "holiday.jpg", create=True, model="m", dimension=2)


def test_another_model_or_dimension_is_refused_and_the_lock_let_go(tmp_path):
    folder = made(tmp_path / "g")
    with pytest.raises(VireidError, match="holds features of model 'old', but these come from model 'new'"):
        open_gallery(folder, model="new")
    with pytest.raises(VireidError, match="holds features of 2 numbers, but these have 3"):
        open_gallery(folder, create=True, model="old", dimension=3)
    open_gallery(folder, model="old", dimension=2).close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "is of format 2, but this version of vireid reads format 1"),
        ({"collection": "../../elsewhere"}, "its values are not sound"),
        ({"dimension": 0}, "its values are not sound"),
        ({"created": "garbage"}, "its values are not sound"),
        ({"created": "2026-11-21T08:00:00"}, "its values are not sound"),  # without a zone
        ({"extra": 1}, "does not describe a gallery of vireid"),
        (None, "does not describe a gallery of vireid"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path, change, message):
    folder = made(tmp_path / "g")
    file = folder / "gallery.json"
    file.write_text("{" if change is None else json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(VireidError, match=message):
        open_gallery(folder)


def test_a_panic_of_the_engine_is_a_sentence(tmp_path):
    folder = made(tmp_path / "g")
    [status] = folder.glob("collections/*/segments/*/vector_storage/vectors/status.dat")
    content = status.read_bytes()
    os.truncate(status, len(content) // 2)
    message = r"cannot open the gallery's files in .* seem damaged: .*; put them back from a backup, or index the"
    for _ in range(2):  # the lock is let go
        with pytest.raises(VireidError, match=message):
            open_gallery(folder)
    status.write_bytes(content)
    with open_gallery(folder) as gallery:
        assert gallery.count() == 3


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_process_is_no_damage(tmp_path, monkeypatch, kind):
    folder = made(tmp_path / "g")

    def interrupted(*_):
        raise kind

    monkeypatch.setattr(edge_store, "_opened", interrupted)
    with pytest.raises(kind):
        open_gallery(folder)


def test_lost_files_are_an_error_and_not_an_empty_gallery(tmp_path):
    folder = made(tmp_path / "g")
    [collection] = collections(folder)
    (folder / "collections" / collection).rename(tmp_path / "lost")
    with pytest.raises(VireidError, match=r"the files of gallery .* are gone"):
        open_gallery(folder)


def test_rebuilding_takes_the_place_of_the_old_when_it_ends_well(tmp_path):
    folder = made(tmp_path / "g")
    before = collections(folder)
    with rebuilding(folder, model="new", dimension=3) as gallery:
        assert gallery.count() == 0
        gallery.add(rows(2), np.ones((2, 3), np.float32), model="new")
        assert json.loads((folder / "gallery.json").read_text())["model"] == "old"
    with open_gallery(folder) as gallery:
        assert (gallery.count(), gallery.model, gallery.dimension) == (2, "new", 3)
    assert len(collections(folder)) == 1
    assert collections(folder) != before


def test_rebuilding_that_fails_leaves_the_old(tmp_path):
    folder = made(tmp_path / "g")
    before = collections(folder)
    with (
        pytest.raises(VireidError, match="model 'new', but these come from model 'old'"),
        rebuilding(folder, model="new", dimension=3) as gallery,
    ):
        gallery.add(rows(2), np.ones((2, 3), np.float32), model="old")
    assert collections(folder) == before
    with open_gallery(folder) as gallery:
        assert (gallery.count(), gallery.model) == (3, "old")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:6333",
        "http://localhost:6333/",
        "http://localhost:6333/a/b",
        "http://localhost:6333/../people",
        "http://localhost:6333/a%2Fb",
        "http://localhost:6333/people?key=secret",
        "http://somebody:secret@localhost:6333/people",
        "http://localhost:66666/people",
    ],
)
def test_urls_that_name_no_gallery_are_refused_without_telling_secrets(url):
    with pytest.raises(VireidError, match=r"the URL of a gallery is http://host:6333/name") as caught:
        open_gallery(url)
    assert "secret" not in str(caught.value)


def test_places_that_are_neither_folder_nor_http_are_refused():
    with pytest.raises(VireidError, match="a folder or http://host:6333/name, got 's3://bucket/people'"):
        open_gallery("s3://bucket/people")


def test_a_client_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "vireid.retrieval.gallery_server")
    monkeypatch.delitem(sys.modules, "vireid.retrieval.server_store", raising=False)
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(VireidError, match=r"package qdrant_client, .*pip install '\.\[server\]'"):
        open_gallery("http://localhost:6333/people")


def test_a_server_that_is_away_is_an_error():
    with pytest.raises(VireidError, match=r"the Qdrant server of http://127\.0\.0\.1:1/people does not answer"):
        open_gallery("http://127.0.0.1:1/people")


@QUIET
def test_a_server_switches_a_name_to_the_rebuilt_collection():
    client = QdrantClient(":memory:")
    place = "http://host/people"

    def opened(**keywords) -> Gallery:
        store, facts = open_named(
            client, "people", place=place, **({"create": False, "model": None, "dimension": None} | keywords)
        )
        return Gallery(store, facts, place)

    with pytest.raises(VireidError, match="there is no gallery at http://host/people"):
        opened()
    old = opened(create=True, model="old", dimension=2)
    old.add(rows(3), np.ones((3, 2), np.float32), model="old")
    with pytest.raises(VireidError, match="model 'old', but these come from model 'new'"):
        opened(create=True, model="new", dimension=2)
    assert opened().count() == 3
    assert old.info().bytes is None

    foreign = "people." + "x" * 32
    leftover = f"people.{uuid.uuid4().hex}"
    for name in (foreign, leftover):
        client.create_collection(name, vectors_config={})
    with (
        pytest.raises(RuntimeError, match="out of luck"),
        rebuilding_named(client, "people", place=place, model="new", dimension=3),
    ):
        raise RuntimeError("out of luck")
    assert opened().model == "old"
    with rebuilding_named(client, "people", place=place, model="new", dimension=3) as gallery:
        gallery.add(rows(1), np.ones((1, 3), np.float32), model="new")
        assert opened().model == "old"
    assert (opened().model, opened().count()) == ("new", 1)
    assert len(client.get_collections().collections) == 2
    assert client.collection_exists(foreign)
    # Who had the old one open is not led to features of another model.
    with pytest.raises(VireidError, match=r"cannot read collection people\.[0-9a-f]{32} of the Qdrant server"):
        old.count()
