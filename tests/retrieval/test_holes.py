"""Zeros of a file that take no room."""

import os

import pytest

from vireid.retrieval.holes import copy_with_holes

MIB = 1 << 20


@pytest.mark.parametrize("count", [0, 1, 4096, MIB + 5])
@pytest.mark.parametrize("fill", [b"", b"head", b"\0\0tail"])
def test_a_copy_has_the_same_bytes(tmp_path, count, fill):
    content = fill + bytes(count) + fill + os.urandom(70_000) + bytes(count)
    (tmp_path / "a").write_bytes(content)
    copy_with_holes(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content


def test_zeros_take_no_room(tmp_path):
    (tmp_path / "a").write_bytes(b"head" + bytes(4 * MIB) + b"tail" + bytes(4 * MIB))
    copy_with_holes(tmp_path / "a", tmp_path / "b")
    # Less than a tenth where the file system has holes, never more than the file.
    room = (tmp_path / "b").stat().st_blocks * 512
    if room > MIB:
        pytest.skip("this file system has no holes")
    assert room < (tmp_path / "a").stat().st_size / 10
