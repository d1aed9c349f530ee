"""Reading what torch.save wrote, and trusting nothing in it."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["read_tensor_file"]

_MOST_REPEATED = 2**25
_ALL_REPEATED = 2**30


def read_tensor_file(file: Path, *, also: Sequence[Any] = (), mmap: bool = False) -> Any:
    """Tensors and plain values of a file of torch.save; code in it is never run.

    What comes back takes no more memory than the file has bytes: a compressed file is refused. A view that repeats
    few numbers many times takes memory once it is copied: one of more than 2**25 numbers is refused, and more than
    2**30 bytes in all.

    Args:
        file: the file.
        also: further plain types, see ``torch.serialization.safe_globals``.
        mmap: leave the numbers on the disk until they are needed.

    Raises:
        FileNotFoundError: there is no such file.
        Exception: whatever torch raises on damaged bytes, which has no end; ValueError for what is refused here.
    """
    if file.exists() and not file.is_file():
        raise ValueError("it is no regular file")
    zipped = zipfile.is_zipfile(file)
    if zipped:
        with zipfile.ZipFile(file) as archive:
            # torch.save never compresses; a few bytes could unpack to more than the memory holds.
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise ValueError("it is compressed, as torch.save writes none")
    with torch.serialization.safe_globals(list(also)):
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=mmap and zipped)
    repeated = 0
    for tensor in _tensors(content):
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise ValueError(f"it holds a tensor of another kind than plain numbers ({tensor.layout}, {tensor.device})")
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            repeated += tensor.nbytes
            if tensor.numel() > _MOST_REPEATED or repeated > _ALL_REPEATED:
                raise ValueError(f"it holds a tensor of shape {tuple(tensor.shape)}, but far fewer numbers than that")
    return content


def _tensors(content: Any) -> Iterator[Tensor]:
    """Every tensor in nested mappings and lists; a loop, since a hostile file may nest deeper than Python calls."""
    left, seen = [content], set()
    while left:
        value = left.pop()
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Mapping | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, Mapping):
                left.extend(value.keys())
                left.extend(value.values())
            else:
                left.extend(value)
            with contextlib.suppress(TypeError):
                left.append(vars(value))  # torch keeps a state dict's metadata there
