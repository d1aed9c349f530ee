"""Which images are embedded together, and their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int, Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from vireid.data import PixelCache
from vireid.data.pixel_source import PixelSource
from vireid.types import Modality, Records, VireidError

__all__ = ["EmbeddingBatch", "EmbeddingBatches", "split_into_batches", "usual_batch_size"]

_PIXELS = {"cpu": 8 * 384 * 192, "cuda": 128 * 384 * 192}
_MOST = {"cpu": 64, "cuda": 1024}


class EmbeddingBatch(NamedTuple):
    """Images of one modality that are embedded together.

    Attributes:
        modality: of all of them.
        places: where they stand in the result.
    """

    modality: Modality
    places: Int64[np.ndarray, " b"]


def usual_batch_size(device: torch.device, image_size: tuple[int, int]) -> int:
    """Images at a time: what a processor's caches or a GPU's units like, by the size of an image.

    >>> usual_batch_size(torch.device("cpu"), (384, 192)), usual_batch_size(torch.device("cuda"), (384, 192))
    (8, 128)
    """
    kind = "cuda" if device.type == "cuda" else "cpu"
    return max(1, min(_MOST[kind], _PIXELS[kind] // (image_size[0] * image_size[1])))


def split_into_batches(records: Records, rows: Int[np.ndarray, " k"], batch_size: int) -> list[EmbeddingBatch]:
    """The places 0 .. k - 1, each in one batch: first all visible images, then all infrared ones.

    Raises:
        VireidError: nothing to embed, a row that is not in the table, or a batch size below 1.
    """
    if not len(rows):
        raise VireidError(f"there are no images to embed under {records.root}")
    if not (rows.min() >= 0 and rows.max() < len(records)):
        raise VireidError(f"rows must lie in 0 .. {len(records) - 1}, got {rows.min()} .. {rows.max()}")
    if batch_size < 1:
        raise VireidError(f"embedding needs at least 1 image at a time, got batch_size {batch_size}")
    batches = []
    for modality in Modality:
        places = np.flatnonzero(records.infrared[rows] == (modality is Modality.INFRARED))
        for first in range(0, len(places), batch_size):
            batches.append(EmbeddingBatch(modality, places[first : first + batch_size]))
    return batches


class EmbeddingBatches(Dataset[Tensor]):
    """Item i is the pixels of batch i.

    Args:
        records: the table.
        rows: the row of each place.
        batches: see `split_into_batches`.
        image_size: height and width in pixels.
        cache: read from instead of the image files where given; the pixels are the same.

    Raises:
        VireidError: a cache of another table or image size.
    """

    def __init__(
        self,
        records: Records,
        rows: Int[np.ndarray, " k"],
        batches: Sequence[EmbeddingBatch],
        image_size: tuple[int, int],
        cache: PixelCache | None = None,
    ) -> None:
        self._pixels = PixelSource(records, image_size, cache, use="embedded")
        self._rows, self._batches = rows, batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> UInt8[Tensor, "b 3 h w"]:
        return self._pixels.batch(self._rows[self._batches[number].places])
