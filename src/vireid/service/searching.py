"""``POST /api/search``: images or sightings of a person in, the same person's sightings out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from fastapi import HTTPException, Request
from jaxtyping import Float32

from vireid.retrieval import Conditions, Match, fuse
from vireid.service.answers import shown_match, told_conditions
from vireid.service.embedding import embed_uploads, images_of, light
from vireid.service.forms import SearchForm, conditions_of, read_fields
from vireid.service.lookup import features_of, sightings_of
from vireid.service.multipart import Upload, read_form
from vireid.service.service import Service, in_thread, record, service_of
from vireid.types import Modality, VireidError

__all__ = ["answer_search"]


class _Query(NamedTuple):
    name: str
    modality: Modality
    found: bool
    feature: Float32[np.ndarray, " d"]
    of_gallery: bool


async def answer_search(request: Request) -> dict[str, Any]:
    """Search, and say in the audit log who searched where and what came out.

    Raises:
        HTTPException: what is wrong with the request.
    """
    service = service_of(request)
    form = await read_form(request, service.settings)
    fields = read_fields(SearchForm, form.fields)
    uploads = images_of(form, "images")
    number = len(uploads) + len(fields.keys)
    if not 1 <= number <= service.settings.max_files:
        raise HTTPException(
            422,
            f"a search takes 1 to {service.settings.max_files} queries, images and keys together, got {number}",
        )
    conditions_of(fields, modality=None)  # what is wrong with them is said before the network works
    queries = await _queries(service, uploads, fields)
    return await in_thread(_search, request, service, fields, queries)


async def _queries(service: Service, uploads: Sequence[Upload], fields: SearchForm) -> list[_Query]:
    queries: list[_Query] = []
    if uploads:
        features, modalities = await embed_uploads(service, uploads, light(fields.modality))
        found = fields.modality == "auto"
        queries += [
            _Query(upload.name, modality, found, feature, of_gallery=False)
            for upload, modality, feature in zip(uploads, modalities, features)
        ]
    if fields.keys:
        queries += await in_thread(_known_queries, service, fields.keys)
    return queries


def _known_queries(service: Service, keys: Sequence[str]) -> list[_Query]:
    sightings = sightings_of(service.gallery, Conditions(keys=tuple(keys)))
    features = features_of(service.gallery, keys)
    missing = [key for key in keys if key not in sightings or key not in features]
    if missing:
        raise HTTPException(404, f"the gallery has no sighting {missing[0]}; it may have been deleted")
    return [_Query(key, sightings[key].modality, False, features[key], of_gallery=True) for key in keys]


def _search(request: Request, service: Service, fields: SearchForm, queries: list[_Query]) -> dict[str, Any]:
    wanted = [_wanted(fields.wanted, query.modality) for query in queries]
    if fields.fuse and len(set(wanted)) > 1:
        raise HTTPException(
            422,
            "wanted: 'other' needs queries of one modality to be searched for as one person, got both; say visible, "
            "infrared or any, or set fuse to false",
        )
    if fields.fuse:
        try:
            features = fuse(np.stack([query.feature for query in queries]))[None]
        except VireidError as error:
            raise HTTPException(422, str(error)) from error
        wanted = wanted[:1]
    else:
        features = np.stack([query.feature for query in queries])
    results: list[list[Match]] = [[] for _ in wanted]
    for modality in dict.fromkeys(wanted):
        rows = [row for row, one in enumerate(wanted) if one is modality]
        for row, matches in zip(rows, _matches(service, fields, features[rows], modality)):
            results[row] = matches
    told = told_conditions(conditions_of(fields, modality=None))
    record(
        request,
        "search",
        conditions=told | {"wanted": fields.wanted},
        queries=[{"key": query.name} if query.of_gallery else {"image": True} for query in queries],
        top=fields.top,
        by_track=fields.by_track,
        fuse=fields.fuse,
        results=[[match.sighting.key for match in matches] for matches in results],
    )
    return {
        "queries": [{"name": query.name, "modality": query.modality.value, "found": query.found} for query in queries],
        "results": [
            [shown_match(match, image=service.shelf.has(match.sighting)) for match in matches] for matches in results
        ],
    }


def _wanted(name: str, query: Modality) -> Modality | None:
    if name == "other":
        return query.other
    return None if name == "any" else Modality(name)


def _matches(
    service: Service, fields: SearchForm, features: Float32[np.ndarray, "q d"], modality: Modality | None
) -> list[list[Match]]:
    """Without the queries themselves: a sighting resembles itself most, and nobody asks for it."""
    found = service.gallery.search(
        features,
        model=service.embedder.model,
        top=fields.top + len(fields.keys),
        conditions=conditions_of(fields, modality=modality),
        by_track=fields.by_track,
    )
    own = set(fields.keys)
    return [[match for match in matches if match.sighting.key not in own][: fields.top] for matches in found]
