"""Who searched, added and deleted what, and who was refused: a log that only grows."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vireid.types import VireidError

__all__ = ["AuditLog", "flush_folder"]

_BLOCK = 1 << 16


class AuditLog:
    """JSON lines, each on disk (``fsync``) when `write` returns. Several threads may write.

    A file that has grown beyond ``rotate`` bytes is renamed to ``<stem>-<time>.jsonl`` and kept; nothing is ever
    removed. A line that a kill or a full disk cut short was not acknowledged; it stays and is skipped when read.

    Args:
        file: the current file, made where it is not there.
        rotate: bytes after which a new file is begun.

    Raises:
        VireidError: the file cannot be opened.
    """

    def __init__(self, file: Path, *, rotate: int = 64 << 20) -> None:
        self._file = Path(file)
        self._rotate = rotate
        self._lock = threading.Lock()
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._handle, self._size = self._opened()
            if self._size and os.pread(self._handle, 1, self._size - 1) != b"\n":
                self._append(b"\n")
        except OSError as error:
            raise VireidError(f"cannot open the audit log {file}: {error.strerror or error}") from error

    def write(self, what: str, **facts: Any) -> None:
        """Append one entry; the time is added.

        Args:
            what: happened.
            facts: plain values. Never images, features or tokens.

        Raises:
            VireidError: the entry could not be brought to the disk; what it tells of must be refused.
        """
        entry = {"time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), "what": what, **facts}
        line = json.dumps(entry).encode() + b"\n"
        with self._lock:
            if self._handle < 0:
                raise VireidError(f"the audit log {self._file.name} is closed; start the service again")
            try:
                if self._size and self._size + len(line) > self._rotate:
                    self._begin_new_file()
                self._append(line)
            except OSError as error:
                raise VireidError(
                    f"the audit log {self._file.name} cannot be written ({error.strerror or error}), and nothing is "
                    "done that it does not tell of; make room on the disk and try again"
                ) from error

    def latest(self, limit: int) -> list[dict[str, Any]]:
        """The latest entries, newest first, of the current file and the ones before it.

        Raises:
            VireidError: a file that cannot be read.
        """
        found: list[dict[str, Any]] = []
        try:
            for file in [self._file, *sorted(self._older(), reverse=True)]:
                for line in _lines_from_the_end(file):
                    if len(found) == limit:
                        return found
                    try:
                        found.append(json.loads(line))
                    except ValueError:  # cut short by a kill
                        continue
        except OSError as error:
            raise VireidError(f"the audit log cannot be read: {error.strerror or error}") from error
        return found

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        with self._lock:
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1

    def _opened(self) -> tuple[int, int]:
        """The current file and its size."""
        handle = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            flush_folder(self._file.parent)
            return handle, os.fstat(handle).st_size
        except OSError:
            os.close(handle)
            raise

    def _append(self, line: bytes) -> None:
        before = self._size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._handle, line[written:])
            os.fsync(self._handle)
        except OSError:
            # What came after half a line would be lost with it.
            os.ftruncate(self._handle, before)
            raise
        self._size += len(line)

    def _begin_new_file(self) -> None:
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
        older = self._file.with_name(f"{self._file.stem}-{stamp}{self._file.suffix}")
        self._file.rename(older)
        full = self._handle
        try:
            self._handle, self._size = self._opened()
        except OSError:
            older.rename(self._file)  # so that the next entry can try again
            raise
        os.close(full)

    def _older(self) -> list[Path]:
        return list(self._file.parent.glob(f"{self._file.stem}-*{self._file.suffix}"))


def _lines_from_the_end(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        place = stream.seek(0, os.SEEK_END)
        rest = b""
        while place:
            step = min(_BLOCK, place)
            place -= step
            stream.seek(place)
            first, *lines = (stream.read(step) + rest).split(b"\n")
            rest = first
            yield from (line for line in reversed(lines) if line)
        if rest:
            yield rest


def flush_folder(folder: Path) -> None:
    """Bring to the disk which files a folder has."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
