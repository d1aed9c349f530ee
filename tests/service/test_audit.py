"""The audit log: what was acknowledged is there, whatever happens to the disk."""

import errno
import json
import os
import threading

import pytest

from vireid.service import AuditLog
from vireid.types import VireidError


def test_the_latest_entries_come_first(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(5):
        log.write("search", number=number)
    assert [entry["number"] for entry in log.latest(3)] == [4, 3, 2]
    assert [entry["number"] for entry in log.latest(100)] == [4, 3, 2, 1, 0]
    assert log.latest(1)[0]["time"].endswith("+00:00")
    assert oct((tmp_path / "audit.jsonl").stat().st_mode & 0o777) == "0o600"


def test_lines_longer_than_a_block_are_read_whole(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(3):
        log.write("search", number=number, results=["k" * 64] * 3000)
    assert [(entry["number"], len(entry["results"])) for entry in log.latest(3)] == [(2, 3000), (1, 3000), (0, 3000)]


def test_a_line_break_in_a_fact_stays_in_its_line(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write("search", camera='x\n{"what": "forged"}\r\u2028')
    assert len((tmp_path / "audit.jsonl").read_bytes().splitlines()) == 1
    assert log.latest(9)[0]["camera"] == 'x\n{"what": "forged"}\r\u2028'


def test_a_full_file_is_kept_under_another_name(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl", rotate=500)
    for number in range(40):
        log.write("search", number=number)
    files = sorted(file.name for file in tmp_path.iterdir())
    assert len(files) > 3
    assert all((tmp_path / file).stat().st_size <= 500 for file in files)
    assert [entry["number"] for entry in log.latest(40)] == list(range(40))[::-1]


def test_half_a_line_of_a_kill_costs_no_other(tmp_path):
    file = tmp_path / "audit.jsonl"
    AuditLog(file).write("search", number=0)
    with file.open("ab") as stream:
        stream.write(b'{"what": "sea')
    log = AuditLog(file)
    log.write("search", number=1)
    assert [entry["number"] for entry in log.latest(9)] == [1, 0]
    assert b'{"what": "sea\n' in file.read_bytes()  # nothing is ever taken out


@pytest.mark.parametrize("fails", ["write", "fsync", "half a write"])
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, monkeypatch, fails):
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write("search", number=0)
    before = (tmp_path / "audit.jsonl").read_bytes()
    write = os.write
    calls = []

    def no_room(handle, data=b""):
        calls.append(len(data))
        if fails == "half a write" and len(calls) == 1:
            return write(handle, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync" if fails == "fsync" else "write", no_room)
        with pytest.raises(VireidError, match=r"audit log audit.jsonl cannot be written \(No space left"):
            log.write("search", number=1)
    assert (tmp_path / "audit.jsonl").read_bytes() == before
    log.write("search", number=2)
    assert [entry["number"] for entry in log.latest(9)] == [2, 0]


@pytest.mark.parametrize("fails", ["open", "fsync of the folder"])
def test_where_no_new_file_can_be_begun_the_full_one_stays_the_current(tmp_path, monkeypatch, fails):
    log = AuditLog(tmp_path / "audit.jsonl", rotate=100)
    log.write("search", number=0, filler="x" * 50)
    before = (tmp_path / "audit.jsonl").read_bytes()
    stranger = tmp_path / "stranger"
    opened = os.open

    def no_handle(path, flags, mode=0o777):
        if (path == tmp_path) == (fails == "fsync of the folder"):
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(path, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_handle)
        with pytest.raises(VireidError, match="Too many open files"):
            log.write("search", number=1)
    with stranger.open("w"):  # which would get the number of a handle that was closed
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", no_handle)
            with pytest.raises(VireidError, match="Too many open files"):
                log.write("search", number=2)
        assert (tmp_path / "audit.jsonl").read_bytes() == before
        log.write("search", number=3)
    assert stranger.read_bytes() == b""
    assert [entry["number"] for entry in log.latest(9)] == [3, 0]


def test_a_closed_log_is_not_written_to(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl", rotate=10)
    log.write("search", number=0)
    log.close()
    log.close()
    with pytest.raises(VireidError, match=r"audit log audit.jsonl is closed"):
        log.write("search", number=1)
    assert [file.name for file in tmp_path.iterdir()] == ["audit.jsonl"]


def test_threads_do_not_mix_their_lines(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl", rotate=3000)

    def write(thread):
        for number in range(20):
            log.write("search", thread=thread, number=number, filler="x" * 50)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = log.latest(1000)
    assert len(entries) == 80
    for thread in range(4):
        assert [entry["number"] for entry in entries if entry["thread"] == thread] == list(range(20))[::-1]
    assert all(json.loads(line) for file in tmp_path.iterdir() for line in file.read_text().splitlines())


def test_a_log_that_cannot_be_opened_is_refused(tmp_path):
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(VireidError, match="cannot open the audit log"):
        AuditLog(tmp_path / "audit.jsonl")
