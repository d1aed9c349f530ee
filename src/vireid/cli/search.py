"""``vireid search``: the nearest gallery images of some queries, as a table, JSON or a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rich.table import Table

from vireid.cli.config import SearchConfig
from vireid.cli.console import console, progress_bar
from vireid.cli.device import pick_device
from vireid.figures import draw_ranking
from vireid.models import Network, load_network
from vireid.retrieval import embed_records, records_of_images, search
from vireid.types import Embeddings, Modality, Ranking, Record, Records, VireidError, write_atomically

__all__ = ["search_command"]


def search_command(config: SearchConfig) -> None:
    """Embed what is not embedded yet, rank, and show.

    Raises:
        VireidError: a gallery of another network, a picture of images that cannot be found, what the parts refuse.
    """
    network, _ = load_network(config.checkpoint)
    queries = records_of_images(config.queries, Modality(config.modality))
    query_features = _embed(config, network, queries, "queries").features
    if config.gallery.suffix == ".npz":
        if config.picture is not None and config.gallery_root is None:
            raise VireidError(
                "a picture of an embeddings file needs the folder of its images: add --gallery-root FOLDER"
            )
        embeddings = Embeddings.load(config.gallery)
        gallery = _listed(embeddings, config.gallery_root or Path(), Modality(config.gallery_modality))
        embeddings_of = dict(zip(embeddings.paths.tolist(), embeddings.features))
        gallery_features = np.stack([embeddings_of[path] for path in gallery.paths.tolist()])
    else:
        gallery = records_of_images([config.gallery], Modality(config.gallery_modality))
        gallery_features = _embed(config, network, gallery, "gallery").features
    ranking = search(query_features, gallery_features, top=config.top)
    console.print(_table(queries, gallery, ranking))
    if config.json is not None:
        with write_atomically(config.json) as draft:
            draft.write_text(json.dumps(_document(queries, gallery, ranking), indent=1))
        console.print(f"written to {config.json}")
    if config.picture is not None:
        picture = draw_ranking(queries, gallery, ranking, query_rows=range(len(queries)), known=False)
        with write_atomically(config.picture) as draft:
            picture.save(draft, format="JPEG" if config.picture.suffix.lower() in (".jpg", ".jpeg") else "PNG")
        console.print(f"drawn in {config.picture}")


def _embed(config: SearchConfig, network: Network, records: Records, name: str) -> Embeddings:
    with progress_bar(f"embedding {name}") as progress:
        return embed_records(
            network, records, device=pick_device(config.accelerator), workers=config.workers, progress=progress
        )


def _listed(embeddings: Embeddings, root: Path, modality: Modality) -> Records:
    rows = [
        Record(path=path, person=-1, camera=-1, modality=modality, split="gallery")
        for path in embeddings.paths.tolist()
    ]
    return Records.build(root, rows)


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
