"""What data a training or a measurement was made of, in a few digits."""

from __future__ import annotations

import hashlib

import numpy as np
from jaxtyping import Int

from vireid.types import Records, VireidError

__all__ = ["fingerprint_records"]


def fingerprint_records(records: Records, rows: Int[np.ndarray, " k"] | None = None) -> str:
    """16 hexadecimal digits of a table: who is where in it, and the size of each image's file in bytes.

    Where the root lies and when the files were written does not matter. Contents are not read, for that takes as long
    as an epoch: two files of one length and name are taken for the same.

    Args:
        rows: all of the table by default.

    Raises:
        VireidError: an image that is not on disk.
    """
    rows = np.arange(len(records)) if rows is None else rows
    digest = hashlib.sha256()
    for row in rows.tolist():
        file = records.file(row)
        try:
            size = file.stat().st_size
        except OSError as error:
            raise VireidError(f"the image {file} cannot be looked at: {error.strerror}") from error
        record = records[row]
        facts = (record.path, record.person, record.camera, record.modality.value, record.split, size)
        digest.update(repr(facts).encode())
    return digest.hexdigest()[:16]
