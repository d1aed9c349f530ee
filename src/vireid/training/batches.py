"""The pixels of training steps, read ahead of the loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from vireid.data import PixelCache, load_part_maps
from vireid.data.pixel_source import PixelSource
from vireid.data.sampler import IdentitySampler
from vireid.transforms import Movement
from vireid.types import Records

__all__ = ["Batch", "PartMaps", "Targets", "TrainingBatches"]


class Targets(NamedTuple):
    """What a criterion holds a network's output against; rows are the streams' images, stream after stream.

    Attributes:
        labels: identity of each row.
        part_maps: a part's number a pixel, 0 background, 255 unknown; None where the training has none.
    """

    labels: Int64[Tensor, " b"]
    part_maps: UInt8[Tensor, "b h w"] | None = None


@dataclass(frozen=True, slots=True)
class PartMaps:
    """Part maps that guide a training.

    Attributes:
        folder: see `load_part_maps`; an image may be without a map.
        parts: numbers in a map, background included.
        movement: that of the views, from which the moves are drawn that a view and the maps of its images share, since
            a map must be cropped and mirrored like its image.
    """

    folder: Path
    parts: int
    movement: Movement


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's images as decoded and resized; entry i of both modalities shows the person of ``labels[i]``.

    The part maps are the images', where the training has any.
    """

    visible: UInt8[Tensor, "b 3 h w"]
    infrared: UInt8[Tensor, "b 3 h w"]
    labels: Int64[Tensor, " b"]
    visible_parts: UInt8[Tensor, "b h w"] | None = None
    infrared_parts: UInt8[Tensor, "b h w"] | None = None

    def pin_memory(self) -> Batch:
        """The same in page-locked memory, from which a GPU copies while the processor works on."""
        return Batch(
            self.visible.pin_memory(),
            self.infrared.pin_memory(),
            self.labels.pin_memory(),
            None if self.visible_parts is None else self.visible_parts.pin_memory(),
            None if self.infrared_parts is None else self.infrared_parts.pin_memory(),
        )


class TrainingBatches(Dataset[Batch]):
    """Item (epoch, step) is the batch that the sampler draws for it.

    Args:
        records: the table that the sampler draws from.
        sampler: see `IdentitySampler`.
        image_size: height and width in pixels.
        part_maps: read beside the images where given.
        cache: where the images are read from instead of their files; batches are the same.

    Raises:
        VireidError: a cache of another table or image size.
    """

    def __init__(
        self,
        records: Records,
        sampler: IdentitySampler,
        image_size: tuple[int, int],
        part_maps: PartMaps | None = None,
        cache: PixelCache | None = None,
    ) -> None:
        self._pixels = PixelSource(records, image_size, cache, use="trained on")
        self._records, self._sampler, self._image_size = records, sampler, image_size
        self._part_maps = part_maps

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        rows = self._sampler.batch(*key)
        return Batch(
            visible=self._pixels.batch(rows.visible),
            infrared=self._pixels.batch(rows.infrared),
            labels=torch.from_numpy(rows.labels),
            visible_parts=self._parts(rows.visible),
            infrared_parts=self._parts(rows.infrared),
        )

    def _parts(self, rows: Int64[np.ndarray, " b"]) -> UInt8[Tensor, "b h w"] | None:
        if self._part_maps is None:
            return None
        height, width = self._image_size
        folder, parts = self._part_maps.folder, self._part_maps.parts
        return load_part_maps(self._records, rows, folder=folder, parts=parts, height=height, width=width)
