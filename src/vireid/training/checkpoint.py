"""The state of an interrupted training, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from vireid.models.tensor_file import read_tensor_file, said_of
from vireid.types import VireidError, write_atomically

__all__ = ["load_state", "save_state"]

FORMAT = 2
"""Version of the file form; one of a later version is refused by name."""

# Format 1 held whole epochs only, which is what a state without a step means.
_READABLE = (1, 2)


def save_state(file: Path, state: dict[str, Any]) -> None:
    """Write everything that a resume needs, whole or not at all.

    Raises:
        VireidError: the file cannot be written; the one before it stays.
    """
    with write_atomically(file) as draft:
        try:
            torch.save({"format": FORMAT, **state}, draft)
        except RuntimeError as error:
            # torch wraps what the disk said in its own writer's words.
            raise OSError(f"torch could not write it, is the disk full? ({str(error).splitlines()[0]})") from error


def load_state(file: Path) -> dict[str, Any]:
    """Read what `save_state` wrote; tensors and plain values only, no code is run.

    Raises:
        VireidError: no such file, not a state, or of a later version.
    """
    try:
        state = read_tensor_file(file)
    except FileNotFoundError:
        raise VireidError(f"there is no training state {file} to resume from") from None
    # What damaged bytes make the unpickler raise has no end: index, key, value, unicode and struct errors were seen.
    except Exception as error:
        raise VireidError(f"{file} is not a training state, or only part of one: {said_of(error)}") from error
    found = state.get("format") if isinstance(state, dict) else None
    if not isinstance(found, int) or found not in _READABLE:
        readable = " and ".join(map(str, _READABLE))
        raise VireidError(
            f"{file} is a training state of format {found!r}, this version reads {readable}; resume with the version "
            "that wrote it, or train again"
        )
    return state
