"""Which bytes each image file holds, without reading again the files that nobody touched."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from vireid.data.faults import FaultError
from vireid.data.in_threads import in_threads
from vireid.data.listing import check_regular
from vireid.types import Records, VireidError, write_atomically

__all__ = ["digest_of", "image_digests", "stamps_file"]

FORMAT = 1

# A file changed in the same tick of the file system's clock keeps its stamp; the coarsest tick in use is two seconds.
_TICK = 2_000_000_000


def image_digests(
    records: Records, rows: Int[np.ndarray, " b"], *, folder: Path, workers: int | None = None
) -> list[bytes]:
    """The hash of the image file of each row.

    A file is read only if its stamp (size, time of change of its content, time of change of its inode) is not the one
    kept in ``folder``, so that a second call costs one ``stat`` a file. A file that was written less than two seconds
    before is read again next time, since a later change may leave the same stamp.

    Args:
        records: the table.
        rows: which rows of it.
        folder: where the stamps are kept, in a file for each root. If that cannot be written, nothing is kept.
        workers: threads that read; one for each core by default, 0 for none.

    Raises:
        VireidError: a file that is not there or cannot be read, by its path.
    """
    file = stamps_file(records, folder)
    kept = _load(file)
    stamps = [_stamp(records.file(int(row))) for row in rows]
    now = time.time_ns()
    paths = [str(path) for path in records.paths[rows]]
    digests = {
        path: bytes.fromhex(kept[path][-1])
        for path, stamp in zip(paths, stamps)
        if path in kept and kept[path][:-1] == stamp
    }
    unread = [place for place, path in enumerate(paths) if path not in digests]
    if unread:
        with in_threads(workers) as each:
            found = each(digest_of, [records.file(int(rows[place])) for place in unread])
            for place, digest in zip(unread, found):
                digests[paths[place]] = digest
                kept.pop(paths[place], None)
                if now - max(stamps[place][1:]) > _TICK:
                    kept[paths[place]] = [*stamps[place], digest.hex()]
        with suppress(VireidError), write_atomically(file) as draft:
            draft.write_text(json.dumps({"format": FORMAT, "images": kept}))
    return [digests[path] for path in paths]


def stamps_file(records: Records, folder: Path) -> Path:
    """Where the stamps of a table's root are kept; without it every file is read again."""
    root = os.path.realpath(records.root)
    return folder / f"images-{hashlib.blake2b(os.fsencode(root), digest_size=8).hexdigest()}.json"


def digest_of(file: Path) -> bytes:
    """A hash of 16 bytes of what a file holds.

    Raises:
        VireidError: the file is not there or cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        check_regular(file)
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
        return digest.digest()
    except OSError as error:
        raise _unreadable(file, error) from None


def _stamp(file: Path) -> list[int]:
    try:
        facts = file.stat()
    except OSError as error:
        raise _unreadable(file, error) from None
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]


def _unreadable(file: Path, error: OSError) -> FaultError:
    if isinstance(error, FileNotFoundError):
        return FaultError(f"there is no image {file}", what_to_do="copy it from the data set again")
    return FaultError(f"{file} cannot be read: {error.strerror or error}", what_to_do="copy it from the data set again")


def _load(file: Path) -> dict[str, list[Any]]:
    """Stamps and hashes by path; none where the file is not there, damaged or of another version: all can be redone."""
    try:
        document = json.loads(file.read_text())
        if document["format"] != FORMAT:
            return {}
        return {path: entry for path, entry in document["images"].items() if _is_stamp(entry)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _is_stamp(entry: Any) -> bool:
    """Whether it is size, two times and 32 hexadecimal digits."""
    if not (isinstance(entry, list) and len(entry) == 4 and all(isinstance(number, int) for number in entry[:3])):
        return False
    return isinstance(entry[3], str) and re.fullmatch("[0-9a-f]{32}", entry[3]) is not None
