"""Whether a value that a file gave is of the kind that a setting has."""

from __future__ import annotations

import math
import types
import typing
from pathlib import Path
from typing import Any

__all__ = ["is_of_kind", "name_of_kind"]

_MOST = 2**53  # larger whole numbers are none in another reader's JSON, and no setting needs them


def is_of_kind(value: Any, kind: Any) -> bool:
    """Whether JSON's form of a setting of this kind may be this value.

    A whole number is a number; NaN and infinity are none. A list stands for a tuple, a word for a path.

    >>> is_of_kind([1, 2], tuple[int, ...]), is_of_kind("1", int), is_of_kind(None, int | None)
    (True, False, True)
    """
    parts = typing.get_args(kind)
    match typing.get_origin(kind):
        case typing.Literal:
            return any(type(value) is type(part) and value == part for part in parts)
        case typing.Union | types.UnionType:
            return any(is_of_kind(value, part) for part in parts)
        case origin if origin is tuple:
            if not isinstance(value, list | tuple):
                return False
            kinds = (parts[0],) * len(value) if parts[-1] is ... else parts
            return len(kinds) == len(value) and all(is_of_kind(each, kind) for each, kind in zip(value, kinds))
    if kind is float:
        return type(value) in (int, float) and abs(value) <= _MOST and math.isfinite(value)
    if kind is int:
        return type(value) is int and abs(value) <= _MOST
    if kind is Path:
        return isinstance(value, str | Path)
    return type(value) is kind


def name_of_kind(kind: Any) -> str:
    """How messages call it.

    >>> name_of_kind(int), name_of_kind(tuple[int, ...]), name_of_kind(float | None)
    ('int', 'tuple[int, ...]', 'float | None')
    """
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind).replace("typing.", "")
