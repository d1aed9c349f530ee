"""Numbers of numpy in a pickle, read without numpy's own classes: those crash on states that no numpy wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["PlainArray", "plain_numbers"]

_KINDS = ("f8", "f4", "i8")


class PlainKind:
    """In place of `numpy.dtype`: one of three kinds of numbers."""

    dtype = np.dtype(np.float64)

    def __init__(self, name: str, *_: Any) -> None:
        if name not in _KINDS:
            raise ValueError(f"it holds numbers of kind {name!r}, and not of {', '.join(_KINDS)}")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|"):
            raise ValueError(f"it holds numbers in the byte order {state[1]!r}")
        self.dtype = self.dtype.newbyteorder(state[1])


class PlainArray:
    """In place of `numpy.ndarray`, and of its scalars.

    Attributes:
        values: what the pickle holds.
    """

    values: np.ndarray = np.empty(0)

    def __init__(self, *_: Any) -> None:
        """What numpy gives here comes again with the state."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, columns_first, content = state
        self.values = _values(kind, content).reshape(shape, order="F" if columns_first else "C")


def plain_numbers() -> list[tuple[Callable[..., Any], str]]:
    """What to read for each name that numpy writes, for ``torch.serialization.safe_globals``.

    Scores of published checkpoints are numbers of numpy, written under the module names of older versions, too.
    """
    names: list[tuple[Callable[..., Any], str]] = [
        (PlainArray, "numpy.ndarray"),
        (PlainKind, "numpy.dtype"),
    ]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names += [(PlainArray, f"{module}._reconstruct"), (_scalar, f"{module}.scalar")]
    return names


def _scalar(kind: Any, content: Any) -> PlainArray:
    number = PlainArray()
    number.values = _values(kind, content).reshape(())
    return number


def _values(kind: Any, content: Any) -> np.ndarray:
    if type(kind) is not PlainKind or type(content) is not bytes:
        raise ValueError("it holds numbers that are no plain bytes")
    return np.frombuffer(content, kind.dtype)
