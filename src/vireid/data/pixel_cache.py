"""The decoded and resized images of a data set, kept on disk so that training reads no image file."""

from __future__ import annotations

import errno
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Int64, UInt8
from torch import Tensor

from vireid.data.dataset import ImageDataset, row_numbers
from vireid.data.faults import FaultError
from vireid.data.image_digests import digest_of, image_digests, stamps_file
from vireid.data.in_threads import in_threads
from vireid.data.pixel_store import PixelStore, Stored
from vireid.types import Records, VireidError

__all__ = ["PixelCache", "open_pixel_cache"]

# Left free on the disk, for what the training itself writes.
_RESERVE = 2**30
# Written at a time: what a killed writer loses, and what waits in memory.
_CHUNK = 2**26


class PixelCache:
    """Images of a table of records as decoded and resized before; `open_pixel_cache` makes it.

    The pixels are mapped into memory read-only: processes share them, and the system can drop them at need. Pickling
    hands on where they lie, not what they are. An image's checksum is looked at when a process first reads it.

    Attributes:
        records: the table.
        height, width: of every image, in pixels.
    """

    def __init__(self, records: Records, store: PixelStore, stored: Stored, slots: Int64[np.ndarray, " n"]) -> None:
        """Take the slot of each row of the table, -1 for a row without."""
        self.records = records
        _, self.height, self.width = store.shape
        self._store, self._slots = store, slots
        self._checksums = stored.checksums
        self._checked = np.zeros(len(stored.checksums), dtype=bool)
        self._pixels: UInt8[np.ndarray, "n 3 h w"] | None = None

    def holds(self, records: Records, image_size: tuple[int, int]) -> bool:
        """Whether it was opened for this table and this height and width."""
        same_table = self.records.root == records.root and np.array_equal(self.records.paths, records.paths)
        return same_table and (self.height, self.width) == image_size

    def batch(self, rows: Int[np.ndarray, " b"]) -> UInt8[Tensor, "b 3 h w"]:
        """The images of some rows, in their order: bit for bit what `load_batch` gives.

        Raises:
            VireidError: a row that is not in the table or was not asked for when the cache was opened, or pixels that
                were damaged or removed since.
        """
        slots = self._slots[row_numbers(rows, len(self._slots))]
        if (slots < 0).any():
            row = int(rows[int(np.argmin(slots))])
            raise VireidError(f"row {row} is not in the pixel cache; open the cache with all rows that are read")
        if not len(slots):
            return torch.empty((0, 3, self.height, self.width), dtype=torch.uint8)
        if self._pixels is None:
            self._pixels = self._store.map(len(self._checksums))
        images = self._pixels[slots]
        for place in np.flatnonzero(~self._checked[slots]):
            if zlib.crc32(images[place]) != self._checksums[slots[place]]:
                file = self.records.file(int(rows[place]))
                raise VireidError(
                    f"the pixels of {file} in the cache {self._store.folder} are damaged; remove that folder, it is "
                    "then made anew"
                )
            self._checked[slots[place]] = True
        return torch.from_numpy(images)

    def __getstate__(self) -> dict[str, Any]:
        # Whoever takes it over maps the file anew, and must look at the checksums anew.
        return self.__dict__ | {"_pixels": None, "_checked": np.zeros_like(self._checked)}


def open_pixel_cache(
    records: Records,
    rows: Int[np.ndarray, " b"],
    *,
    folder: Path | str,
    height: int,
    width: int,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> PixelCache | None:
    """Decode the images that the cache does not hold yet, and open it.

    An image is known by the hash of its file: one that changed on disk is decoded anew, one that was moved or stands
    in several data sets is not. What a killed process left is gone on from; of several that start at once, one decodes
    and the others wait. One folder can serve any number of data sets and sizes.

    Args:
        records: the table.
        rows: which rows of it will be read.
        folder: of all caches, made if it is not there.
        height, width: of every image, in pixels.
        workers: threads that decode; one for each core by default, 0 for none. The files are the same for any number.
        progress: called with (done, all) images to decode, from the calling thread.
        say: told in a sentence what the user should know: a wait, a damaged cache, a disk that is too small.

    Returns:
        The cache, or None where the disk is too small: read with `load_batch` then.

    Raises:
        VireidError: an image that cannot be read (with its path), rows that are no integers, rows or a size out of
            range, a folder that cannot be written, a cache of another version of the format.
    """
    folder = Path(folder)
    dataset = ImageDataset(records, height=height, width=width)
    rows = np.unique(ImageDataset(records, rows, height=height, width=width).rows)
    store = PixelStore(folder, height=height, width=width)
    digests = image_digests(records, rows, folder=folder, workers=workers)
    try:
        stored = _filled(store, dataset, dict(zip(digests, rows.tolist())), workers, progress, say)
    except FileNotFoundError:
        raise VireidError(f"the pixel cache {folder} was removed while it was being filled; start again") from None
    except (OSError, VireidError) as error:
        stored = _shortage(error, folder)
    if isinstance(stored, str):
        say(f"no pixel cache in {folder}: {stored}; images are decoded whenever they are read")
        return None
    if not stored.slots.keys() >= set(digests):
        raise VireidError(f"the pixel cache {folder} was removed while it was being filled; start again")
    slots = np.full(len(records), -1, dtype=np.int64)
    slots[rows] = [stored.slots[digest] for digest in digests]
    return PixelCache(records, store, stored, slots)


def _filled(
    store: PixelStore,
    dataset: ImageDataset,
    images: dict[bytes, int],
    workers: int | None,
    progress: Callable[[int, int], None] | None,
    say: Callable[[str], None],
) -> Stored | str:
    """The store with all of some images, given by hash and row; or why the disk is too small for it."""

    def decode(image: tuple[bytes, int]) -> UInt8[np.ndarray, "3 h w"]:
        digest, row = image
        pixels = dataset[row].numpy()
        file = dataset.records.file(row)
        if digest_of(file) != digest:
            # The stamp that was kept may be what is wrong.
            stamps_file(dataset.records, store.folder.parent).unlink(missing_ok=True)
            raise FaultError(
                f"{file} changed while it was being read", what_to_do="start again when nothing writes to the data set"
            )
        return pixels

    stored = store.read()
    if stored.slots.keys() >= images.keys():
        return stored
    with store.locked(say), in_threads(workers) as each:
        store.begin(say)
        # Whoever held the lock before may have decoded the same images.
        known = store.read().slots
        missing = [(digest, row) for digest, row in images.items() if digest not in known]
        needed, free = len(missing) * store.slot_bytes + _RESERVE, shutil.disk_usage(store.folder).free
        if missing and needed > free:
            return f"it needs {needed / 1e9:.1f} GB with a reserve, the disk has {free / 1e9:.1f} GB"
        step = max(1, _CHUNK // store.slot_bytes)
        for start in range(0, len(missing), step):
            chunk, decoded = missing[start : start + step], {}
            for (digest, _), pixels in zip(chunk, each(decode, chunk)):
                decoded[digest] = pixels
                if progress is not None:
                    progress(start + len(decoded), len(missing))
            store.append(decoded)
        return store.read()


def _shortage(error: OSError | VireidError, folder: Path) -> str:
    """What the system says where the disk or a quota is full; any other error is raised."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return cause.strerror or "the disk is full"
    if isinstance(error, VireidError):
        raise error
    raise VireidError(
        f"cannot use the pixel cache {folder}: {error.strerror or error}; choose a folder that you may write to, or "
        "train without"
    ) from error
