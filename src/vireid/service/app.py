"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

import vireid
from vireid.models import EmbeddingModel
from vireid.retrieval import Gallery
from vireid.service.audit import AuditLog
from vireid.service.forms import sentence
from vireid.service.gate import Gate
from vireid.service.image_shelf import ImageShelf
from vireid.service.metrics import Metrics
from vireid.service.network_thread import Embeds, FullError, NetworkThread
from vireid.service.retention import Retention
from vireid.service.routes import PAGE, guarded, public
from vireid.service.service import Service, in_thread
from vireid.service.settings import Settings
from vireid.service.tokens import Tokens
from vireid.types import VireidError

__all__ = ["make_app"]


def make_app(
    gallery: Gallery,
    embedder: Embeds,
    *,
    tokens: Tokens,
    audit: AuditLog,
    settings: Settings,
    explained: EmbeddingModel | None = None,
) -> FastAPI:
    """The service over an open gallery.

    When the application is shut down, requests in flight are finished, then gallery and audit log are closed.

    Args:
        gallery: what is searched; the application closes it.
        embedder: makes features of images; its model must be the gallery's.
        tokens: who may do what.
        audit: where it is written who did what; the application closes it.
        settings: limits and places.
        explained: the embedder's network, to show evidence of its matches; None shows none.

    Raises:
        VireidError: a gallery of another model, or a root of images that is no folder.
    """
    if (embedder.model, embedder.dimension) != (gallery.model, gallery.dimension):
        raise VireidError(
            f"a gallery is searched with the model that filled it, {gallery.model} of {gallery.dimension} numbers, got "
            f"{embedder.model} of {embedder.dimension}; serve that model, or index the images anew"
        )
    metrics = Metrics()
    shelf = ImageShelf(settings.kept_images, settings.images_root, takes=settings.keep_uploads)
    network = NetworkThread(
        embedder,
        batch=settings.batch,
        gather=settings.gather,
        max_waiting=settings.max_waiting,
        observe=metrics.batch,
    )
    metrics.waiting(lambda: network.waiting)
    service = Service(
        gallery=gallery,
        embedder=embedder,
        network=network,
        tokens=tokens,
        audit=audit,
        shelf=shelf,
        metrics=metrics,
        settings=settings,
        explained=explained,
    )
    retention = Retention(service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        retention.start()
        try:
            yield
        finally:
            for part in (retention, network, gallery, audit):
                await in_thread(part.close)

    app = FastAPI(
        title="vireid",
        description="Search a gallery of persons across visible and infrared cameras.",
        version=vireid.__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        # Who searched for whom stands in the audit log and nowhere else, whatever the environment asks FastAPI to send.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.service = service
    app.include_router(public)
    app.include_router(guarded)
    app.mount("/static", StaticFiles(directory=PAGE, check_dir=False))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(FullError, _full)
    app.add_exception_handler(VireidError, _failed)
    app.add_middleware(Gate, service=service)
    return app


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": sentence(error.errors())}, 422)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    return JSONResponse({"detail": str(error.detail)}, error.status_code, error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    """For the metrics alone: who sent half a request and left reads no answer."""
    return Response(status_code=499)


async def _full(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})


async def _failed(request: Request, error: Exception) -> JSONResponse:
    """What gallery or audit log refuse although the request was right."""
    return JSONResponse({"detail": str(error)}, 507)
