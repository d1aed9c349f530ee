"""From images on disk to vectors to search with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from vireid.data import PixelCache
from vireid.data.load_ahead import load_ahead
from vireid.models import EmbeddingModel, Feature, Network
from vireid.retrieval.embedding_batches import (
    EmbeddingBatch,
    EmbeddingBatches,
    split_into_batches,
    usual_batch_size,
)
from vireid.transforms import flip
from vireid.types import Embeddings, Modality, Records, VireidError

__all__ = [
    "EmbeddingPrecision",
    "autocast_type",
    "computing_type",
    "embed_batches",
    "embed_pixels",
    "embed_records",
    "reading_threads",
]

EmbeddingPrecision = Literal["auto", "32", "bf16", "16"]

_TYPES = {"32": None, "bf16": torch.bfloat16, "16": torch.float16}
_READING_THREADS = {"cpu": 1, "cuda": 4}


def embed_records(
    network: EmbeddingModel,
    records: Records,
    rows: Int[np.ndarray, " k"] | None = None,
    *,
    feature: Feature = "bn",
    mirror: bool = False,
    batch_size: int | None = None,
    precision: EmbeddingPrecision = "auto",
    device: torch.device | str = "cpu",
    workers: int = 0,
    cache: PixelCache | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Embeddings:
    """Embed some rows of a table, visible and infrared ones each through their own stems, resized but not augmented.

    Reading, copying and computing overlap. The size of a batch changes the vectors in their last digits; where they are
    read from and by whom changes nothing.

    Args:
        network: in evaluation mode; it is moved to ``device``, in channels-last layout, and stays there.
        rows: all of the table by default. The result keeps their order.
        feature: ``bn`` (the papers' retrieval feature) or ``pool``.
        mirror: average the embeddings of each image and of its mirror image, and scale the mean to length 1 again. It
            takes twice the time. CAJ's headline numbers are made so: say beside a score whether it was.
        batch_size: images at a time; by default what suits the device and the size of an image.
        precision: what the network computes in, see `autocast_type`; pooling, the BatchNorm after it and lengths are
            float32 always.
        workers: processes that decode images ahead; 0 decodes in threads of this one.
        cache: read images from it instead of their files; the result is the same. It holds all that is embedded.
        progress: called with images done and all images after each batch.

    Raises:
        VireidError: nothing to embed, an unreadable image, or a feature that is not finite, by the path of its image;
            a row that is not in the table, a batch size below 1, fewer than 0 workers, a precision that the device
            has not, a cache of other images.
    """
    rows = np.arange(len(records)) if rows is None else np.asarray(rows)
    size = usual_batch_size(torch.device(device), network.image_size) if batch_size is None else batch_size
    batches = split_into_batches(records, rows, size)
    features = np.empty((len(rows), network.embedding_dimension), dtype=np.float32)
    done = 0
    options = {"feature": feature, "mirror": mirror, "precision": precision, "workers": workers, "cache": cache}
    for batch, vectors in embed_batches(network, records, rows, batches, device=device, **options):
        features[batch.places] = vectors
        done += len(vectors)
        progress(done, len(rows))
    return Embeddings(features=features, paths=records.paths[rows])


def embed_batches(
    network: EmbeddingModel,
    records: Records,
    rows: Int[np.ndarray, " k"],
    batches: Sequence[EmbeddingBatch],
    *,
    feature: Feature,
    mirror: bool,
    precision: EmbeddingPrecision,
    device: torch.device | str,
    workers: int,
    cache: PixelCache | None,
) -> Iterator[tuple[EmbeddingBatch, Float32[np.ndarray, "b d"]]]:
    """Each batch with its vectors, in order; see `embed_records`.

    Raises:
        VireidError: see `embed_records`.
    """
    device = torch.device(device)
    autocast_type(precision, device)  # refused before anything is read
    pixels = load_ahead(
        EmbeddingBatches(records, rows, batches, network.image_size, cache),
        range(len(batches)),
        workers=workers,
        threads=reading_threads(device),
        pin_memory=device.type == "cuda",
    )
    images = ((batch.modality, each) for batch, each in zip(batches, pixels))
    vectors = embed_pixels(network, images, feature=feature, mirror=mirror, precision=precision, device=device)
    try:
        yield from zip(batches, vectors)
    finally:
        pixels.close()


def embed_pixels(
    network: EmbeddingModel,
    batches: Iterable[tuple[Modality, UInt8[Tensor, "b 3 h w"]]],
    *,
    feature: Feature,
    mirror: bool,
    precision: EmbeddingPrecision,
    device: torch.device | str,
) -> Iterator[Float32[np.ndarray, "b d"]]:
    """The vectors of each batch of pixels, in order, from a GPU one batch late; see `embed_records`.

    Raises:
        VireidError: a precision that the device has not.
    """
    device = torch.device(device)
    kind = computing_type(network, precision, device)
    network = network.move_to(device)
    yield from _fetched(_embed(network, images, modality, feature, mirror, kind) for modality, images in batches)


def computing_type(network: EmbeddingModel, precision: EmbeddingPrecision, device: torch.device) -> torch.dtype | None:
    """`autocast_type` of a `Network`; ``auto`` leaves an exported model the precision that is fixed in its file.

    Raises:
        VireidError: see `autocast_type`.
    """
    return None if precision == "auto" and not isinstance(network, Network) else autocast_type(precision, device)


def reading_threads(device: torch.device) -> int:
    """Threads that decode images ahead of a device."""
    return _READING_THREADS.get(device.type, 1)


def autocast_type(precision: EmbeddingPrecision, device: torch.device) -> torch.dtype | None:
    """What a network computes in, None for float32.

    ``auto`` is float32 on a processor, whose results are to be the same everywhere, and the faster half precision of a
    CUDA GPU: bfloat16, or float16 where it has no bfloat16.

    Raises:
        VireidError: another precision, or ``16`` on what is no CUDA GPU.

    >>> autocast_type("auto", torch.device("cpu")), autocast_type("bf16", torch.device("cpu"))
    (None, torch.bfloat16)
    """
    if precision == "auto":
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if precision not in _TYPES:
        raise VireidError(f"the precision must be 'auto', '32', 'bf16' or '16', got {precision!r}")
    if precision == "16" and device.type != "cuda":
        raise VireidError(f"precision 16 needs a CUDA GPU, got device {device}; use 32, or bf16 where it is fast")
    return _TYPES[precision]


@torch.inference_mode()
def _embed(
    network: EmbeddingModel,
    pixels: UInt8[Tensor, "b 3 h w"],
    modality: Modality,
    feature: Feature,
    mirror: bool,
    kind: torch.dtype | None,
) -> Float32[Tensor, "b d"]:
    # As bytes over the bus, and as bytes into the layout that convolutions like.
    there = pixels.to(network.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
    vectors = network.embed_pixels(there, modality, feature, kind=kind)
    if mirror:
        vectors = F.normalize(vectors + network.embed_pixels(flip(there), modality, feature, kind=kind))
    return vectors


def _fetched(vectors: Iterable[Float32[Tensor, "b d"]]) -> Iterator[Float32[np.ndarray, "b d"]]:
    """Arrays of tensors, in order; from a GPU each is waited for only after the next one was launched."""
    waiting: deque[tuple[Tensor, torch.Event | None]] = deque()
    for each in vectors:
        if each.device.type == "cuda":
            # Into page-locked memory, right behind the computing: the event tells when it is there.
            waiting.append((each.to("cpu", non_blocking=True), torch.cuda.current_stream(each.device).record_event()))
        else:
            waiting.append((each.cpu(), None))
        if len(waiting) > (waiting[0][1] is not None):
            yield _array(*waiting.popleft())
    while waiting:
        yield _array(*waiting.popleft())


def _array(there: Tensor, arrived: torch.Event | None) -> Float32[np.ndarray, "b d"]:
    if arrived is not None:
        arrived.synchronize()
    return there.numpy()
