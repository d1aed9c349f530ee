"""Reading what torch.save wrote, and trusting nothing in it."""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vireid.models.pickle_check import check_pickles

__all__ = ["check_members", "code_in", "read_tensor_file", "said_of"]

_MOST_REPEATED = 2**25
_ALL_REPEATED = 2**30


def read_tensor_file(file: Path, *, also: Sequence[Any] = (), mmap: bool = False) -> Any:
    """Tensors and plain values of a file of torch.save; code in it is never run.

    The tensors that come back take no more memory than the file has bytes: a compressed file is refused, and one whose
    tensors share their bytes. A view that repeats few numbers many times takes memory once it is copied: one of more
    than 2**25 numbers is refused, and more than 2**30 bytes in all.

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
            check_members(archive.infolist(), file.stat().st_size)
    check_pickles(file)
    # Whatever names a file gives to the same bytes, mapped they take no memory before they are counted below.
    with torch.serialization.safe_globals(list(also)):
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=zipped)
    tensors = list({id(tensor): tensor for tensor in _tensors(content)}.values())
    _check_tensors(tensors, file.stat().st_size)
    if zipped and not mmap:
        _read_in(tensors)
    return content


def code_in(error: Exception) -> str | None:
    """The name of the code that a file holds, if that is why torch refused it."""
    code = re.search(r"GLOBAL ([\w.]+) (was|whose)", str(error))
    return code[1] if code else None


def said_of(error: Exception) -> str:
    """What a message says of an error of `read_tensor_file`: the reason if it is ours, else little more than its kind.

    torch speaks of its own insides at length, and of how to run the code in a file.
    """
    code = code_in(error)
    if code:
        return f"it holds {code}, which is code and was not run"
    ours = type(error) is ValueError and str(error).startswith("it ")
    return str(error) if ours or isinstance(error, OSError) else type(error).__name__


def check_members(members: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Refuse an archive of torch that could fill the memory from few bytes.

    Args:
        members: all of it.
        size: of the archive in bytes.

    Raises:
        ValueError: with the reason.
    """
    # torch.save never compresses; a few bytes could unpack to more than the memory holds.
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("it is compressed, as torch.save writes none")
    held = sum(member.file_size for member in members)
    if held > size:
        raise ValueError(f"it has {size} bytes, but says to hold {held}: its members lie over each other")


def _check_tensors(tensors: Sequence[Tensor], size: int) -> None:
    repeated = 0
    held: dict[tuple[int, int], int] = {}
    for tensor in tensors:
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise ValueError(f"it holds a tensor of another kind than plain numbers ({tensor.layout}, {tensor.device})")
        storage = tensor.untyped_storage()
        held[_place(tensor)] = storage.nbytes()
        if tensor.nbytes > storage.nbytes():
            repeated += tensor.nbytes
            if tensor.numel() > _MOST_REPEATED or repeated > _ALL_REPEATED:
                raise ValueError(f"it holds a tensor of shape {tuple(tensor.shape)}, but far fewer numbers than that")
    if sum(held.values()) > size:
        raise ValueError(f"it has {size} bytes, but tensors of {sum(held.values())}")


@torch.no_grad()
def _read_in(tensors: Sequence[Tensor]) -> None:
    """Numbers in memory in place of the mapped ones, which would change with the file; what was shared stays so."""
    copies: dict[tuple[int, int], torch.UntypedStorage] = {}
    for tensor in tensors:
        place = _place(tensor)
        if place not in copies:
            copies[place] = tensor.untyped_storage().clone()
        tensor.set_(copies[place], tensor.storage_offset(), tensor.size(), tensor.stride())


def _place(tensor: Tensor) -> tuple[int, int]:
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()


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
