"""What torch's own reader of pickles would carry out although few bytes then fill the memory."""

from __future__ import annotations

import codecs
import io
import pickletools
import zipfile
from pathlib import Path

__all__ = ["check_pickles"]

# A file in torch's older form begins with five: magic number, version, system, content, keys of the tensors.
_PICKLES = 5
_BYTES_OF_ANY_SIZE = ("builtins bytearray", "__builtin__ bytearray")
_BYTES_OF_TEXT = "_codecs encode"
# Python 2 held bytes as text in latin1. These take what they gave, and may make it longer each time.
_CODECS_OF_BYTES = {"base64", "bz2", "hex", "quopri", "rot13", "uu", "zlib"}


def check_pickles(file: Path) -> None:
    """Refuse bytes of any size and codecs that make bytes longer; torch takes both for plain values.

    What is damaged is passed over: torch says it better, and carries out nothing behind the damage.

    Args:
        file: of torch.save, in either of its forms.

    Raises:
        ValueError: with the reason.
        zipfile.BadZipFile: a damaged archive.
    """
    if not zipfile.is_zipfile(file):
        with file.open("rb") as stream:
            for _ in range(_PICKLES):
                if not _check(stream):
                    return
        return
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.lower().endswith(".pkl"):  # torch looks names up in any case
                _check(io.BytesIO(archive.read(name)))


def _check(stream: io.BytesIO | io.BufferedReader) -> bool:
    """Look at one pickle; whether it is whole."""
    called: set[str] = set()
    texts: set[str] = set()
    whole = True
    try:
        for code, value, _ in pickletools.genops(stream):
            if isinstance(value, str):
                (called if code.name == "GLOBAL" else texts).add(value)
    except ValueError:
        whole = False
    if called.intersection(_BYTES_OF_ANY_SIZE):
        raise ValueError("it asks for bytes of any size (bytearray), as torch.save of tensors does not")
    if _BYTES_OF_TEXT in called:
        longer = sorted(text for text in texts if _makes_longer(text))
        if longer:
            raise ValueError(f"it may make its bytes longer by the codec {longer[0]!r}")
    return whole


def _makes_longer(text: str) -> bool:
    try:
        return codecs.lookup(text).name in _CODECS_OF_BYTES
    except (LookupError, ValueError, ImportError):
        return False
