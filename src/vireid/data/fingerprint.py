"""What data a training or a measurement was made of, in a few digits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from vireid.data.listing import check_regular
from vireid.types import Records, VireidError

__all__ = ["fingerprint_records", "same_data"]

_FORM = "content:"
"""What a fingerprint begins with; the first form, of names and sizes alone, was digits only."""

_READ = 256
_OF_EACH = 2**16


def fingerprint_records(records: Records, rows: Int[np.ndarray, " k"] | None = None) -> str:
    """A table as ``content:`` and 16 hexadecimal digits: who is where in it, each file's size, and what some hold.

    Of 256 images, spread evenly over the rows, the first 64 KiB are read; of all, which takes as long as an epoch,
    only the size. So data that were made anew, as by other resizing, are noticed, also where sizes follow from the
    number of pixels, as those of BMP do; a few images that were exchanged for others of the same size may not be.
    Where the root lies and when the files were written does not matter.

    Args:
        rows: all of the table by default.

    Raises:
        VireidError: an image that is not on disk or cannot be read.
    """
    rows = np.arange(len(records)) if rows is None else rows
    read = set(np.linspace(0, len(rows) - 1, min(len(rows), _READ)).astype(int).tolist())
    digest = hashlib.sha256()
    for place, row in enumerate(rows.tolist()):
        file = records.file(row)
        record = records[row]
        try:
            facts = (record.path, record.person, record.camera, record.modality.value, record.split)
            digest.update(repr((*facts, file.stat().st_size)).encode())
            if place in read:
                check_regular(file)
                with file.open("rb") as stream:
                    digest.update(hashlib.sha256(stream.read(_OF_EACH)).digest())
        except OSError as error:
            raise VireidError(f"the image {file} cannot be looked at: {error.strerror or error}") from error
    return _FORM + digest.hexdigest()[:16]


def same_data(one: Mapping[str, object], other: Mapping[str, object]) -> bool | None:
    """Whether two descriptions of data are of the same; None where their fingerprints are of two forms.

    Args:
        one, other: ``fingerprint``, see `fingerprint_records`, and any counts.

    >>> same_data({"fingerprint": "content:0f", "images": 9}, {"fingerprint": "content:0f", "images": 9})
    True
    >>> same_data({"fingerprint": "0f", "images": 9}, {"fingerprint": "content:1a", "images": 9})
    >>> same_data({"fingerprint": "0f", "images": 9}, {"fingerprint": "content:1a", "images": 8})
    False
    """
    if {**one, "fingerprint": ""} != {**other, "fingerprint": ""}:
        return False
    forms = [str(each.get("fingerprint")).rpartition(":")[0] for each in (one, other)]
    return one == other if forms[0] == forms[1] else None
