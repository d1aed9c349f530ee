"""Reading a MATLAB file of a data set, which may be damaged or made to harm."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scipy.io

from vireid.data.faults import FaultError
from vireid.data.listing import check_regular

__all__ = ["read_matlab_file"]

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15  # kinds of elements
_PLAIN = (*range(1, 8), 9, 12, 13, 16, 17, 18)  # kinds that are numbers or text; scipy crashes on one that is unknown
_CELLS, _NUMBERS = 1, (4, *range(6, 16))  # classes of matrices; 4 is text
_COMPLEX = 0x800  # flag: the imaginary parts follow the real ones
_DEEPEST = 20
_MOST_BYTES = 2**26
"""Of a file, and of what it unpacks to; the lists and orders of SYSU-MM01 are a few megabytes."""


def read_matlab_file(file: Path, variable: str) -> Any:
    """One variable of a MATLAB file, as scipy gives it.

    Raises:
        VireidError: no such file, not a MATLAB file, more than 64 MiB when unpacked, or no such variable.
    """
    try:
        check_regular(file)
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has {file.stat().st_size} bytes, which is far more than a list needs")
        content = file.read_bytes()
        _check(content, variable)
        variables = scipy.io.loadmat(io.BytesIO(content), variable_names=[variable])
        found = [name for name, _, _ in scipy.io.whosmat(io.BytesIO(content))]
    except FileNotFoundError:
        raise FaultError(f"{file} is missing", what_to_do="copy the folder exp of the data set into the root") from None
    # The reader fails in many ways on a broken file: TypeError, zlib.error, struct.error, ..
    except Exception as error:
        raise FaultError(
            f"{file} is not a readable MATLAB file: {error}",
            what_to_do="copy it again from the data set as published (MATLAB 7.3 files must be saved with -v7)",
        ) from error
    if variable not in variables:
        raise FaultError(
            f"{file} must hold the variable {variable!r}, but it holds {sorted(found)}",
            what_to_do="copy it again from the data set as published",
        )
    return variables[variable]


def _check(content: bytes, variable: str) -> None:
    """Refuse claims that the bytes do not bear out: the reader takes memory for them before it looks.

    An element is a kind, a size and its bytes. Those of a matrix are elements again: flags with its class, dimensions,
    name, and the numbers, or for a cell array a matrix for each cell. They must fill it exactly, so that the reader
    cannot come to see others than were looked at here. Other variables are not read, and may be of any class.

    Reference: MathWorks, MAT-File Format, level 5.
    """
    if 0 in content[:4]:
        return  # of version 4, which can neither nest nor compress
    order = "<" if content[126:128] == b"IM" else ">"
    left = _MOST_BYTES
    for kind, body in _elements(content[_HEADER:], order):
        if kind == _COMPRESSED:
            stream = zlib.decompressobj()
            unpacked = stream.decompress(body, left)
            left -= len(unpacked)
            if stream.unconsumed_tail:
                raise ValueError(f"it has {len(content)} bytes, but unpacks to more than {_MOST_BYTES}")
            for inner_kind, inner in _elements(unpacked, order):
                _check_variable(inner_kind, inner, order, variable)
        else:
            _check_variable(kind, body, order, variable)


def _check_variable(kind: int, body: memoryview, order: str, variable: str) -> None:
    if kind == _MATRIX and [*_elements(body, order)][2][1] == variable.encode():
        _check_element(kind, body, order)


def _check_element(kind: int, body: memoryview, order: str, depth: int = 0) -> None:
    if kind != _MATRIX or not len(body):
        return
    flags, dimensions, _, *values = parts = list(_elements(body, order))
    sides = struct.unpack(f"{order}{len(dimensions[1]) // 4}i", dimensions[1])
    count = math.prod(sides)
    word = struct.unpack(f"{order}II", flags[1])[0]
    number, complex_numbers = word & 0xFF, bool(word & _COMPLEX)
    if min(sides) < 0 or count > len(body):
        raise ValueError(f"it holds a matrix of {sides} in {len(body)} bytes")
    if number == _CELLS:
        if len(values) != count or depth > _DEEPEST:
            raise ValueError(f"it holds a cell array of {count} cells with {len(values)}, {depth} deep")
        if any(inner_kind != _MATRIX for inner_kind, _ in values):
            raise ValueError("it holds a cell that is no matrix")
        for inner_kind, inner in values:
            _check_element(inner_kind, inner, order, depth + 1)
    elif number not in _NUMBERS or len(values) != 1 + complex_numbers:
        raise ValueError(
            f"it holds an array of class {number} in {len(values)} parts, and a list or an order has none of that"
        )
    elif any(inner_kind not in _PLAIN for inner_kind, _ in parts):
        raise ValueError("it holds numbers of a kind that the format does not know")


def _elements(content: bytes | memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Kind and bytes of one element after the other."""
    content, place = memoryview(content), 0
    while place < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, place)
        start = place + 8
        if kind >> 16:  # up to four bytes stand in place of the size
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            if size > 4:
                raise ValueError(f"it holds a small element of {size} bytes")
        if size > len(content) - start:
            raise ValueError(f"it holds an element of {size} bytes with {len(content) - start} left")
        yield kind, content[start : start + size]
        place = start + size
        if kind != _COMPRESSED:
            place += -place % 8
