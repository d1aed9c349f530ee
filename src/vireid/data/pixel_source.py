"""Where the pixels of a batch come from: the image files, or a cache of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, UInt8
from torch import Tensor

from vireid.data.dataset import load_batch
from vireid.data.pixel_cache import PixelCache
from vireid.types import Records, VireidError

__all__ = ["PixelSource"]


class PixelSource:
    """Images of a table in one size; the same pixels with a cache and without.

    Args:
        records: the table.
        image_size: height and width in pixels.
        cache: read from instead of the image files where given.
        use: what is done with the images, for a message: "trained on".

    Raises:
        VireidError: a cache of another table or image size.
    """

    def __init__(self, records: Records, image_size: tuple[int, int], cache: PixelCache | None, *, use: str) -> None:
        if cache is not None and not cache.holds(records, image_size):
            raise VireidError(
                f"the pixel cache must hold the images that are {use}, those of {records.root} in {image_size[0]} x "
                f"{image_size[1]} pixels, but it is of {cache.records.root} in {cache.height} x {cache.width}; open it "
                "with the same table and size"
            )
        self._records, self._image_size, self._cache = records, image_size, cache

    def batch(self, rows: Int[np.ndarray, " b"]) -> UInt8[Tensor, "b 3 h w"]:
        """The images of some rows, in their order; see `load_batch` for what it raises."""
        if self._cache is not None:
            return self._cache.batch(rows)
        height, width = self._image_size
        return load_batch(self._records, rows, height=height, width=width)
