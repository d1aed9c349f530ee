"""``vireid search``: the nearest images of some queries in a folder or a file, as a table, JSON or a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from rich.table import Table

from vireid.cli.config import FilterConfig, SearchConfig
from vireid.cli.console import console, progress_bar, say
from vireid.cli.device import accelerator_for, pick_device
from vireid.cli.search_gallery import search_gallery
from vireid.cli.sightings import is_gallery
from vireid.data.listing import check_relative
from vireid.exports import load_model, model_fingerprint
from vireid.figures import draw_ranking
from vireid.models import EmbeddingModel
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
    if is_gallery(config.gallery):
        search_gallery(config, pictured=MOST_PICTURED)
        return
    if not (_is_file(config) or Path(config.gallery).exists()):
        raise VireidError(f"there is no gallery and no folder of images {config.gallery}")
    _refuse_what_needs_a_gallery(config)
    network, _ = load_model(config.checkpoint)
    queries = records_of_images(config.queries, Modality(config.modality or "infrared"))
    if _is_file(config):
        gallery, gallery_features = _read_gallery(config, network)
    else:
        gallery = records_of_images([Path(config.gallery)], _gallery_modality(config))
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


def _embed(config: SearchConfig, network: EmbeddingModel, records: Records, name: str) -> Embeddings:
    device = pick_device(accelerator_for(config.checkpoint, config.accelerator))
    with progress_bar(f"embedding {name}") as progress:
        return embed_records(network, records, device=device, workers=config.workers, progress=progress)


def _read_gallery(config: SearchConfig, network: EmbeddingModel) -> tuple[Records, Float32[np.ndarray, "g d"]]:
    """The images of an embeddings file as a table, and their features in its order."""
    embeddings = Embeddings.load(Path(config.gallery))
    count, dimension = embeddings.features.shape
    if not count:
        raise VireidError(f"{config.gallery} holds no embeddings; embed the images of the gallery first")
    own = model_fingerprint(config.checkpoint, "bn")
    if embeddings.maker and embeddings.maker != own:
        raise VireidError(
            f"queries and gallery must come from the same weights and feature, but {config.gallery} was made by "
            f"{embeddings.maker} and {config.checkpoint} is {own}; embed the gallery with this checkpoint"
        )
    if dimension != network.embedding_dimension:
        raise VireidError(
            f"queries and gallery must come from one network, but {config.checkpoint} makes features of "
            f"{network.embedding_dimension} numbers and {config.gallery} holds {dimension}; embed the gallery with "
            "this checkpoint"
        )
    rows = [
        Record(
            path=check_relative(path, config.gallery),
            person=-1,
            camera=-1,
            modality=_gallery_modality(config),
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
    if _is_file(config) and config.gallery_root is None:
        raise VireidError("a picture of an embeddings file needs the folder of its images: add --gallery-root FOLDER")


def _refuse_what_needs_a_gallery(config: SearchConfig) -> None:
    asked = {
        "a condition": config.wanted != FilterConfig(),
        "--by-track": config.by_track,
        "--fuse": config.fuse,
        "--modality auto": config.modality == "auto",
        "--gallery-modality any": config.gallery_modality == "any",
    }
    for name, given in asked.items():
        if given:
            raise VireidError(
                f"{name} needs a gallery, but {config.gallery} is none; make one with `vireid index {config.gallery}`, "
                "or leave it out"
            )


def _is_file(config: SearchConfig) -> bool:
    return config.gallery.endswith(".npz")


def _gallery_modality(config: SearchConfig) -> Modality:
    return Modality(config.gallery_modality or "visible")


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
