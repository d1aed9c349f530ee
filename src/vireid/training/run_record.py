"""What a run directory tells of its training."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vireid.training.log import LOG
from vireid.types import VireidError

__all__ = ["CONFIG", "CONFIG_FORMAT", "RunRecord", "read_run"]

_Kind = TypeVar("_Kind")
_PLAIN = (str, int, float, type(None))

CONFIG = "config.json"
"""Name of the settings in a run directory."""

CONFIG_FORMAT = 1
"""Version of the form of that file, under ``format`` in it; the first runs carry none and are of this one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RunRecord:
    """A training as its directory keeps it. What another way of making weights did not write is empty.

    Attributes:
        folder: the run directory.
        settings: by their dotted names, such as ``network.backbone`` or ``epochs``.
        versions: of the libraries, by name.
        hardware: see `vireid.training.describe_hardware`.
        code: see `vireid.training.code_fingerprint`.
        data: ``fingerprint`` (see `vireid.data.fingerprint_records`), ``images`` and ``identities`` trained on.
        processes: that trained together; 0 where it is not known.
        reproduces: which run was trained again here, in the digits of ``vireid reproduce``.
        started: ISO 8601.
        steps: a line of the log for each step: ``step``, ``epoch``, ``loss/<term>``, ``learning_rate``, ``images``,
            ``seconds``.
    """

    folder: Path
    settings: dict[str, Any]
    versions: dict[str, str]
    hardware: dict[str, Any]
    code: str
    data: dict[str, Any]
    processes: int
    reproduces: str
    started: str
    steps: list[dict[str, Any]]


def read_run(folder: Path, *, log: bool = True) -> RunRecord:
    """Read settings and log; a run that was imported, or is a file of weights alone, has neither.

    A run may come from others, so every value is held to its kind here, once: plain words and numbers, or lists of
    them.

    Args:
        log: whether the log is read; without it there are no steps.

    Raises:
        VireidError: no such place, a file of it that is damaged, or settings of a later form.
    """
    folder = Path(folder)
    if not folder.exists():
        raise VireidError(f"there is no run {folder}; name a run directory, as vireid train makes it")
    file = folder / CONFIG
    config = _object(file)
    if (found := config.get("format", CONFIG_FORMAT)) != CONFIG_FORMAT:
        raise VireidError(
            f"{file} is of format {found!r}, this version of vireid reads format {CONFIG_FORMAT}; use the version that "
            "trained the run"
        )
    return RunRecord(
        folder=folder,
        settings=_plain_part(config, "settings", file),
        versions=_plain_part(config, "versions", file, lists=()),
        hardware=_plain_part(config, "hardware", file, lists=("accelerators",)),
        code=_part(config, "code", str, file),
        data=_plain_part(config, "data", file, lists=()),
        processes=_part(config, "processes", int, file),
        reproduces=_part(config, "reproduces", str, file),
        started=_part(config, "started", str, file),
        steps=_lines(folder / LOG) if log else [],
    )


def _part(config: dict[str, Any], name: str, kind: type[_Kind], file: Path) -> _Kind:
    value = config.get(name, kind())
    if not isinstance(value, kind):
        raise VireidError(
            f"{file} is not the configuration of a run: its {name!r} must be {kind.__name__}, got "
            f"{type(value).__name__}"
        )
    return value


def _plain_part(
    config: dict[str, Any], name: str, file: Path, *, lists: Collection[str] | None = None
) -> dict[str, Any]:
    """Words and numbers by name; those named in ``lists`` are lists of them, None: each may be one or the other."""
    part = _part(config, name, dict, file)
    for key, value in part.items():
        is_list = isinstance(value, list)
        values = value if is_list else [value]
        if (lists is not None and is_list != (key in lists)) or not all(isinstance(each, _PLAIN) for each in values):
            wanted = "words or numbers" if lists is None or key in lists else "one word or number"
            raise VireidError(
                f"{file} is not the configuration of a run: {key!r} of its {name!r} must be {wanted}, got "
                f"{type(value).__name__}"
            )
    return part


def _object(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise VireidError(f"{file} is not the configuration of a run: {error}") from error
    if not isinstance(content, dict):
        raise VireidError(f"{file} is not the configuration of a run: it holds {type(content).__name__}, not an object")
    return content


def _lines(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    steps = []
    text = file.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not line.endswith("\n"):
            break  # a training is writing it, or was killed while it did
        try:
            step = json.loads(line)
            if not isinstance(step, dict):
                raise ValueError(f"it holds {type(step).__name__}, not an object")
            for name, value in step.items():
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise ValueError(f"its {name!r} must be a number, got {type(value).__name__}")
                float(value)  # an integer of hundreds of digits is no number that anybody can draw
        except (ValueError, OverflowError, RecursionError) as error:
            raise VireidError(f"line {number} of {file} is no line of a training's log: {error}") from error
        steps.append(step)
    return steps
