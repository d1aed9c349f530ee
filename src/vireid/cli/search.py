"""``vireid search``: the nearest gallery images of some queries, as a table, JSON or a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from rich.table import Table

from vireid.cli.config import SearchConfig
from vireid.cli.console import console, progress_bar, say
from vireid.cli.device import pick_device
from vireid.data.listing import check_relative
from vireid.figures import draw_ranking
from vireid.models import Network, fingerprint, load_network
from vireid.retrieval import embed_records, records_of_images, search
from vireid.types import Embeddings, Modality, Ranking, Record, Records, VireidError, write_atomically

__all__ = ["search_command"]

MOST_PICTURED = 100
PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def search_command(config: SearchConfig) -> None:
    """Embed what is not embedded yet, rank, and show.

    Raises:
        VireidError: a gallery of another network, a picture of images that cannot be found, what the parts refuse.
    """
    _check_picture(config)
    network, _ = load_network(config.checkpoint)
    queries = records_of_images(config.queries, Modality(config.modality))
    if config.gallery.suffix == ".npz":
        gallery, gallery_features = _read_gallery(config, network)
    else:
        gallery = records_of_images([config.gallery], Modality(config.gallery_modality))
        gallery_features = _embed(config, network, gallery, "gallery").features
    query_features = _embed(config, network, queries, "queries").features
    ranking = search(query_features, gallery_features, top=config.top)
    console.print(_table(queries, gallery, ranking))
    if config.json is not None:
        with write_atomically(config.json) as draft:
            draft.write_text(json.dumps(_document(queries, gallery, ranking), indent=1))
        say(f"written to {config.json}")
    if config.picture is not None:
        drawn = range(min(len(queries), MOST_PICTURED))
        picture = draw_ranking(queries, gallery, ranking, query_rows=drawn, known=False)
        with write_atomically(config.picture) as draft:
            picture.save(draft, format=PICTURES[config.picture.suffix.lower()])
        some = f" (the first {len(drawn)} of {len(queries)} queries)" if len(drawn) < len(queries) else ""
        say(f"drawn in {config.picture}{some}")


def _embed(config: SearchConfig, network: Network, records: Records, name: str) -> Embeddings:
    with progress_bar(f"embedding {name}") as progress:
        return embed_records(
            network, records, device=pick_device(config.accelerator), workers=config.workers, progress=progress
        )


def _read_gallery(config: SearchConfig, network: Network) -> tuple[Records, Float32[np.ndarray, "g d"]]:
    """The images of an embeddings file as a table, and their features in its order."""
    embeddings = Embeddings.load(config.gallery)
    count, dimension = embeddings.features.shape
    if not count:
        raise VireidError(f"{config.gallery} holds no embeddings; embed the images of the gallery first")
    own = fingerprint(config.checkpoint, "bn")
    if embeddings.maker and embeddings.maker != own:
        raise VireidError(
            f"queries and gallery must come from the same weights and feature, but {config.gallery} was made by "
            f"{embeddings.maker} and {config.checkpoint} is {own}; embed the gallery with this checkpoint"
        )
    if dimension != network.dimension:
        raise VireidError(
            f"queries and gallery must come from one network, but {config.checkpoint} makes features of "
            f"{network.dimension} numbers and {config.gallery} holds {dimension}; embed the gallery with this "
            "checkpoint"
        )
    rows = [
        Record(
            path=check_relative(path, str(config.gallery)),
            person=-1,
            camera=-1,
            modality=Modality(config.gallery_modality),
            split="gallery",
        )
        for path in embeddings.paths.tolist()
    ]
    records = Records.build(config.gallery_root or Path(), rows)
    return records, embeddings.features[np.argsort(embeddings.paths)]


def _check_picture(config: SearchConfig) -> None:
    """Refuse before anything is computed."""
    if config.picture is None:
        return
    if config.picture.suffix.lower() not in PICTURES:
        raise VireidError(f"a picture is a {' or '.join(PICTURES)} file, got {config.picture}")
    if config.gallery.suffix == ".npz" and config.gallery_root is None:
        raise VireidError("a picture of an embeddings file needs the folder of its images: add --gallery-root FOLDER")


def _table(queries: Records, gallery: Records, ranking: Ranking) -> Table:
    table = Table()
    for name in ("query", "rank", "gallery image", "score"):
        table.add_column(name, justify="right" if name in ("rank", "score") else "left")
    for query, (rows, scores) in enumerate(zip(ranking.rows.tolist(), ranking.scores.tolist())):
        for rank, (row, score) in enumerate(zip(rows, scores), start=1):
            name = str(queries.paths[query]) if rank == 1 else ""
            table.add_row(name, str(rank), str(gallery.paths[row]), f"{score:.4f}", end_section=rank == len(rows))
    return table


def _document(queries: Records, gallery: Records, ranking: Ranking) -> dict[str, object]:
    results = [
        {
            "query": str(queries.paths[query]),
            "results": [{"path": str(gallery.paths[row]), "score": score} for row, score in zip(rows, scores)],
        }
        for query, (rows, scores) in enumerate(zip(ranking.rows.tolist(), ranking.scores.tolist()))
    ]
    return {"query_root": str(queries.root), "gallery_root": str(gallery.root), "queries": results}
