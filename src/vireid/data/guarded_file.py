"""An image file that lets no header, however made, take a decoder's time or memory for ever."""

from __future__ import annotations

import io
from pathlib import Path

from vireid.data.faults import FaultError
from vireid.data.listing import check_regular

__all__ = ["MAX_BYTES", "GuardedFile", "check_bytes", "read_image_file"]

MAX_BYTES = 80_000_000
"""Of an image file: 24 million pixels stored plainly, and far more than they take in a photograph."""

_MOST_BEFORE_PIXELS = 2**24
_MOST_READS = 4096
_MOST_SCANS = 100
_NEXT_SCAN = b"\xff\xda"


def check_bytes(file: Path, size: int) -> None:
    """Refuse an image file of more bytes than any needs.

    Raises:
        VireidError: more than `MAX_BYTES`.
    """
    if size > MAX_BYTES:
        raise FaultError(
            f"an image file may have at most {MAX_BYTES} bytes, but {file} has {size}", what_to_do="save it as a JPEG"
        )


def read_image_file(file: Path) -> bytes:
    """What an image file holds, which is never endless.

    Raises:
        VireidError: more than `MAX_BYTES`.
        OSError: it is not there, cannot be read, or is a pipe or a device.
    """
    check_regular(file)
    check_bytes(file, file.stat().st_size)
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)  # it may have grown
    check_bytes(file, len(content))
    return content


class GuardedFile(io.BufferedReader):
    """Reads like any file, and gives up (`OSError`) where a decoder would go on far longer than an image is worth.

    What a few bytes can ask for without this: a look at every piece of a header, a microsecond or two for each four
    bytes; and a pass over all pixels for each scan of a progressive JPEG, of which 8 MB can hold half a million.

    Args:
        raw: the file itself, or what it holds.
        size: its bytes.
    """

    def __init__(self, raw: io.FileIO | io.BytesIO, size: int) -> None:
        super().__init__(raw)
        self._before_pixels = _MOST_BEFORE_PIXELS
        self._size = size
        self._reads = _MOST_READS
        self._scans: int | None = None
        self._last = b""

    def begin_pixels(self, *, scans: bool) -> None:
        """The header has been read.

        Args:
            scans: whether scans of a JPEG follow, which are counted.
        """
        self._before_pixels = MAX_BYTES
        self._reads = _MOST_READS + self._size // 1024  # encoders write pixels in pieces of 4096 bytes and more
        self._scans = _MOST_SCANS if scans else None

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file.

        Raises:
            OSError: it is made of more pieces, holds more before its pixels or has more scans than any image needs.
        """
        content = super().read(size)
        self._reads -= 1
        self._before_pixels -= len(content)
        if self._reads < 0:
            raise OSError("it is made of far too many small pieces")
        if self._before_pixels < 0:
            raise OSError(f"it holds more than {_MOST_BEFORE_PIXELS} bytes beside its pixels")
        if self._scans is not None:
            self._scans -= (self._last + content).count(_NEXT_SCAN)
            self._last = content[-1:]
            if self._scans < 0:
                raise OSError(f"it has more than {_MOST_SCANS} scans")
        return content
