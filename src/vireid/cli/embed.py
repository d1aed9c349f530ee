"""``vireid embed``: vectors of a data set or a folder, in a file that other stages and other code read."""

from __future__ import annotations

import dataclasses

from vireid.cli.config import EmbedConfig
from vireid.cli.console import say
from vireid.cli.device import accelerator_for
from vireid.cli.embedding import embed_by_all
from vireid.data import read
from vireid.exports import load_model, model_fingerprint
from vireid.retrieval import records_of_images
from vireid.training import join_processes
from vireid.types import Modality, Records, VireidError

__all__ = ["embed"]


def embed(config: EmbedConfig) -> None:
    """Embed with a progress bar and write the ``.npz``; of processes started together the first writes.

    Raises:
        VireidError: neither or both of ``dataset`` and ``modality``, a file that is no ``.npz``, or what the parts
            refuse.
    """
    if config.out.suffix != ".npz":
        raise VireidError(f"embeddings are written to an .npz file, got {config.out}; end its name in .npz")
    records = _records(config)
    network, _ = load_model(config.checkpoint)
    fabric = join_processes(accelerator_for(config.checkpoint, config.accelerator))
    embeddings = embed_by_all(config, fabric, network, records)
    if embeddings is None:
        return
    dataclasses.replace(embeddings, maker=model_fingerprint(config.checkpoint, config.feature)).save(config.out)
    count, dimension = embeddings.features.shape
    say(f"{count} embeddings of {dimension} numbers in {config.out}, paths relative to {records.root}")


def _records(config: EmbedConfig) -> Records:
    if (config.dataset is None) == (config.modality is None):
        raise VireidError(
            "embed needs either a data set (--dataset NAME) or, for any folder of images, the light they were taken in "
            "(--modality visible or --modality infrared)"
        )
    if config.modality is not None:
        return records_of_images([config.root], Modality(config.modality), root=config.root)
    splits = ("train", "test") if config.split == "all" else (config.split,)
    return read(str(config.dataset), config.root, trial=config.trial, splits=splits)
