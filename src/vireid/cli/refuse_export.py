"""What takes runs alone says so of an export."""

from __future__ import annotations

from pathlib import Path

from vireid.exports.export_facts import is_export
from vireid.types import VireidError

__all__ = ["refuse_export"]


def refuse_export(folder: Path) -> None:
    """Let a run pass.

    Raises:
        VireidError: an export, as `vireid export` makes it.
    """
    if is_export(folder):
        raise VireidError(f"{folder} is an export, which keeps neither log nor results; name the run it was made from")
