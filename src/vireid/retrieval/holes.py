"""Zeros of a file that take no room."""

from __future__ import annotations

from pathlib import Path

__all__ = ["copy_with_holes"]

_PIECE = 1 << 16


def copy_with_holes(source: Path, copy: Path) -> None:
    """Write a file of the same bytes, in which long runs of zeros are holes where the file system has such.

    Raises:
        OSError: one cannot be read, or the other not be written.
    """
    with source.open("rb") as reading, copy.open("wb") as writing:
        while piece := reading.read(_PIECE):
            if piece.count(0) == len(piece):
                writing.seek(len(piece), 1)
            else:
                writing.write(piece)
        writing.truncate()
