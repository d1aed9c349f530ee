"""Reading a MATLAB file of a data set, which may be damaged or made to harm.

The reader of scipy crashes on some of those, whatever is looked at before; it is the oracle of our tests.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vireid.data.faults import FaultError
from vireid.data.listing import check_regular

__all__ = ["read_matlab_file"]

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15  # kinds of elements
_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CODECS = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELLS, _TEXT, _NUMBERS = 1, 4, range(6, 16)  # classes of matrices
_COMPLEX = 0x800  # flag: the imaginary parts follow the real ones
_DEEPEST = 20
_MOST_BYTES = 2**26
"""Of a file, and of what it unpacks to; the lists and orders of SYSU-MM01 are a few megabytes."""


def read_matlab_file(file: Path, variable: str) -> Any:
    """One variable of a MATLAB file of level 5: numbers, text or cells of these, as `scipy.io.loadmat` gives them.

    Other variables are not read, and may be of any class.

    Raises:
        VireidError: no such file, not a MATLAB file, more than 64 MiB when unpacked, or no such variable.

    Reference: MathWorks, MAT-File Format, level 5.
    """
    found: list[str] = []
    try:
        check_regular(file)
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has {file.stat().st_size} bytes, which is far more than a list needs")
        content = file.read_bytes()
        if 0 in content[:4] or content[126:128] not in (b"IM", b"MI"):
            raise ValueError("it is none of level 5")
        order = "<" if content[126:128] == b"IM" else ">"
        for body in _matrices(content, order):
            _, _, name, *_ = _elements(body, order)
            found.append(bytes(name[1]).decode())
            if found[-1] == variable:
                return _matrix(body, order)
    except FileNotFoundError:
        raise FaultError(f"{file} is missing", what_to_do="copy the folder exp of the data set into the root") from None
    # A broken file fails in many ways: struct.error, zlib.error, UnicodeDecodeError, ..
    except Exception as error:
        raise FaultError(
            f"{file} is not a readable MATLAB file: {error}",
            what_to_do="copy it again from the data set as published (MATLAB 7.3 files must be saved with -v7)",
        ) from error
    raise FaultError(
        f"{file} must hold the variable {variable!r}, but it holds {sorted(found)}",
        what_to_do="copy it again from the data set as published",
    )


def _matrices(content: bytes, order: str) -> Iterator[memoryview]:
    """The bytes of each variable, unpacked."""
    left = _MOST_BYTES
    for kind, body in _elements(content[_HEADER:], order):
        if kind == _MATRIX:
            yield body
        elif kind == _COMPRESSED:
            stream = zlib.decompressobj()
            unpacked = stream.decompress(body, left)
            left -= len(unpacked)
            if stream.unconsumed_tail or left <= 0:
                raise ValueError(f"it has {len(content)} bytes, but unpacks to more than {_MOST_BYTES}")
            yield from (inner for inner_kind, inner in _elements(unpacked, order) if inner_kind == _MATRIX)


def _matrix(body: memoryview, order: str, depth: int = 0) -> np.ndarray:
    """Flags with its class, dimensions, name, and the numbers, or for a cell array a matrix for each cell."""
    if not len(body):
        return np.empty((1, 0))
    flags, dimensions, _, *values = _elements(body, order)
    sides = struct.unpack(f"{order}{len(dimensions[1]) // 4}i", dimensions[1])
    count = math.prod(sides)
    word = struct.unpack(f"{order}II", flags[1])[0]
    number, complex_numbers = word & 0xFF, bool(word & _COMPLEX)
    if min(sides) < 0 or len(sides) < 2 or max(count, *sides) > len(body):
        raise ValueError(f"it holds a matrix of {sides} in {len(body)} bytes")
    if number == _CELLS:
        if len(values) != count or depth > _DEEPEST:
            raise ValueError(f"it holds a cell array of {count} cells with {len(values)}, {depth} deep")
        cells = np.empty(count, dtype=object)
        for place, (kind, inner) in enumerate(values):
            if kind != _MATRIX:
                raise ValueError("it holds a cell that is no matrix")
            cells[place] = _matrix(inner, order, depth + 1)
        return cells.reshape(sides, order="F")
    if (number != _TEXT and number not in _NUMBERS) or len(values) != 1 + (complex_numbers and number != _TEXT):
        raise ValueError(
            f"it holds an array of class {number} in {len(values)} parts, and a list or an order has none of that"
        )
    if number == _TEXT:
        return _text(*values[0], sides, order)
    parts = [np.frombuffer(part, np.dtype(order + _KINDS[kind])) for kind, part in values if kind in _KINDS]
    if len(parts) != len(values) or any(part.size != count for part in parts):
        raise ValueError(f"it holds a matrix of {sides} whose numbers are not that many, or of a kind not known")
    numbers = parts[0] + 1j * parts[1] if complex_numbers else parts[0]
    return numbers.astype(numbers.dtype.newbyteorder("=")).reshape(sides, order="F")


def _text(kind: int, body: memoryview, sides: tuple[int, ...], order: str) -> np.ndarray:
    """A string for each row."""
    if kind not in _CODECS or len(sides) != 2:
        raise ValueError(f"it holds text of kind {kind} in {len(sides)} dimensions, which nothing here needs")
    codec = _CODECS[kind]
    text = bytes(body).decode(f"{codec}-{'le' if order == '<' else 'be'}" if codec in ("utf-16", "utf-32") else codec)
    if len(text) != math.prod(sides):
        raise ValueError(f"it holds text of {len(text)} characters where {sides} are said")
    return np.array(["".join(text[row :: sides[0]]) for row in range(sides[0])], dtype=f"U{max(1, sides[1])}")


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
