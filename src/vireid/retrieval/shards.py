"""Embedding by several processes, each a share of the batches; the first has the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np
import torch
import torch.distributed
from jaxtyping import Float32, Int
from lightning_fabric import Fabric

from vireid.data import PixelCache
from vireid.models import EmbeddingModel, Feature
from vireid.retrieval.embedder import EmbeddingPrecision, embed_batches
from vireid.retrieval.embedding_batches import EmbeddingBatch, split_into_batches, usual_batch_size
from vireid.types import Embeddings, Records, VireidError

__all__ = ["embed_shards"]


def embed_shards(
    network: EmbeddingModel,
    records: Records,
    rows: Int[np.ndarray, " k"] | None = None,
    *,
    fabric: Fabric,
    feature: Feature = "bn",
    mirror: bool = False,
    batch_size: int | None = None,
    precision: EmbeddingPrecision = "auto",
    workers: int = 0,
    cache: PixelCache | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Embeddings | None:
    """Embed some rows of a table as `vireid.retrieval.embed_records` does, each process of a job some of the batches.

    Process r of n takes the batches r, r + n, r + 2n, ... of those that one process would make, so the numbers are the
    same, on equal devices to the last bit. Vectors stay where they were made until all are done; then the first process
    collects them.

    Args:
        network, records, rows, feature, mirror, batch_size, precision, workers, cache: see
            `vireid.retrieval.embed_records`; the same in every process.
        fabric: the processes, as `vireid.training.join_processes` finds them; all of them must call this.
        progress: called with images done and all images of this process's share.

    Returns:
        The embeddings in the first process, None in the others.

    Raises:
        VireidError: see `vireid.retrieval.embed_records`; what one process meets is raised in all of them.
    """
    rows = np.arange(len(records)) if rows is None else np.asarray(rows)
    size = usual_batch_size(fabric.device, network.image_size) if batch_size is None else batch_size
    batches = split_into_batches(records, rows, size)
    shares = [batches[rank :: fabric.world_size] for rank in range(fabric.world_size)]
    own = shares[fabric.global_rank]
    mine: list[Float32[np.ndarray, "b d"]] = []
    fault: VireidError | None = None
    try:
        options = {"feature": feature, "mirror": mirror, "precision": precision, "workers": workers, "cache": cache}
        total, done = sum(len(batch.places) for batch in own), 0
        for _, vectors in embed_batches(network, records, rows, own, device=fabric.device, **options):
            mine.append(vectors.copy())  # else a GPU's page-locked memory would be kept with it
            done += len(vectors)
            progress(done, total)
    except VireidError as error:
        fault = error
    _raise_everywhere(fault, fabric)
    if not fabric.is_global_zero:
        for vectors in mine:
            torch.distributed.send(torch.from_numpy(vectors).to(fabric.device), dst=0)
        return None
    features = np.empty((len(rows), network.embedding_dimension), dtype=np.float32)
    for batch, vectors in chain(zip(own, mine), _received(shares, features.shape[1], fabric)):
        features[batch.places] = vectors
    return Embeddings(features=features, paths=records.paths[rows])


def _raise_everywhere(fault: VireidError | None, fabric: Fabric) -> None:
    """Else the processes without a fault would wait for the vectors of one that has ended."""
    faults: list[str | None] = [None if fault is None else str(fault)]
    if fabric.world_size > 1:
        faults *= fabric.world_size
        torch.distributed.all_gather_object(faults, faults[0])
    if fault is not None:
        raise fault
    for message in filter(None, faults):
        raise VireidError(message)


def _received(
    shares: Sequence[Sequence[EmbeddingBatch]], dimension: int, fabric: Fabric
) -> Iterator[tuple[EmbeddingBatch, Float32[np.ndarray, "b d"]]]:
    for rank, batches in enumerate(shares[1:], start=1):
        for batch in batches:
            vectors = torch.empty((len(batch.places), dimension), device=fabric.device)
            torch.distributed.recv(vectors, src=rank)
            yield batch, vectors.cpu().numpy()
