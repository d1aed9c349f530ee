"""Pixels on disk by the content of the image file that they were decoded from: appended, never rewritten."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path

import cv2
import numpy as np
import PIL
from filelock import FileLock, Timeout
from jaxtyping import UInt8, UInt32
from PIL import features

from vireid.types import VireidError, write_atomically

__all__ = ["PixelStore", "Stored"]

FORMAT = 1
"""Version of the file form; to be raised too when `load_batch` gives other pixels for the same file than before."""

_ENTRY = np.dtype([("digest", np.uint8, 16), ("checksum", "<u4")])


@dataclass(frozen=True, eq=False, kw_only=True)
class Stored:
    """What a store held when it was looked at.

    Attributes:
        slots: place of an image's pixels by the hash of its file.
        checksums: CRC-32 of the pixels of each slot.
    """

    slots: dict[bytes, int]
    checksums: UInt32[np.ndarray, " n"]


class PixelStore:
    """The files of one image size: ``header.json``, ``pixels.u8`` (n x 3 x h x w bytes) and ``entries.bin``.

    ``entries.bin`` has 20 bytes a slot, the hash of the image file and the checksum of its pixels, and is written
    after the pixels have reached the disk: a writer may be killed at any moment, and what stands there is whole. A slot
    with an entry is never rewritten, so readers need no lock. Other versions of the decoders have files of their own.

    Args:
        folder: of all stores.
        height, width: of every image, in pixels.
    """

    def __init__(self, folder: Path, *, height: int, width: int) -> None:
        self._header = {"format": FORMAT, "height": height, "width": width, "decoders": _decoders()}
        decoders = hashlib.blake2b(_decoders().encode(), digest_size=4).hexdigest()
        self.folder = Path(folder) / f"{height}x{width}-{decoders}"
        self.shape = (3, height, width)
        self.slot_bytes = 3 * height * width

    def read(self) -> Stored:
        """What is there; nothing where the files are absent or damaged.

        Raises:
            VireidError: files of another version of the format.
        """
        entries = np.empty(0, dtype=_ENTRY) if self._fault() else self._entries()
        digests = entries["digest"].tobytes()
        slots = {digests[16 * slot : 16 * slot + 16]: slot for slot in range(len(entries))}
        return Stored(slots=slots, checksums=entries["checksum"].astype(np.uint32))

    @contextmanager
    def locked(self, say: Callable[[str], None]) -> Iterator[None]:
        """The right to write, which one process has at a time; it ends with the process, however that ends.

        Args:
            say: told when another process must be waited for.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"waiting for another process that fills the pixel cache {self.folder}")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def begin(self, say: Callable[[str], None]) -> None:
        """Make the files ready for `append`; damaged ones are thrown away. Only inside `locked`.

        Args:
            say: told when files are thrown away.

        Raises:
            VireidError: files of another version of the format, or a folder that cannot be written.
            OSError: likewise.
        """
        fault = self._fault()
        if not fault:
            if not self._entries_file.exists():
                # A process may still read them by entries that were removed; new pixels go into a new file.
                self._pixels_file.unlink(missing_ok=True)
            return
        if self._pixels_file.exists():
            say(f"the pixel cache {self.folder} is made anew, because {fault}")
        # Removed, not emptied: a process that still reads the old pixels keeps them.
        self._entries_file.unlink(missing_ok=True)
        self._pixels_file.unlink(missing_ok=True)
        with write_atomically(self._header_file) as draft:
            draft.write_text(json.dumps(self._header))

    def append(self, images: Mapping[bytes, UInt8[np.ndarray, "3 h w"]]) -> None:
        """Add images by the hashes of their files; only after `begin`.

        Raises:
            OSError: the disk is full, or the like.
        """
        first = len(self._entries())
        entries = np.empty(len(images), dtype=_ENTRY)
        try:
            with _open(self._pixels_file) as stream:
                # Behind the last whole entry: a killed writer may have left pixels without one.
                stream.seek(first * self.slot_bytes)
                for place, (digest, pixels) in enumerate(images.items()):
                    content = pixels.tobytes()
                    stream.write(content)
                    entries[place] = (np.frombuffer(digest, dtype=np.uint8), zlib.crc32(content))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            # Half a chunk is of no use, and a full disk is needed by others.
            with suppress(OSError):
                os.truncate(self._pixels_file, first * self.slot_bytes)
            raise
        with _open(self._entries_file) as stream:
            stream.seek(first * _ENTRY.itemsize)
            stream.write(entries.tobytes())
            stream.flush()
            os.fsync(stream.fileno())

    def map(self, slots: int) -> UInt8[np.ndarray, "n 3 h w"]:
        """The first slots, read-only and not yet read: the system loads what is touched, and drops it at need.

        Raises:
            VireidError: the pixels are not there, or fewer than that.
        """
        try:
            return np.asarray(np.memmap(self._pixels_file, dtype=np.uint8, mode="r", shape=(slots, *self.shape)))
        except (OSError, ValueError) as error:
            raise VireidError(
                f"the pixel cache {self.folder} was removed or cut off while it was in use ({error}); start again"
            ) from error

    @property
    def _header_file(self) -> Path:
        return self.folder / "header.json"

    @property
    def _pixels_file(self) -> Path:
        return self.folder / "pixels.u8"

    @property
    def _entries_file(self) -> Path:
        return self.folder / "entries.bin"

    def _fault(self) -> str:
        """Why the files cannot be gone on with, empty if they can."""
        try:
            header = json.loads(self._header_file.read_bytes())
        except FileNotFoundError:
            return "it has no header"
        except (ValueError, RecursionError):
            return "its header is damaged"
        version = header.get("format") if isinstance(header, dict) else None
        if isinstance(version, int) and version != FORMAT:
            raise VireidError(
                f"the pixel cache {self.folder} is of format {version}, this version of vireid knows format {FORMAT}; "
                "choose another folder, or remove it if nothing else uses it"
            )
        if header != self._header:
            return "its header is damaged"
        # Entries first: while another process appends, there are never fewer pixels than entries.
        entries = len(self._entries())
        pixels = self._pixels_file.stat().st_size if self._pixels_file.exists() else 0
        return "its pixels are cut off" if pixels < entries * self.slot_bytes else ""

    def _entries(self) -> np.ndarray:
        content = self._entries_file.read_bytes() if self._entries_file.exists() else b""
        return np.frombuffer(content, dtype=_ENTRY, count=len(content) // _ENTRY.itemsize)


def _open(file: Path) -> BufferedRandom:
    file.touch()
    return file.open("r+b")


def _decoders() -> str:
    return f"Pillow {PIL.__version__}, libjpeg {features.version('jpg')}, OpenCV {cv2.__version__}"
