"""Settings of a training as its run directory keeps them, and back."""

from __future__ import annotations

import dataclasses
import json
import reprlib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vireid.cli.config import TrainConfig
from vireid.cli.recipe_config import RecipeConfig
from vireid.cli.setting_kinds import is_of_kind, name_of_kind
from vireid.types import VireidError

__all__ = ["read_settings", "write_settings"]


def write_settings(config: TrainConfig) -> dict[str, Any]:
    """Settings by their dotted names, as JSON gives them back."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            if isinstance(value, dict):
                walk(f"{prefix}{key}.", value)
            else:
                flat[prefix + key] = str(value) if isinstance(value, Path) else value

    settings = dataclasses.asdict(config)
    walk("", settings.pop("recipe"))
    walk("", settings)
    return json.loads(json.dumps(flat))


def read_settings(settings: Mapping[str, Any], *, root: Path, out: Path) -> TrainConfig:
    """The configuration of a run; what an older version did not know is as its default.

    Args:
        settings: as `write_settings` made them.
        root, out: in place of those of the run.

    Raises:
        VireidError: a setting that this version does not know, or a value of another kind than the setting has.
    """
    try:
        return _read(settings, root=root, out=out)
    except (AttributeError, TypeError, ValueError) as error:
        raise VireidError(f"the settings of a run must be as write_settings makes them: {error}") from error


def _read(settings: Mapping[str, Any], *, root: Path, out: Path) -> TrainConfig:
    own = {entry.name for entry in dataclasses.fields(TrainConfig)} - {"recipe"}
    rest = {name: value for name, value in settings.items() if name not in own}
    mine = {name: value for name, value in settings.items() if name in own}
    recipe = _build(RecipeConfig, rest)
    config = _build(TrainConfig, mine | {"root": str(root), "out": str(out)}, recipe=recipe)
    unknown = sorted(set(settings) - set(write_settings(config)))
    if unknown:
        raise VireidError(
            f"this version of vireid does not know the settings {', '.join(unknown)}; use the version of the run"
        )
    return config


def _build(kind: Any, settings: Mapping[str, Any], prefix: str = "", **ready: Any) -> Any:
    """A configuration class from its settings by dotted names."""
    types = typing.get_type_hints(kind)
    values = dict(ready)
    for entry in dataclasses.fields(kind):
        if entry.name in ready:
            continue
        of_entry = types[entry.name]
        if dataclasses.is_dataclass(of_entry):
            of_inner = f"{entry.name}."
            inner = {name[len(of_inner) :]: value for name, value in settings.items() if name.startswith(of_inner)}
            values[entry.name] = _build(of_entry, inner, prefix + of_inner)
        elif entry.name in settings:
            value = settings[entry.name]
            if not is_of_kind(value, of_entry):
                raise ValueError(f"{prefix}{entry.name} must be {name_of_kind(of_entry)}, got {reprlib.repr(value)}")
            if value is not None and Path in (of_entry, *typing.get_args(of_entry)):
                value = Path(value)
            values[entry.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
