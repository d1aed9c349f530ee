"""What is known of images before they are read: from folders, names, tables."""

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from vireid.retrieval import sources_of_folder, sources_of_records
from vireid.retrieval.file_times import time_in_name
from vireid.types import Modality, Record, Records, VireidError

CET = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2026-11-21T08:30:05Z", "2026-11-21T08:30:05+00:00"),
        ("door_20261121T083005Z_0042", "2026-11-21T08:30:05+00:00"),
        ("20261121T083005.25+0100", "2026-11-21T08:30:05.250000+01:00"),
        ("20261121T083005-05:30-crop", "2026-11-21T08:30:05-05:30"),
        ("2026-11-21_08-30-05", "2026-11-21T08:30:05+01:00"),  # no zone: the one given
        ("2026-11-21 08.30.05 yard", "2026-11-21T08:30:05+01:00"),
        ("20261121T083005-0042", "2026-11-21T08:30:05+01:00"),  # a running number, no zone
        ("20269921T083005_20261121T083005", "2026-11-21T08:30:05+01:00"),  # the first is no date
        ("020261121T083005", None),  # part of a longer number
        ("20261121T0830051", None),
        ("20261121", None),  # a day is no moment
        ("0001", None),
        ("", None),
    ],
)
def test_times_in_names(name, expected):
    found = time_in_name(name, CET)
    assert (found and found.isoformat()) == expected


@pytest.fixture
def crops(tmp_path):
    for path in (
        "gate/t1/20261121T080000Z.jpg",
        "gate/t1/a.png",
        "yard/t2/b.jpg",
        "top.jpg",
        "parts/yard/t2/b.png",  # the part map of an image
        "parts/other.png",  # an image of a camera called parts
        ".hidden/c.jpg",
        "yard/notes.txt",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    return tmp_path


def short(crops, **options):
    return [
        (source.path.relative_to(crops).as_posix(), source.camera, source.track, source.person)
        for source in sources_of_folder(crops, **options)
    ]


def test_the_first_folder_is_the_camera(crops):
    assert short(crops) == [
        ("gate/t1/20261121T080000Z.jpg", "gate", None, None),
        ("gate/t1/a.png", "gate", None, None),
        ("parts/other.png", "parts", None, None),
        ("top.jpg", None, None, None),
        ("yard/t2/b.jpg", "yard", None, None),
    ]


def test_levels_and_one_camera_for_all(crops):
    assert short(crops, levels=("camera", "track"))[0][1:] == ("gate", "t1", None)
    assert short(crops, levels=("-", "person"))[0][1:] == (None, None, "t1")
    assert short(crops, levels=("camera", "track"), camera="door")[-1][1:] == ("door", "t2", None)
    assert short(crops, camera="door")[3][1:] == ("door", None, None)
    with pytest.raises(VireidError, match="each level of folders says something else, got camera camera"):
        short(crops, levels=("camera", "camera"))


def test_where_times_are_from(crops):
    os.utime(crops / "top.jpg", (1000, 1000))
    by_name = {source.path.name: source.time for source in sources_of_folder(crops)}
    assert by_name["20261121T080000Z.jpg"] == datetime(2026, 11, 21, 8, tzinfo=timezone.utc)
    assert by_name["top.jpg"] is None
    by_change = {source.path.name: source.time for source in sources_of_folder(crops, time_from="mtime")}
    assert by_change["20261121T080000Z.jpg"] == by_name["20261121T080000Z.jpg"]
    assert by_change["top.jpg"] == datetime(1970, 1, 1, 0, 16, 40, tzinfo=timezone.utc)
    assert {source.time for source in sources_of_folder(crops, time_from="none")} == {None}


def test_paths_are_absolute_and_the_modality_is_as_told(crops, monkeypatch):
    monkeypatch.chdir(crops)
    first = next(iter(sources_of_folder(Path("gate"), modality=Modality.INFRARED)))
    assert first.path == crops / "gate" / "t1" / "20261121T080000Z.jpg"
    assert first.modality is Modality.INFRARED
    assert first.camera == "t1"


def test_folders_that_cannot_be_listed_are_refused(crops):
    with pytest.raises(VireidError, match="must be a folder, but there is nothing at"):
        list(sources_of_folder(crops / "absent"))
    (crops / "out").symlink_to("/")
    with pytest.raises(VireidError, match="symbolic links must stay below the root"):
        list(sources_of_folder(crops))


def test_a_table_says_everything(tmp_path):
    row = {"split": "test", "modality": Modality.INFRARED}
    rows = [
        Record(path="a.jpg", person=0, camera=1, track="t", time=1000.0, **row),
        Record(path="b.jpg", person=-1, camera=7, **row),
    ]
    table = Records.build(tmp_path, rows, person_names={0: "ann"}, camera_names={1: "door"})
    first, second = sources_of_records(table)
    assert (first.path, first.camera, first.person, first.track) == (tmp_path / "a.jpg", "door", "ann", "t")
    assert first.time == datetime(1970, 1, 1, 0, 16, 40, tzinfo=timezone.utc)
    assert first.modality is Modality.INFRARED
    assert (second.camera, second.person, second.track, second.time) == ("7", None, None, None)
