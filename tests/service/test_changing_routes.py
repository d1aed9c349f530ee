"""POST /api/sightings and /api/delete: what comes and goes is on disk, with its image, and in the log."""

import threading

import pytest
from serving import key_of, picture

from vireid.retrieval import Conditions
from vireid.service.lookup import sightings_of
from vireid.service.retention import forget_orphans
from vireid.types import Modality


def kept(fresh):
    return sorted(file.name for file in (fresh.folder / "images").glob("*/*"))


def test_added_images_are_found_and_shown(fresh):
    images = [picture(200), picture(201)]
    answer = fresh.upload(
        "/api/sightings",
        images,
        camera="gate",
        time="2026-11-05T12:00:00+01:00",
        track="t",
        person="p",
        tags=["red", "hat"],
        modality="visible",
    )
    added = [key_of(image) for image in images]
    assert answer.json() == {"added": 2, "known": 0, "keys": added}
    found = sightings_of(fresh.gallery, Conditions(keys=tuple(added)))
    one = found[added[0]]
    assert (one.camera, one.track, one.person, one.tags) == ("gate", "t", "p", ("red", "hat"))
    assert one.time.isoformat() == "2026-11-05T11:00:00+00:00"
    assert one.modality is Modality.VISIBLE
    assert one.path == f"images/{added[0][:2]}/{added[0]}.png"
    assert kept(fresh) == sorted(f"{key}.png" for key in added)
    best = fresh.search(images[0], wanted="any").json()["results"][0][0]
    assert best["key"] == added[0]
    assert best["score"] == pytest.approx(1, abs=1e-5)
    assert fresh("GET", best["image"], "reader").content == images[0]


def test_the_same_image_is_the_same_sighting(fresh):
    image = picture(200)
    assert fresh.upload("/api/sightings", [image, image], camera="gate").json()["added"] == 1
    again = fresh.upload("/api/sightings", [image], camera="other").json()
    assert again == {"added": 0, "known": 1, "keys": [key_of(image)]}
    assert sightings_of(fresh.gallery, Conditions(keys=(key_of(image),)))[key_of(image)].camera == "gate"


def test_a_name_is_never_a_path(fresh, tmp_path):
    image = picture(200)
    name = "../../../escaped.png"
    before = set(tmp_path.rglob("*.png"))
    answer = fresh("POST", "/api/sightings", files={"images": (name, image)})
    assert answer.status_code == 200
    assert set(tmp_path.rglob("*.png")) - before == {
        fresh.folder / "images" / key_of(image)[:2] / f"{key_of(image)}.png"
    }


def test_images_can_be_forgotten(serve):
    fresh = serve(keep_uploads=False)
    image = picture(200)
    fresh.upload("/api/sightings", [image])
    result = fresh.search(image, wanted="any").json()["results"][0][0]
    assert (result["key"], result["image"]) == (key_of(image), None)
    assert fresh("GET", f"/api/images/{key_of(image)}").status_code == 404
    assert not (fresh.folder / "images").exists()


def test_who_forgets_images_removes_those_of_earlier_with_their_sightings(serve):
    first = serve()
    deleted, orphan, left, new = (picture(seed) for seed in (200, 201, 202, 203))
    first.upload("/api/sightings", [deleted, orphan, left])
    first.client.__exit__(None, None, None)
    fresh = serve(keep_uploads=False)
    fresh.upload("/api/sightings", [new])
    assert kept(fresh) == sorted(f"{key_of(image)}.png" for image in (deleted, orphan, left))
    fresh.delete(keys=[key_of(deleted)])
    assert kept(fresh) == sorted(f"{key_of(image)}.png" for image in (orphan, left))
    fresh.gallery.delete(Conditions(keys=(key_of(orphan),)))  # as `vireid gallery delete` does
    forget_orphans(fresh.client.app.state.service, threading.Event())
    assert kept(fresh) == [f"{key_of(left)}.png"]


def test_both_ends_of_a_change_are_in_the_log(fresh):
    image = picture(200)
    fresh.upload("/api/sightings", [image], camera="gate", time="2026-11-05T12:00:00Z")
    fresh.delete(cameras=["gate"])
    entries = [entry for entry in fresh.audit() if entry["what"] in ("add", "delete")][::-1]
    assert [(entry["what"], entry["stage"]) for entry in entries] == [
        ("add", "begun"),
        ("add", "done"),
        ("delete", "begun"),
        ("delete", "done"),
    ]
    assert all(entry["who"] == "operator-name" for entry in entries)
    assert entries[0]["keys"] == entries[1]["keys"] == [key_of(image)]
    assert entries[0]["sighting"] == {"camera": "gate", "time": "2026-11-05T12:00:00Z"}
    assert entries[3]["conditions"] == {"cameras": ["gate"]}
    assert entries[3]["sightings"] == 1


def test_what_is_deleted_goes_with_its_image(fresh):
    image = picture(200)
    fresh.upload("/api/sightings", [image, picture(201)], track="t")
    assert fresh.delete(tracks=["t"], keys=[key_of(image)], dry_run=True).json() == {
        "sightings": 1,
        "deleted": False,
    }
    assert fresh.gallery.count() == 14
    assert fresh.delete(tracks=["t"], keys=[key_of(image)]).json() == {"sightings": 1, "deleted": True}
    assert fresh.gallery.count() == 13
    assert kept(fresh) == [f"{key_of(picture(201))}.png"]
    assert fresh("GET", f"/api/images/{key_of(image)}").status_code == 404


def test_an_indexed_image_is_left_where_it_lies_and_not_shown(fresh, tmp_path):
    fresh.delete(keys=[fresh.keys[0]])
    assert (tmp_path / "crops" / "camera 0" / "0.png").exists()
    assert fresh("GET", f"/api/images/{fresh.keys[0]}").status_code == 404


def test_everything_is_for_admins_who_say_so(fresh):
    assert fresh.delete("operator", everything=True).status_code == 403
    assert fresh.delete("admin").status_code == 422
    assert "would delete everything" in fresh.delete("admin").json()["detail"]
    assert fresh.delete("admin", everything=True, dry_run=True).json() == {"sightings": 12, "deleted": False}
    assert fresh.delete("admin", everything=True).json() == {"sightings": 12, "deleted": True}
    assert fresh.gallery.count() == 0


@pytest.mark.parametrize("body", [{"until": "2030-01-01T00:00:00Z"}, {"modality": "visible"}])
def test_what_may_be_met_by_everything_is_for_admins(fresh, body):
    assert fresh.delete("operator", **body).status_code == 403
    assert fresh.delete("admin", **body, dry_run=True).status_code == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"keys": ["abc"]}, "keys.0: "),
        ({"persons": ["a", 5]}, "persons.1: "),
        ({"cameras": ["a\ud800"]}, ""),
        ({"camera": ["a"]}, "camera: Extra inputs"),
        ({"cameras": ["a"], "until": "2026-11-01"}, "needs a time zone"),
        ({"cameras": ["a"], "until": 5}, "ISO 8601"),
    ],
)
def test_a_wrong_deletion_is_refused(fresh, body, sentence):
    import json

    answer = fresh(
        "POST", "/api/delete", "admin", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert sentence in answer.json()["detail"]
    assert fresh.gallery.count() == 12


def test_a_change_that_the_log_cannot_tell_of_is_not_made(fresh, monkeypatch):
    import errno
    import os

    def no_room(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    for answer in (
        fresh.upload("/api/sightings", [picture(200)]),
        fresh.delete(keys=[fresh.keys[0]]),
        fresh.search(picture(1)),
        fresh.search(picture(1), role="nobody"),
    ):
        assert answer.status_code == 507
        assert "audit log audit.jsonl cannot be written (No space left" in answer.json()["detail"]
    monkeypatch.undo()
    assert fresh.gallery.count() == 12
    assert not (fresh.folder / "images").exists()


def test_one_bad_image_adds_none(fresh):
    answer = fresh.upload("/api/sightings", [picture(200), picture(201)[:-30]])
    assert answer.status_code == 422
    assert "image '1.png' cannot be decoded" in answer.json()["detail"]
    assert fresh.gallery.count() == 12
