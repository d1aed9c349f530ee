"""Features and sightings of a gallery as files that other tools read."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from vireid.retrieval.conditions import Conditions
from vireid.retrieval.sighting import Sighting
from vireid.retrieval.store import Store
from vireid.types import VireidError, write_atomically

__all__ = ["export"]

_COLUMNS = pa.schema(
    [
        ("key", pa.string()),
        ("path", pa.string()),
        ("modality", pa.string()),
        ("camera", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("track", pa.string()),
        ("person", pa.string()),
        ("tags", pa.list_(pa.string())),
    ]
)


def export(store: Store, file: Path, conditions: Conditions, *, maker: str) -> int:
    """Write an ``.npz`` that `vireid.types.Embeddings` reads, and beside it a ``.parquet`` of the sightings.

    Row i of one is row i of the other, in the order of keys. Memory holds the paths and one piece of the features.

    Args:
        file: of the features, its name ends in ``.npz``; the table has the same name with ``.parquet``.
        conditions: which sightings.
        maker: fingerprint of the model.

    Returns:
        How many sightings.

    Raises:
        VireidError: another ending, or a file that cannot be written; an older export is left as it was then.
    """
    file = Path(file)
    if file.suffix != ".npz":
        raise VireidError(f"an export is an .npz file of features with a .parquet table beside it, got {file}")
    with write_atomically(file.with_suffix(".parquet")) as table, write_atomically(file) as draft:
        paths: list[str] = []
        with tempfile.TemporaryFile(dir=file.parent) as rows:
            with parquet.ParquetWriter(table, _COLUMNS) as writer:
                for sightings, features in store.each(conditions):
                    paths += [sighting.path for sighting in sightings]
                    rows.write(np.ascontiguousarray(features, dtype="<f4").data)
                    writer.write_table(_table(sightings))
            rows.seek(0)
            _write_npz(draft, rows, paths, store.dimension, maker)
    return len(paths)


def _table(sightings: list[Sighting]) -> pa.Table:
    columns = {name: [getattr(sighting, name) for sighting in sightings] for name in _COLUMNS.names}
    columns["modality"] = [sighting.modality.value for sighting in sightings]
    return pa.table(columns, schema=_COLUMNS)


def _write_npz(draft: Path, rows: IO[bytes], paths: list[str], dimension: int, maker: str) -> None:
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("features.npy", "w", force_zip64=True) as entry:
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(paths), dimension)}
            np.lib.format.write_array_header_1_0(entry, header)
            while piece := rows.read(1 << 20):
                entry.write(piece)
        for name, array in (("paths", np.array(paths, dtype=str)), ("maker", np.array(maker))):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
