"""``POST /api/explain``: which places of two images make their match."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from fastapi import HTTPException, Request
from jaxtyping import UInt8
from PIL import Image

from vireid.data.images import decode_image
from vireid.figures import explain_match
from vireid.models import EmbeddingModel
from vireid.retrieval import Conditions, Sighting
from vireid.service.embedding import check_uploads, embed_uploads, images_of, light
from vireid.service.forms import ExplainForm, read_fields
from vireid.service.lookup import sightings_of
from vireid.service.multipart import Upload, read_form, shown
from vireid.service.service import Service, in_thread, record, service_of
from vireid.service.uploads import readable
from vireid.types import Modality, VireidError

__all__ = ["answer_explain"]

_SIDE = 640  # pixels of the answer along the longer side


async def answer_explain(request: Request) -> dict[str, Any]:
    """Overlays of query and result as PNG data URLs, and the score.

    Raises:
        HTTPException: what is wrong with the request, 404 an image that is not kept, 501 a model that cannot say.
    """
    service = service_of(request)
    form = await read_form(request, service.settings)
    fields = read_fields(ExplainForm, form.fields)
    uploads = images_of(form, "image")
    if len(uploads) + (fields.query_key is not None) != 1:
        raise HTTPException(422, "one query is needed, a file as 'image' or a sighting as 'query_key'")
    network = service.explained
    if network is None:
        raise HTTPException(501, "this service runs an exported model, which cannot show evidence; serve a run")
    if uploads:
        modality = light(fields.modality)
        if not isinstance(modality, Modality):
            _, [modality] = await embed_uploads(service, uploads, modality)
        else:
            await in_thread(check_uploads, service, uploads)
        query = uploads[0], modality
    else:
        query = await in_thread(_of_gallery, service, str(fields.query_key))
    result = await in_thread(_of_gallery, service, fields.key)
    answer = await service.explain(_explained, network, query, result)
    await in_thread(record, request, "explain", query=fields.query_key or "image", result=fields.key)
    return answer


def _explained(
    network: EmbeddingModel, query: tuple[Upload, Modality], result: tuple[Upload, Modality]
) -> dict[str, Any]:
    try:
        evidence = explain_match(network, _decoded(query[0]), query[1], _decoded(result[0]), result[1])
    except VireidError as error:
        raise HTTPException(422, str(error)) from error
    return {"query": _picture(evidence.query), "result": _picture(evidence.result), "score": evidence.score}


def _of_gallery(service: Service, key: str) -> tuple[Upload, Modality]:
    sighting = _sighting(service, key)
    found = service.shelf.read(sighting)
    if found is None:
        raise HTTPException(404, f"the image of sighting {key} is not kept here, so there is nothing to show")
    return Upload(key, found[0]), sighting.modality


def _sighting(service: Service, key: str) -> Sighting:
    try:
        return sightings_of(service.gallery, Conditions(keys=(key,)))[key]
    except KeyError:
        raise HTTPException(404, f"the gallery has no sighting {key}; it may have been deleted") from None


def _decoded(upload: Upload) -> UInt8[np.ndarray, "h w 3"]:
    try:
        return decode_image(readable(upload.content, upload.name), f"image {shown(upload.name)}")
    except VireidError as error:
        raise HTTPException(422, str(error)) from error


def _picture(pixels: UInt8[np.ndarray, "h w 3"]) -> str:
    picture = io.BytesIO()
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE))
    image.save(picture, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()}"
