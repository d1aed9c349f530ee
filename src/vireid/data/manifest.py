"""Reading a manifest: a table of images as CSV or Parquet."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from vireid.data import parquet_columns
from vireid.data.faults import FaultError
from vireid.data.listing import check_relative, is_image_name
from vireid.types import Modality, VireidError

__all__ = ["Manifest", "number_names", "read_manifest"]

_NEEDED = ("path", "person", "camera", "modality")
_OPTIONAL = ("split", "time", "track")
_SPLITS = ("train", "test", "query", "gallery")
_Value = TypeVar("_Value")

# A table of names of files compresses to a tenth; one that says to unpack to far more would only fill the memory.
_MOST_EXPANSION = 200
_SMALL = 2**24
_BLOCK = 2**20
"""Bytes of a CSV that Arrow reads at once; a header that is longer is an error to it."""
_READER = 2**30
"""Bytes that the process which reads Parquet may ask for, beside what the file is worth; libraries take half of it."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Columns of a manifest, one entry an image, in the order of the file.

    Attributes:
        paths: relative POSIX paths.
        persons: names, empty where the person is not known.
        cameras: names.
        modalities: visible or infrared.
        splits: ``train``, ``test``, ``query`` or ``gallery``.
        tracks: names, empty where there is none.
        times: seconds since any fixed moment, NaN where there is none.
    """

    paths: list[str]
    persons: list[str]
    cameras: list[str]
    modalities: list[Modality]
    splits: list[str]
    tracks: list[str]
    times: list[float]


def read_manifest(file: Path) -> Manifest:
    """Read a CSV with a header line, or a Parquet file.

    Columns: ``path`` (relative to the root), ``person`` (empty or -1: not known), ``camera``, ``modality``
    (``visible`` or ``infrared``), and if wanted ``split`` (``train``, ``test``, ``query``, ``gallery``; ``test`` if
    empty), ``time`` (seconds, or ISO 8601 with or without a zone, UTC assumed; one kind for the whole column) and
    ``track``. Other columns are passed over.

    Raises:
        VireidError: no such file, neither CSV nor Parquet, a missing column, no row, a path twice, or a value that
            breaks a rule; the message names the column and the row (rows count from 1, below the header).
    """
    columns = _read_columns(file)
    count = len(columns["path"])
    if not count:
        raise FaultError(f"the manifest {file} has no rows", what_to_do="write a row for each image")
    paths = _parse(file, "path", columns["path"], _path)
    persons = _parse(file, "person", columns["person"], lambda text: "" if text == "-1" else text)
    splits = _parse(file, "split", columns.get("split", [""] * count), _split)
    _check_rows(file, paths, persons, splits)
    return Manifest(
        paths=paths,
        persons=persons,
        cameras=_parse(file, "camera", columns["camera"], _camera),
        modalities=_parse(file, "modality", columns["modality"], _modality),
        splits=splits,
        tracks=columns.get("track", [""] * count),
        times=_times(file, columns["time"]) if "time" in columns else [math.nan] * count,
    )


def number_names(names: Sequence[str], kind: str, source: str) -> tuple[list[int], dict[int, str]]:
    """Whole numbers for names: themselves if all are whole numbers, else their places in sorted order, from 0.

    Args:
        names: one for each image; empty ones become -1.
        kind: ``person`` or ``camera``, for the message.
        source: the file or folder, for the message.

    Returns:
        The number of each image, and number -> name, which is empty where names are numbers already.

    Raises:
        VireidError: two names are the same number, like ``1`` and ``01``.

    >>> number_names(["ann", "", "bob", "ann"], "person", "manifest.csv")
    ([0, -1, 1, 0], {0: 'ann', 1: 'bob'})
    >>> number_names(["0007", "12"], "person", "manifest.csv")
    ([7, 12], {})
    """
    distinct = sorted(set(names) - {""})
    if not all(name.isascii() and name.isdecimal() and len(name) <= 18 for name in distinct):
        number = {name: place for place, name in enumerate(distinct)}
        return [number.get(name, -1) for name in names], {place: name for name, place in number.items()}
    written: dict[int, str] = {}
    for name in distinct:
        if written.setdefault(int(name), name) != name:
            raise FaultError(
                f"each {kind} in {source} must be written one way, but {written[int(name)]!r} and {name!r} are "
                "the same number",
                what_to_do="write numbers with the same digits everywhere",
            )
    return [int(name) if name else -1 for name in names], {}


def _read_columns(file: Path) -> dict[str, list[str]]:
    if not file.is_file():
        raise FaultError(f"there is no manifest {file}", what_to_do="check the name of the file")
    kind = file.suffix.lower()
    if kind not in (".parquet", ".csv"):
        raise FaultError(f"a manifest must be .csv or .parquet, got {file}", what_to_do="save it as one of the two")
    try:
        names, columns = _parquet_columns(file) if kind == ".parquet" else _csv_columns(file)
    except FaultError:
        raise
    # Arrow fails in many ways on damaged bytes, and so do values that Python cannot hold, such as dates after 9999.
    except Exception as error:
        raise FaultError(
            f"the manifest {file} is not a readable {kind} table: {error}",
            what_to_do="write one header line and the same number of columns in every row, in UTF-8",
        ) from error
    missing = [name for name in _NEEDED if name not in names]
    twice = [name for name in (*_NEEDED, *_OPTIONAL) if names.count(name) > 1]
    if missing or twice:
        raise FaultError(
            f"the manifest {file} must have each of the columns {', '.join(_NEEDED)} once, but "
            + (f"{', '.join(missing)} is missing" if missing else f"{', '.join(twice)} stands twice")
            + f" (it has {', '.join(names)})",
            what_to_do="name the columns in the first line",
        )
    return columns


def _csv_columns(file: Path) -> tuple[list[str], dict[str, list[str]]]:
    with file.open("rb") as stream:
        first = next(filter(None, stream.read(_BLOCK).splitlines()), b"")
    names = pyarrow.csv.read_csv(io.BytesIO(first + b"\n")).column_names
    kept = _kept(names)
    # Arrow takes no column for all of them.
    if not kept:
        return names, {}
    text = dict.fromkeys(kept, pa.string())
    options = pyarrow.csv.ConvertOptions(column_types=text, strings_can_be_null=False, include_columns=kept)
    return names, _texts(pyarrow.csv.read_csv(file, convert_options=options))


def _parquet_columns(file: Path) -> tuple[list[str], dict[str, list[str]]]:
    size = file.stat().st_size
    with pyarrow.parquet.ParquetFile(file) as content:
        rows, unpacked = content.metadata.num_rows, 0
        for group in range(content.metadata.num_row_groups):
            unpacked += content.metadata.row_group(group).total_byte_size
        # Every row has a path of its own, so a row takes a byte at the least.
        if rows > size or unpacked > _MOST_EXPANSION * size + _SMALL:
            raise ValueError(f"it has {size} bytes, but says to hold {rows} rows of {unpacked} bytes in all")
        names = content.schema_arrow.names
    # What the pages of a file claim is seen only when they are read, by a process that may fail alone.
    command = [sys.executable, parquet_columns.__file__, str(file.resolve()), str(_READER + 20 * size)]
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *_NEEDED, *_OPTIONAL], capture_output=True, env=os.environ | path, check=False)
    if done.returncode:
        raise ValueError(done.stderr.decode(errors="replace").strip() or "reading it needs far more memory than it has")
    return names, _texts(pa.ipc.open_stream(done.stdout).read_all())


def _kept(names: list[str]) -> list[str]:
    return [name for name in (*_NEEDED, *_OPTIONAL) if names.count(name) == 1]


def _texts(table: pa.Table) -> dict[str, list[str]]:
    names = table.column_names
    nested = [name for name in names if pa.types.is_nested(table.column(name).type)]
    if nested:
        raise ValueError(f"a cell must be one text, number or date, but {', '.join(nested)} has lists or the like")
    return {name: _column(table.column(name), repeats=name not in ("path", "time")) for name in names}


def _column(column: pa.ChunkedArray, *, repeats: bool) -> list[str]:
    """Cells as texts; where few repeat in many rows, each is held once."""
    texts: list[str] = []
    held: dict[str, str] = {}
    for chunk in column.chunks:
        found = map(_text, chunk.to_pylist())
        texts.extend((held.setdefault(text, text) for text in found) if repeats else found)
    return texts


def _text(value: object) -> str:
    """Any cell of a Parquet table as the text that a CSV would have; 3.0 is 3, as tables with gaps store numbers."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode().strip()
    return str(value).strip()


def _check_rows(file: Path, paths: list[str], persons: list[str], splits: list[str]) -> None:
    first_row: dict[str, int] = {}
    for row, (path, person, split) in enumerate(zip(paths, persons, splits), start=1):
        if first_row.setdefault(path, row) != row:
            raise _broken(
                file, row, "path", f"each image must stand once, but {path!r} is in row {first_row[path]} too"
            )
        if split == "train" and not person:
            raise _broken(file, row, "person", "images of split train need a person, but it is empty or -1")


def _parse(file: Path, column: str, texts: list[str], parse: Callable[[str], _Value]) -> list[_Value]:
    values = []
    for row, text in enumerate(texts, start=1):
        try:
            values.append(parse(text))
        except (ValueError, VireidError) as error:
            raise _broken(file, row, column, str(error)) from error
    return values


def _broken(file: Path, row: int, column: str, rule: str) -> FaultError:
    return FaultError(f"{file}, row {row}, column {column!r}: {rule}", what_to_do="mend the row or take it out")


def _path(text: str) -> str:
    if not is_image_name(check_relative(text, "the manifest").rpartition("/")[2]):
        raise ValueError(f"images must end in .jpg, .jpeg, .png or .bmp and not be hidden, got {text!r}")
    return text


def _camera(text: str) -> str:
    if not text:
        raise ValueError("every image needs a camera, but it is empty")
    return text


def _modality(text: str) -> Modality:
    try:
        return Modality(text.lower())
    except ValueError:
        raise ValueError(f"must be 'visible' or 'infrared', got {text!r}") from None


def _split(text: str) -> str:
    if text not in ("", *_SPLITS):
        raise ValueError(f"must be one of {', '.join(_SPLITS)} or empty, got {text!r}")
    return text or "test"


def _times(file: Path, texts: list[str]) -> list[float]:
    parsed = _parse(file, "time", texts, _time)
    kinds = {kind for kind, _ in parsed if kind}
    if len(kinds) > 1:
        row = next(row for row, (kind, _) in enumerate(parsed, start=1) if kind not in ("", parsed[0][0] or "seconds"))
        raise _broken(
            file, row, "time", f"the whole column must be of one kind, but it mixes {' and '.join(sorted(kinds))}"
        )
    return [seconds for _, seconds in parsed]


def _time(text: str) -> tuple[str, float]:
    if not text:
        return "", math.nan
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(seconds):
            return "seconds", seconds
        raise ValueError(f"must be finite, got {text!r}")
    try:
        # Python 3.10 reads the zone as +00:00 only.
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1] in "zZ" else text)
    except ValueError:
        raise ValueError(f"must be seconds or ISO 8601 like 2024-05-01T22:15:00+02:00, got {text!r}") from None
    if moment.tzinfo is None:
        return "dates without zone", moment.replace(tzinfo=timezone.utc).timestamp()
    return "dates with zone", moment.timestamp()
