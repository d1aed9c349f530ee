"""What ``vireid embed`` and ``vireid evaluate`` share: embedding by all processes of a job, from a cache or not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int
from lightning_fabric import Fabric

from vireid.cli.config import EmbedConfig, EvaluateConfig
from vireid.cli.console import progress_bar, progress_console, quiet_unless_first, say
from vireid.cli.termination import CACHE_KEPT, telling_what_is_kept
from vireid.data import PixelCache, open_pixel_cache
from vireid.models import EmbeddingModel
from vireid.retrieval import embed_shards
from vireid.types import Embeddings, Records

__all__ = ["embed_by_all"]


def embed_by_all(
    config: EmbedConfig | EvaluateConfig,
    fabric: Fabric,
    network: EmbeddingModel,
    records: Records,
    rows: Int[np.ndarray, " k"] | None = None,
    *,
    mirror: bool = False,
) -> Embeddings | None:
    """The embeddings in the first process of a job, None in the others; the first shows progress.

    Raises:
        VireidError: what `vireid.retrieval.embed_shards` and `vireid.data.open_pixel_cache` refuse.
    """
    quiet_unless_first(fabric.is_global_zero)
    rows = np.arange(len(records)) if rows is None else rows
    cache = None if config.cache is None else _pixel_cache(config.cache, network, records, rows)
    part = f", part 1 of {fabric.world_size}" if fabric.world_size > 1 else ""
    with progress_bar(f"embedding{part}") as progress:
        return embed_shards(
            network,
            records,
            rows,
            fabric=fabric,
            feature=config.feature,
            mirror=mirror,
            batch_size=config.batch_size,
            precision=config.precision,
            workers=config.workers,
            cache=cache,
            progress=progress,
        )


def _pixel_cache(
    folder: Path, network: EmbeddingModel, records: Records, rows: Int[np.ndarray, " k"]
) -> PixelCache | None:
    height, width = network.image_size
    with telling_what_is_kept(CACHE_KEPT), progress_bar("caching") as progress:
        return open_pixel_cache(
            records,
            rows,
            folder=folder,
            height=height,
            width=width,
            progress=progress,
            say=partial(say, to=progress_console),
        )
