"""A file that is there while the engine of a gallery may still keep bytes of what was deleted."""

from __future__ import annotations

from pathlib import Path

from vireid.service.audit import flush_folder
from vireid.types import VireidError, write_atomically

__all__ = ["UNCOMPACTED", "note_uncompacted"]

UNCOMPACTED = "uncompacted"
"""Its name in the folder of a gallery; the service and ``vireid gallery`` both write and remove it."""


def note_uncompacted(file: Path, uncompacted: bool) -> None:
    """Make the file or remove it; it is so on the disk when this returns.

    Raises:
        VireidError: the disk refuses.
    """
    try:
        if uncompacted:
            with write_atomically(file):
                pass
        else:
            file.unlink(missing_ok=True)
        flush_folder(file.parent)
    except OSError as error:
        raise VireidError(f"cannot write {file}: {error.strerror or error}; make room on the disk") from error
