"""Images of a table of records as tensors of one size."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int, Int64, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from vireid.data.images import load_image
from vireid.types import Records, VireidError

__all__ = ["ImageDataset", "load_batch", "resize_image", "row_numbers"]


class ImageDataset(Dataset[Tensor]):
    """Decodes and resizes the image of a row when it is asked for: ``dataset[i]`` is a ``3 h w`` tensor of bytes.

    Resizing is bilinear with antialiasing, as Pillow does it.

    Args:
        records: the table.
        rows: which rows, in which order; all by default.
        height: of every image, in pixels.
        width: of every image, in pixels.

    Raises:
        VireidError: a size that is not positive, rows that are no integers, a row that is not in the table; and when
            an item is asked for, an image that cannot be decoded.
    """

    def __init__(self, records: Records, rows: Int[np.ndarray, " b"] | None = None, *, height: int, width: int) -> None:
        if height < 1 or width < 1:
            raise VireidError(f"images need a positive height and width, got {height} x {width}")
        self.records = records
        self.rows = np.arange(len(records)) if rows is None else row_numbers(rows, len(records))
        self.height, self.width = height, width

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> UInt8[Tensor, "3 h w"]:
        image = load_image(self.records.file(int(self.rows[index])))
        return resize_image(image, height=self.height, width=self.width)


def resize_image(image: UInt8[np.ndarray, "a b 3"], *, height: int, width: int) -> UInt8[Tensor, "3 h w"]:
    """An image in another size as a tensor, bilinear with antialiasing, as Pillow does it."""
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()


def load_batch(records: Records, rows: Int[np.ndarray, " b"], *, height: int, width: int) -> UInt8[Tensor, "b 3 h w"]:
    """The images of some rows, in their order, as one tensor.

    Raises:
        VireidError: see `ImageDataset`.
    """
    dataset = ImageDataset(records, rows, height=height, width=width)
    if not len(dataset):
        return torch.empty((0, 3, height, width), dtype=torch.uint8)
    return torch.stack([dataset[index] for index in range(len(dataset))])


def row_numbers(rows: Int[np.ndarray, " b"], count: int) -> Int64[np.ndarray, " b"]:
    """Rows of a table of ``count``, looked at before NumPy makes something else of them.

    Raises:
        VireidError: no integers, not one axis, or out of range.
    """
    given = np.asarray(rows)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise VireidError(
            f"rows must be integers on one axis, got {given.dtype} of shape {given.shape}; np.flatnonzero makes them "
            "of a mask, astype(int) of whole numbers"
        )
    if given.size and not (given.min() >= 0 and given.max() < count):
        raise VireidError(f"rows must lie in 0 .. {count - 1}, got {given.min()} .. {given.max()}")
    return given.astype(np.int64)
