"""What can be asked of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.security import HTTPBearer

import vireid
from vireid.retrieval import Conditions
from vireid.service.answers import AddAnswer, DeleteAnswer, ExplainAnswer, Health, Me, Refusal, SearchAnswer
from vireid.service.changing import answer_add, answer_delete
from vireid.service.explaining import answer_explain
from vireid.service.forms import AddForm, DeleteBody, ExplainForm, Key, SearchForm, form_schema
from vireid.service.lookup import sightings_of, without_time
from vireid.service.metrics import CONTENT_TYPE
from vireid.service.reference import reference_page
from vireid.service.searching import answer_search
from vireid.service.service import caller_of, in_thread, require, service_of
from vireid.service.tokens import Role

__all__ = ["PAGE", "guarded", "public"]

PAGE = Path(__file__).parent / "page"
"""Files of the page."""

_STATUSES = {
    400: "The request is not well-formed",
    401: "No token, or an unknown one",
    403: "The role does not allow it",
    404: "There is no such thing",
    408: "The request took too long to arrive",
    413: "Too many bytes, files or pixels",
    415: "No image type that is taken",
    422: "A field has a value that it may not have",
    429: "Too many failed log-ins",
    501: "This model cannot do it",
    503: "Too much is being done already; see Retry-After",
    507: "Disk or audit log refuse; nothing that was acknowledged before is lost",
}


async def _logged_in(request: Request) -> None:
    """A second lock, should a request ever come past the gate."""
    if getattr(request.state, "caller", None) is None:
        raise HTTPException(
            401,
            "this needs a token that the service knows, sent as 'Authorization: Bearer TOKEN'",
            headers={"WWW-Authenticate": "Bearer"},
        )


public = APIRouter()
# The gate has checked the token; HTTPBearer tells OpenAPI that there is one.
guarded = APIRouter(dependencies=[Depends(HTTPBearer(auto_error=False)), Depends(_logged_in)])


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Refusal, "description": _STATUSES[status]} for status in (401, 429, 503, *statuses)}


_IMAGES = "JPEG, PNG, WebP or BMP, crops of persons"


@public.get("/health")
async def health() -> Health:
    """Whether the service is there; needs no token."""
    return Health(status="ok")


@public.get("/", include_in_schema=False)
async def page() -> Response:
    """The page; it asks for a token itself."""
    return FileResponse(PAGE / "index.html", media_type="text/html; charset=utf-8")


@public.get("/docs", include_in_schema=False)
async def reference(request: Request) -> Response:
    """What can be asked, for people; /openapi.json is the same for programs."""
    return HTMLResponse(reference_page(request.app.openapi()))


@guarded.get("/metrics", responses=_refusals() | {200: {"content": {"text/plain": {}}}}, response_class=Response)
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    service = service_of(request)
    sightings, timeless = await in_thread(lambda: (service.gallery.count(), without_time(service.gallery)))
    text = service.metrics.text(sightings=sightings, without_time=timeless)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})


@guarded.get("/api/me", responses=_refusals())
async def me(request: Request) -> Me:
    """Whose token this is, and what the gallery holds."""
    caller, info = caller_of(request), await in_thread(service_of(request).gallery.info)
    gallery = {name: getattr(info, name) for name in ("sightings", "dimension", "model", "cameras", "persons")}
    return Me.model_validate(
        {"name": caller.name, "role": caller.role.value, "gallery": gallery, "version": vireid.__version__}
    )


@guarded.post(
    "/api/search",
    response_model=SearchAnswer,
    responses=_refusals(400, 404, 408, 413, 415, 422, 507),
    openapi_extra=form_schema(SearchForm, {"images": f"One to 16 queries, fewer with keys; {_IMAGES}"}),
)
async def search(request: Request) -> Any:
    """Find the person of some images, or of some sightings, in the gallery."""
    return await answer_search(request)


@guarded.post(
    "/api/sightings",
    response_model=AddAnswer,
    responses=_refusals(400, 403, 408, 413, 415, 422, 507),
    openapi_extra=form_schema(AddForm, {"images": _IMAGES}),
)
async def add(request: Request) -> Any:
    """Add images to the gallery; for operators. They are on disk when this answers."""
    return await answer_add(request)


@guarded.post("/api/delete", response_model=DeleteAnswer, responses=_refusals(400, 403, 408, 413, 422, 507))
async def delete(request: Request, body: DeleteBody) -> Any:
    """Delete sightings with their uploaded images.

    Operators by keys, persons, tracks, cameras or tags, with any further condition; admins by whatever they like.
    """
    return await answer_delete(request, body)


@guarded.get("/api/cameras", responses=_refusals())
async def cameras(request: Request) -> dict[str, int]:
    """Sightings of each camera."""
    return await in_thread(service_of(request).gallery.cameras)


@guarded.get("/api/persons", responses=_refusals())
async def persons(request: Request) -> dict[str, int]:
    """Sightings of each person that somebody named."""
    return await in_thread(service_of(request).gallery.persons)


@guarded.get("/api/tracks", responses=_refusals())
async def tracks(request: Request) -> dict[str, int]:
    """Sightings of each track."""
    return await in_thread(service_of(request).gallery.tracks)


@guarded.get(
    "/api/images/{key}",
    responses=_refusals(404, 422) | {200: {"content": {"image/jpeg": {}, "image/png": {}}}},
    response_class=Response,
)
async def image(request: Request, key: Key) -> Response:
    """The image of a sighting, as it was added."""
    found = await in_thread(_image, request, key)
    if found is None:
        raise HTTPException(404, f"the gallery has no sighting {key}, or its image is not kept here")
    content, kind = found
    return Response(content, media_type=kind)


@guarded.post(
    "/api/explain",
    response_model=ExplainAnswer,
    responses=_refusals(400, 404, 408, 413, 415, 422, 501, 507),
    openapi_extra=form_schema(ExplainForm, {"image": f"The query; {_IMAGES}"}),
)
async def explain(request: Request) -> Any:
    """Mark in query and result the places that make their match."""
    return await answer_explain(request)


@guarded.get("/api/audit", responses=_refusals(403, 422, 507))
async def audit(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[dict[str, Any]]:
    """The latest entries of the audit log, newest first; for admins."""
    await require(request, Role.ADMIN, "to read the audit log")
    return await in_thread(service_of(request).audit.latest, limit)


def _image(request: Request, key: str) -> tuple[bytes, str] | None:
    service = service_of(request)
    sighting = sightings_of(service.gallery, Conditions(keys=(key,))).get(key)
    return None if sighting is None else service.shelf.read(sighting)
