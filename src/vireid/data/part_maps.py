"""Part maps: which part of the person each pixel of an image shows, for methods that learn from them.

They guide training only. Embedding, searching and scoring never read one.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from vireid.data.faults import FaultError
from vireid.data.images import open_image
from vireid.types import UNKNOWN_PART, Records, VireidError

__all__ = ["HOW_TO_GET_PART_MAPS", "PART_MAP_FOLDER", "count_part_maps", "load_part_maps"]

PART_MAP_FOLDER = "parts"
"""Where part maps lie below the root of their images unless told otherwise."""

HOW_TO_GET_PART_MAPS = """\
A part map lies in a folder of its own under the path of its image with the suffix .png (cam1/0001/0001.jpg ->
cam1/0001/0001.png). It is a PNG of 8-bit gray or with a palette, upright as the image, with a number for each pixel:
0 is background, 1, 2, .. are parts, 255 is unknown. Images without a map are allowed.
  vireid synth --part-maps              writes them for a made world, into parts/
  SCHP, Graphonomy, M2FP                public parsers of people make them for other images; a model of
                                        Pascal-Person-Part has 7 numbers: background, head, torso, upper and lower arms,
                                        upper and lower legs; one of LIP (20) or ATR (18) names clothes: merge these to
                                        a few parts, left and right to one, for images are mirrored
Parsers are made for visible images and often wrong on infrared ones: look at theirs first, or give none for these."""

_MEND = "make it again, or remove it: an image without a map is allowed"


def load_part_maps(
    records: Records, rows: Int[np.ndarray, " b"], *, folder: Path, parts: int, height: int, width: int
) -> UInt8[Tensor, "b h w"]:
    """The part maps of some rows, in their order, resized to the nearest pixel; 255 all over for an image without one.

    Args:
        records: the table.
        rows: which rows of it.
        folder: where the maps lie, see `HOW_TO_GET_PART_MAPS`.
        parts: how many there are with the background, 1 to 255; a map holds 0 .. parts - 1, and 255 for unknown.
        height, width: of every map, in pixels.

    Raises:
        VireidError: a map with another number in it, of another kind of pixels, damaged or of more than 25 million
            pixels, by its path; parts, a size or a row out of range.
    """
    if height < 1 or width < 1 or not 1 <= parts <= UNKNOWN_PART:
        raise VireidError(
            f"part maps need a positive height and width and 1 to {UNKNOWN_PART} parts, got {height} x {width} and "
            f"{parts} parts"
        )
    maps = torch.full((len(rows), height, width), UNKNOWN_PART, dtype=torch.uint8)
    for place, file in enumerate(_files(records, rows, folder)):
        if file.exists():
            resized = Image.fromarray(_load(file, parts)).resize((width, height), Image.Resampling.NEAREST)
            maps[place] = torch.from_numpy(np.array(resized))
    return maps


def count_part_maps(records: Records, rows: Int[np.ndarray, " b"], *, folder: Path) -> int:
    """How many of the rows have a part map; it is not read.

    Raises:
        VireidError: a row that is not in the table.
    """
    return sum(file.exists() for file in _files(records, rows, folder))


def _files(records: Records, rows: Int[np.ndarray, " b"], folder: Path) -> list[Path]:
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(records)):
        raise VireidError(f"rows must lie in 0 .. {len(records) - 1}, got {rows.min()} .. {rows.max()}")
    paths = [PurePosixPath(str(path)) for path in records.paths[rows]]
    for path in paths:
        if path.is_absolute() or ".." in path.parts:
            raise VireidError(f"paths of images must stay inside their root, got {path}; correct the list of images")
    return [Path(folder, path.with_suffix(".png")) for path in paths]


def _load(file: Path, parts: int) -> UInt8[np.ndarray, "h w"]:
    with open_image(file, formats=("PNG",), mend=_MEND) as image:
        # Gray of fewer bits would be stretched to 0 .. 255; a palette's numbers are kept whatever their bits are.
        pixels = str(image.tile[0].args) if image.tile else image.mode
        if image.mode != "P" and pixels != "L":
            raise FaultError(
                f"a part map must be a PNG of 8-bit gray or with a palette, but {file} has pixels {pixels}",
                what_to_do="write the number of each pixel's part as one byte, not its colour",
            )
        numbers = np.array(image, dtype=np.uint8)
    wrong = numbers[(numbers >= parts) & (numbers != UNKNOWN_PART)]
    if wrong.size:
        raise FaultError(
            f"a part map for {parts} parts must hold 0 .. {parts - 1}, or {UNKNOWN_PART} for unknown, but {file} holds "
            f"{int(wrong.max())}",
            what_to_do="set the number of parts to that of the parser, or merge its labels",
        )
    return numbers
