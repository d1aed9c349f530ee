"""The mark of a made world: a small file at its root, by which nobody takes its numbers for those of a data set."""

from __future__ import annotations

import json
from pathlib import Path

import vireid

__all__ = ["MARKER", "is_made_world", "mark_world"]

MARKER = "made_by_vireid.json"
"""Name of the file at the root of every made world."""


def mark_world(root: Path, *, layout: str, seed: int) -> None:
    """Say at the root of a made world what it is.

    Args:
        root: its folder.
        layout: whose layout it has.
        seed: that it was drawn by.

    Raises:
        OSError: the file cannot be written.
    """
    facts = {"what": "a made world", "layout": layout, "seed": seed, "version": vireid.__version__}
    (root / MARKER).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def is_made_world(root: Path) -> bool:
    """Whether a folder is marked as a made world; those that were made before there was a mark are not.

    >>> is_made_world(Path("no/such/folder"))
    False
    """
    return (root / MARKER).is_file()
