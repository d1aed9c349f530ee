"""POST /api/search and what is read: results, filters, several queries, lists, images."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from serving import DIMENSION, MODEL, Thumbnails, key_of, picture

from vireid.retrieval import Conditions, fuse
from vireid.service.lookup import features_of
from vireid.types import Modality


def keys(answer, query=0):
    assert answer.status_code == 200, answer.text
    return [result["key"] for result in answer.json()["results"][query]]


def expected(served, contents, **conditions):
    """The same search, without the service."""
    embedder = Thumbnails()
    rows = np.stack([embedder.prepare(content, "auto", "q").thumbnail for content in contents])
    [matches] = served.gallery.search(fuse(rows)[None], model=MODEL, top=20, conditions=Conditions(**conditions))
    return [match.sighting.key for match in matches]


def test_an_image_finds_the_other_modality_best_first(served):
    answer = served.search(picture(100))
    assert keys(answer) == expected(served, [picture(100)], modality=Modality.INFRARED)
    body = answer.json()
    assert body["queries"] == [{"name": "0.png", "modality": "visible", "found": True}]
    scores = [result["score"] for result in body["results"][0]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 6
    first = body["results"][0][0]
    assert set(first) == {"key", "score", "camera", "time", "track", "person", "modality", "tags", "image"}
    assert first["image"] == f"/api/images/{first['key']}"
    assert first["time"].startswith("2026-11-01T00:")


def test_a_given_modality_is_taken(served):
    answer = served.search(picture(100), modality="infrared")
    assert answer.json()["queries"] == [{"name": "0.png", "modality": "infrared", "found": False}]
    assert {result["modality"] for result in answer.json()["results"][0]} == {"visible"}


@pytest.mark.parametrize("wanted", ["visible", "infrared", "any"])
def test_what_is_wanted_is_found(served, wanted):
    conditions = {} if wanted == "any" else {"modality": Modality(wanted)}
    answer = served.search(picture(100), wanted=wanted)
    assert keys(answer) == expected(served, [picture(100)], **conditions)


@pytest.mark.parametrize(
    ("fields", "conditions"),
    [
        ({"cameras": ["camera 0"]}, {"cameras": ("camera 0",)}),
        ({"cameras[]": ["camera 0", "camera 1"]}, {"cameras": ("camera 0", "camera 1")}),
        ({"persons": ["person 1"], "tracks": ["track 0"]}, {"persons": ("person 1",), "tracks": ("track 0",)}),
        ({"tags": ["no such"]}, {"tags": ("no such",)}),
        ({"cameras": [""]}, {}),  # a form that was left empty
    ],
)
def test_filters_hold(served, fields, conditions):
    answer = served.search(picture(100), wanted="any", **fields)
    assert keys(answer) == expected(served, [picture(100)], **conditions)


def test_times_with_a_zone_bound_the_search(served):
    answer = served.search(
        picture(100), wanted="any", since="2026-11-01T00:02:00Z", until="2026-11-01T01:04:00+01:00", top=200
    )
    assert set(keys(answer)) == {served.keys[2], served.keys[3]}


def test_several_images_are_one_person_unless_said_otherwise(served):
    images = [picture(100), picture(101)]
    assert keys(served.search(*images, wanted="any")) == expected(served, images)
    apart = served.search(*images, wanted="any", fuse=False)
    assert [keys(apart, row) for row in range(2)] == [expected(served, [image]) for image in images]


def test_queries_apart_each_want_their_other_modality(served):
    images = [picture(100), picture(101, infrared=True), picture(102)]
    apart = served.search(*images, fuse="false")
    lights = [{result["modality"] for result in results} for results in apart.json()["results"]]
    assert lights == [{"infrared"}, {"visible"}, {"infrared"}]
    together = served.search(*images)
    assert together.status_code == 422
    assert "'other' needs queries of one modality" in together.json()["detail"]


def test_a_track_is_found_once(served):
    answer = served.search(picture(100), wanted="any", by_track=True)
    tracks = [result["track"] for result in answer.json()["results"][0]]
    assert sorted(tracks) == ["track 0", "track 1", "track 2"]


def test_a_sighting_as_query_is_the_same_as_its_image(served):
    image, key = picture(3, infrared=True), served.keys[3]
    by_image = served.search(image, wanted="any")
    by_key = served.search(keys=key, wanted="any")
    assert keys(by_image)[0] == key
    assert keys(by_key) == keys(by_image)[1:]
    assert by_key.json()["queries"] == [{"name": key, "modality": "infrared", "found": False}]
    both = served.search(picture(100), keys=[served.keys[0], served.keys[2]])
    assert [query["name"] for query in both.json()["queries"]] == ["0.png", served.keys[0], served.keys[2]]


def test_a_key_that_is_gone_is_404(served):
    answer = served.search(keys="0" * 64)
    assert answer.status_code == 404
    assert "has no sighting 0000" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"top": "0"}, "top: Input should be greater than or equal to 1, got '0'"),
        ({"top": "201"}, "top: "),
        ({"top": ["1", "2"]}, "'top' may be given once, got 2"),
        ({"since": "yesterday"}, "ISO 8601 with a zone"),
        ({"since": "2026-11-01"}, "needs a time zone"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "outside the years 1 to 9999"),
        ({"since": "2026-11-02T00:00:00Z", "until": "2026-11-01T00:00:00Z"}, "ends after it starts"),
        ({"wanted": "both"}, "wanted: "),
        ({"cameras": "a\x00b"}, "no control characters"),
        ({"cameras": "a" * 201}, "cameras.0: String should have at most 200"),
        ({"keys": "../../etc/passwd"}, "keys.0: "),
        ({"camera": "x"}, "camera: Extra inputs"),
    ],
)
def test_a_wrong_field_is_said_in_one_sentence(served, fields, sentence):
    answer = served.search(picture(100), **fields)
    assert answer.status_code == 422
    assert sentence in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_a_search_needs_a_query(served):
    answer = served.search(top=5)
    assert answer.status_code in (415, 422)
    answer = served("POST", "/api/search", files={"picture": ("a.png", picture(1))})
    assert answer.status_code == 422
    assert "sent as 'images', got a file as 'picture'" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_every_kind_of_image_is_read_by_its_content(served, kind):
    file = io.BytesIO()
    Image.open(io.BytesIO(picture(3))).save(file, format=kind, **({"lossless": True} if kind == "WEBP" else {}))
    files = {"images": ("notes.txt", file.getvalue(), "text/plain")}
    answer = served("POST", "/api/search", files=files, data={"wanted": "any"})
    assert keys(answer) == keys(served.search(picture(3), wanted="any"))


def test_a_jpeg_is_read(served):
    assert served.search(picture(3, kind="JPEG")).status_code == 200


def test_lists_count_sightings(served):
    assert served("GET", "/api/cameras", "reader").json() == {"camera 0": 6, "camera 1": 6}
    assert served("GET", "/api/persons", "reader").json() == {"person 0": 4, "person 1": 4, "person 2": 4}
    assert served("GET", "/api/tracks", "reader").json() == {"track 0": 4, "track 1": 4, "track 2": 4}


def test_me_says_who_and_what(served):
    me = served("GET", "/api/me", "operator").json()
    assert (me["name"], me["role"]) == ("operator-name", "operator")
    assert me["gallery"] == {
        "sightings": 12,
        "dimension": DIMENSION,
        "model": MODEL,
        "cameras": 2,
        "persons": 3,
    }


def test_an_indexed_image_is_shown_as_it_is(served):
    answer = served("GET", f"/api/images/{served.keys[0]}", "reader")
    assert key_of(answer.content) == served.keys[0]
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_image_that_is_not_there_is_404(served):
    assert served("GET", f"/api/images/{'0' * 64}", "reader").status_code == 404
    assert served("GET", "/api/images/..%2f..%2fetc%2fpasswd", "reader").status_code in (404, 422)


def test_a_search_is_in_the_log_with_its_results_and_no_more(served):
    found = keys(served.search(picture(100), cameras="camera 1", since="2026-11-01T00:00:00Z"))
    entry = served.audit()[0]
    assert entry["what"] == "search"
    assert (entry["who"], entry["role"], entry["address"]) == ("reader-name", "reader", "testclient")
    assert entry["conditions"] == {
        "cameras": ["camera 1"],
        "since": "2026-11-01T00:00:00+00:00",
        "wanted": "other",
    }
    assert entry["results"] == [found]
    assert entry["queries"] == [{"image": True}]
    text = (served.folder / "audit.jsonl").read_text()
    assert "reader-token" not in text
    assert len(json.dumps(entry)) < 2000


def test_a_file_that_is_called_like_a_sighting_is_an_image_in_the_log(served):
    key = served.keys[0]
    files = [("images", (key, picture(100))), ("keys", (None, key))]
    assert served("POST", "/api/search", files=files).status_code == 200
    assert served.audit()[0]["queries"] == [{"image": True}, {"key": key}]


@pytest.fixture
def shrinking(served, monkeypatch):
    """A gallery whose first sighting is deleted after it has been asked for once."""
    each, asked = served.gallery.each, []

    def fewer(conditions):
        asked.append(conditions)
        for sightings, features in each(conditions):
            yield (sightings, features) if len(asked) == 1 else (sightings[1:], features[1:])

    monkeypatch.setattr(served.gallery, "each", fewer)
    return served


def test_a_query_by_key_has_its_own_feature_while_another_is_deleted(shrinking):
    keys = sorted(shrinking.keys)[:3]
    whole = features_of(shrinking.gallery, keys)
    assert set(whole) == set(keys)
    fewer = features_of(shrinking.gallery, keys)
    assert set(fewer) == set(keys[1:])
    assert all(np.array_equal(fewer[key], whole[key]) for key in keys[1:])


def test_a_sighting_that_is_deleted_while_it_is_asked_for_is_404(shrinking):
    keys = sorted(shrinking.keys)[:3]
    answer = shrinking.search(keys=keys)
    assert answer.status_code == 404
    assert f"has no sighting {keys[0]}" in answer.json()["detail"]


def test_explain_without_a_network_is_501(served):
    answer = served("POST", "/api/explain", files={"image": ("a.png", picture(1))}, data={"key": served.keys[0]})
    assert answer.status_code == 501
    assert "exported model" in answer.json()["detail"]
