"""Packages that only exports need."""

from __future__ import annotations

import importlib
from types import ModuleType

from vireid.types import VireidError

__all__ = ["need"]


def need(name: str) -> ModuleType:
    """A module of the extra ``export``, imported now.

    Raises:
        VireidError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).partition(".")[0]
        raise VireidError(f"ONNX exports take the package {package}; pip install 'vireid[export]'") from error
