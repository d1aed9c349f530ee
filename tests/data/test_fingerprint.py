"""A data set in a few digits."""

import dataclasses
import os
import re
import shutil

import numpy as np
import pytest

from vireid.data import fingerprint_records, read_sysu_mm01, same_data
from vireid.types import VireidError


def test_it_is_of_the_images_and_not_of_where_they_lie(tiny_world, tmp_path):
    records = read_sysu_mm01(tiny_world)
    moved = read_sysu_mm01(shutil.copytree(tiny_world, tmp_path / "moved"))
    assert fingerprint_records(records) == fingerprint_records(moved)
    assert re.fullmatch("content:[0-9a-f]{16}", fingerprint_records(records))


def test_any_change_changes_it(tiny_world, tmp_path):
    records = read_sysu_mm01(shutil.copytree(tiny_world, tmp_path / "world"))
    some = {fingerprint_records(records), fingerprint_records(records, np.arange(len(records) - 1))}
    for name, value in {"persons": 900, "cameras": 9, "infrared": not records.infrared[3], "splits": "other"}.items():
        column = getattr(records, name).copy()
        column[3] = value
        some.add(fingerprint_records(dataclasses.replace(records, **{name: column})))
    with records.file(0).open("ab") as image:
        image.write(b"\0")
    some.add(fingerprint_records(records))
    content = bytearray(records.file(0).read_bytes())
    content[-2] ^= 1  # as many bytes as before
    records.file(0).write_bytes(content)
    some.add(fingerprint_records(records))
    assert len(some) == 8


def test_of_many_images_some_are_read_from_one_end_to_the_other(tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr("vireid.data.fingerprint._READ", 3)
    records = read_sysu_mm01(shutil.copytree(tiny_world, tmp_path / "world"))
    rows = np.arange(9)
    before = fingerprint_records(records, rows)
    noticed = []
    for row in rows.tolist():
        content = records.file(row).read_bytes()
        records.file(row).write_bytes(bytes(len(content)))
        if fingerprint_records(records, rows) != before:
            noticed.append(row)
        records.file(row).write_bytes(content)
    assert noticed == [0, 4, 8]


def test_no_image_is_read_far_and_no_pipe_is_waited_for(tiny_world, tmp_path):
    records = read_sysu_mm01(shutil.copytree(tiny_world, tmp_path / "world"))
    file = records.file(0)
    file.write_bytes(bytes(70_000))
    before = fingerprint_records(records)
    file.write_bytes(bytes(2**16) + b"\1" * (70_000 - 2**16))
    assert fingerprint_records(records) == before
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(VireidError, match=f"the image {file} cannot be looked at: it is no regular file"):
        fingerprint_records(records)
    nothing = np.zeros(0, dtype=np.int64)
    assert fingerprint_records(records, nothing) == fingerprint_records(records, nothing)


def test_fingerprints_of_two_forms_do_not_compare():
    old = {"fingerprint": "eff1cf06e75a6433", "images": 54, "identities": 5}
    new = old | {"fingerprint": "content:eff1cf06e75a6433"}
    assert same_data(old, dict(old)) is True
    assert same_data(old, new) is same_data(new, old) is None
    assert same_data(new, new | {"fingerprint": "content:0000000000000000"}) is False
    # Other counts are other data, however they were read.
    assert same_data(old, new | {"images": 55}) is False


def test_a_missing_image_is_named(tiny_world, tmp_path):
    records = read_sysu_mm01(shutil.copytree(tiny_world, tmp_path / "world"))
    records.file(2).unlink()
    with pytest.raises(VireidError, match=f"the image {records.file(2)} cannot be looked at: No such file"):
        fingerprint_records(records)
