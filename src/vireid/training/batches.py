"""The pixels of training steps, read ahead of the loop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from vireid.data import load_batch
from vireid.data.sampler import IdentitySampler
from vireid.types import Records

__all__ = ["Batch", "TrainingBatches"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's images as decoded and resized; entry i of both modalities shows the person of ``labels[i]``."""

    visible: UInt8[Tensor, "b 3 h w"]
    infrared: UInt8[Tensor, "b 3 h w"]
    labels: Int64[Tensor, " b"]

    def pin_memory(self) -> Batch:
        """The same in page-locked memory, from which a GPU copies while the processor works on."""
        return Batch(self.visible.pin_memory(), self.infrared.pin_memory(), self.labels.pin_memory())


class TrainingBatches(Dataset[Batch]):
    """Item (epoch, step) is the batch that the sampler draws for it.

    Args:
        records: the table that the sampler draws from.
        sampler: see `IdentitySampler`.
        image_size: height and width in pixels.
    """

    def __init__(self, records: Records, sampler: IdentitySampler, image_size: tuple[int, int]) -> None:
        self._records, self._sampler, self._image_size = records, sampler, image_size

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        rows = self._sampler.batch(*key)
        height, width = self._image_size
        return Batch(
            visible=load_batch(self._records, rows.visible, height=height, width=width),
            infrared=load_batch(self._records, rows.infrared, height=height, width=width),
            labels=torch.from_numpy(rows.labels),
        )
