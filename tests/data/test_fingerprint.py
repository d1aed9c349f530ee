"""A data set in a few digits."""

import dataclasses
import shutil

import numpy as np
import pytest

from vireid.data import fingerprint_records, read_sysu_mm01
from vireid.types import VireidError


def test_it_is_of_the_images_and_not_of_where_they_lie(tiny_world, tmp_path):
    records = read_sysu_mm01(tiny_world)
    moved = read_sysu_mm01(shutil.copytree(tiny_world, tmp_path / "moved"))
    assert fingerprint_records(records) == fingerprint_records(moved)
    assert len(fingerprint_records(records)) == 16


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
    assert len(some) == 7


def test_a_missing_image_is_named(tiny_world, tmp_path):
    records = read_sysu_mm01(shutil.copytree(tiny_world, tmp_path / "world"))
    records.file(2).unlink()
    with pytest.raises(VireidError, match=f"the image {records.file(2)} cannot be looked at: No such file"):
        fingerprint_records(records)
