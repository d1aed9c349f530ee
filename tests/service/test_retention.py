"""What is too old goes, at the start and every hour, with its image; what the rule cannot reach is said."""

import os
import threading
import time
from datetime import timedelta

import pytest
from serving import START, key_of, picture

from vireid.cli.main import main
from vireid.retrieval import Conditions
from vireid.service.lookup import without_time
from vireid.service.retention import delete_old, forget_orphans
from vireid.service.uncompacted import note_uncompacted
from vireid.types import VireidError


def wait_for(condition):
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


def test_a_start_deletes_what_is_too_old(serve):
    served = serve(keep_days=1)  # all of them are from the past
    wait_for(lambda: served.gallery.count() == 0)
    wait_for(lambda: any(entry.get("stage") == "done" for entry in served.audit()))
    done, begun = [entry for entry in served.audit() if entry["what"] == "retention"]
    assert (begun["stage"], done["stage"], done["sightings"], done["keep_days"]) == ("begun", "done", 12, 1)
    assert "vireid_retention_deleted_total 12" in served("GET", "/metrics").text


def test_the_border_is_exact_and_images_go_too(serve):
    served = serve(keep_days=36500)
    service = served.client.app.state.service
    service.settings = type(service.settings)(keep_days=2, kept_images=None)
    image = picture(200)
    served.upload("/api/sightings", [image], time=(START + timedelta(minutes=3)).isoformat())
    assert delete_old(service, START + timedelta(days=2, minutes=3)) == 3
    assert served.gallery.count() == 10
    assert len(list((served.folder / "images").glob("*/*"))) == 1
    assert delete_old(service, START + timedelta(days=2, minutes=4)) == 2
    assert not list((served.folder / "images").glob("*/*"))
    assert delete_old(service, START + timedelta(days=2, minutes=4)) == 0


@pytest.mark.parametrize("fields", [{}, {"time": "2999-01-01T00:00:00Z"}])
def test_with_a_rule_every_upload_needs_its_time(serve, fields):
    served = serve(keep_days=36500)
    answer = served.upload("/api/sightings", [picture(200)], **fields)
    assert answer.status_code == 422
    assert "each needs the time when it was seen" in answer.json()["detail"]


def test_sightings_without_time_stay_and_are_counted(serve):
    served = serve()
    served.upload("/api/sightings", [picture(200)])
    service = served.client.app.state.service
    assert without_time(served.gallery) == 1
    service.settings = type(service.settings)(keep_days=1)
    delete_old(service, START + timedelta(days=1000))
    assert served.gallery.count() == 1
    assert "vireid_gallery_sightings_without_time 1" in served("GET", "/metrics").text


def test_images_whose_sighting_is_gone_are_removed(fresh):
    images = [picture(200), picture(201)]
    fresh.upload("/api/sightings", images)
    fresh.gallery.delete(Conditions(keys=(key_of(images[0]),)))  # as `vireid gallery delete` does
    service = fresh.client.app.state.service
    (fresh.folder / "images" / "notes.txt").write_text("not ours")
    assert forget_orphans(service, threading.Event()) == 1
    kept = [file.stem for file in (fresh.folder / "images").glob("*/*")]
    assert kept == [key_of(images[1])]
    assert (fresh.folder / "images" / "notes.txt").exists()


def test_a_failure_is_counted_and_the_service_goes_on(serve, monkeypatch, caplog):
    from vireid.service import retention

    def fails(service, now):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(retention, "delete_old", fails)
    served = serve(keep_days=1)
    wait_for(lambda: "vireid_retention_failures_total 1.0" in served("GET", "/metrics").text)
    assert "retention failed and is tried again" in caplog.text
    assert served.search(picture(1)).status_code == 200


def test_of_what_was_deleted_no_bytes_are_left_after_the_next_start(serve, tmp_path):
    served = serve(uncompacted=tmp_path / "uncompacted")
    served.upload("/api/sightings", [picture(200)], person="somebody-to-forget")

    def held():
        files = (file for file in (served.folder / "collections").rglob("*") if file.is_file())
        return any(b"somebody-to-forget" in file.read_bytes() for file in files)

    assert held()
    served.delete(persons=["somebody-to-forget"])
    served.client.__exit__(None, None, None)
    assert (tmp_path / "uncompacted").exists()
    again = serve(uncompacted=tmp_path / "uncompacted")
    wait_for(lambda: not (tmp_path / "uncompacted").exists())
    assert not held()
    assert again.gallery.count() == 12
    again.delete(keys=["0" * 64])  # which nothing meets
    assert not (tmp_path / "uncompacted").exists()


def test_what_was_deleted_from_the_command_line_is_compacted_too(serve, tmp_path):
    home = tmp_path / "gallery"
    serve().client.__exit__(None, None, None)
    assert main(["gallery", "delete", str(home), "--person", "no such", "--yes"]) == 0
    assert not (home / "uncompacted").exists()
    assert main(["gallery", "delete", str(home), "--person", "person 0", "--yes"]) == 0
    assert (home / "uncompacted").exists()
    serve(uncompacted=home / "uncompacted").client.__exit__(None, None, None)
    assert not (home / "uncompacted").exists()
    assert main(["gallery", "delete", str(home), "--person", "person 1", "--yes"]) == 0
    assert main(["gallery", "compact", str(home)]) == 0
    assert not (home / "uncompacted").exists()


def test_the_note_is_on_the_disk_before_anything_is_deleted(serve, tmp_path, monkeypatch):
    served = serve(uncompacted=tmp_path / "uncompacted")
    synced, fsync, delete = [], os.fsync, served.gallery.delete

    def deleted(*arguments, **options):
        assert tmp_path.stat().st_ino in synced
        return delete(*arguments, **options)

    def noted(handle):
        synced.append(os.fstat(handle).st_ino)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(served.gallery, "delete", deleted)
    assert served.delete(keys=[served.keys[0]]).json()["sightings"] == 1
    with pytest.raises(VireidError, match="cannot write"):
        note_uncompacted(tmp_path / "crops" / "camera 0" / "0.png" / "x", True)
