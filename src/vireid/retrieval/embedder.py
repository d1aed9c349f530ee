"""From images on disk to vectors to search with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from vireid.data import load_batch
from vireid.data.load_ahead import load_ahead
from vireid.models import Network
from vireid.transforms import evaluation_view, flip
from vireid.types import Embeddings, Modality, Records, VireidError

__all__ = ["embed_records"]


def embed_records(
    network: Network,
    records: Records,
    rows: Int[np.ndarray, " k"] | None = None,
    *,
    feature: Literal["bn", "pool"] = "bn",
    mirror: bool = False,
    batch_size: int = 64,
    device: torch.device | str = "cpu",
    workers: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Embeddings:
    """Embed some rows of a table, visible and infrared ones each through their own stems, resized but not augmented.

    Args:
        network: in evaluation mode; it is moved to ``device`` and stays there.
        rows: all of the table by default. The result keeps their order.
        feature: ``bn`` (the papers' retrieval feature) or ``pool``.
        mirror: average the embeddings of each image and of its mirror image, and scale the mean to length 1 again. It
            takes twice the time. CAJ's headline numbers are made so: say beside a score whether it was.
        batch_size: images at a time.
        workers: processes that decode images ahead; 0 decodes in this one.
        progress: called with images done and all images after each batch.

    Raises:
        VireidError: nothing to embed, an unreadable image, or a feature that is not finite, by the path of its image;
            a row that is not in the table, a batch size below 1 or fewer than 0 workers.
    """
    rows = np.arange(len(records)) if rows is None else np.asarray(rows)
    if not len(rows):
        raise VireidError(f"there are no images to embed under {records.root}")
    if not (rows.min() >= 0 and rows.max() < len(records)):
        raise VireidError(f"rows must lie in 0 .. {len(records) - 1}, got {rows.min()} .. {rows.max()}")
    if batch_size < 1 or workers < 0:
        raise VireidError(
            f"embedding needs at least 1 image at a time and at least 0 workers, got {batch_size} and {workers}"
        )
    network = network.to(device)
    features = np.empty((len(rows), network.embedding_dimension), dtype=np.float32)
    done = 0
    for modality in Modality:
        places = np.flatnonzero(records.infrared[rows] == (modality is Modality.INFRARED))
        for part, vectors in _embed(network, records, rows[places], modality, feature, mirror, batch_size, workers):
            features[places[part]] = vectors
            done += len(vectors)
            progress(done, len(rows))
    return Embeddings(features=features, paths=records.paths[rows])


def _embed(
    network: Network,
    records: Records,
    rows: Int[np.ndarray, " k"],
    modality: Modality,
    feature: Literal["bn", "pool"],
    mirror: bool,
    batch_size: int,
    workers: int,
) -> Iterator[tuple[slice, Float32[np.ndarray, "b d"]]]:
    device = next(network.parameters()).device
    order = [slice(first, min(first + batch_size, len(rows))) for first in range(0, len(rows), batch_size)]
    batches = _Batches(records, rows, network.image_size)
    with torch.inference_mode():
        loaded = load_ahead(batches, order, workers=workers, pin_memory=device.type == "cuda")
        for part, pixels in zip(order, loaded):
            images = evaluation_view(pixels.to(device, non_blocking=True))
            vectors = network.embed(images, modality, feature)
            if mirror:
                vectors = F.normalize(vectors + network.embed(flip(images), modality, feature))
            yield part, vectors.float().cpu().numpy()


class _Batches(Dataset[Tensor]):
    """Item ``slice`` is the images of these places of ``rows``."""

    def __init__(self, records: Records, rows: Int[np.ndarray, " k"], image_size: tuple[int, int]) -> None:
        self._records, self._rows, self._image_size = records, rows, image_size

    def __getitem__(self, part: slice) -> UInt8[Tensor, "b 3 h w"]:
        height, width = self._image_size
        return load_batch(self._records, self._rows[part], height=height, width=width)
