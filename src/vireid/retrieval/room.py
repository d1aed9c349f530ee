"""Room on a disk, asked for before it is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

from vireid.types import VireidError

__all__ = ["require_room"]


def require_room(folder: Path, needed: int, deed: str) -> None:
    """Refuse a deed that may fill the disk.

    The embedded engine writes through mapped memory: where the disk is full, the system ends the process (bus error)
    instead of returning an error. What was acknowledged is on the disk then, but it must not come to that.

    Args:
        folder: that exists, on the disk that is meant.
        needed: bytes that must be free.
        deed: what would be done, for the message.

    Raises:
        VireidError: less is free.

    >>> require_room(Path("."), 1, "add to the gallery")
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise VireidError(
            f"cannot {deed}: the disk of {folder} has {free >> 20} MiB free, and this takes {-(-needed >> 20)} MiB; "
            "nothing was changed; make room and try again"
        )
