"""Packages that only exports need."""

from __future__ import annotations

import importlib
from types import ModuleType

from vireid.types import MissingExtraError

__all__ = ["need"]


def need(name: str) -> ModuleType:
    """A module of the extra ``export``, imported now.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).partition(".")[0]
        raise MissingExtraError("an ONNX export", package, "export") from error
    if name == "onnxruntime":
        module.disable_telemetry_events()  # its builds for Windows report events to the system
    return module
