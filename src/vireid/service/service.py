"""What one running service consists of, and how a request gets at it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool

from vireid.models import EmbeddingModel
from vireid.retrieval import Gallery
from vireid.service.audit import AuditLog
from vireid.service.image_shelf import ImageShelf
from vireid.service.metrics import Metrics
from vireid.service.network_thread import Embeds, NetworkThread
from vireid.service.settings import Settings
from vireid.service.tokens import Caller, Role, Tokens
from vireid.service.uncompacted import note_uncompacted
from vireid.types import VireidError

__all__ = ["Service", "caller_of", "in_thread", "record", "require", "service_of"]

_Result = TypeVar("_Result")

MOST_WAITING = 4
"""Explanations that wait while one is worked out: seconds each with a full network on a processor."""


@dataclass(eq=False, kw_only=True)
class Service:
    """What one running service consists of.

    Attributes:
        explained: the network whose matches can be explained, None where there is none.
        changing: held while images and sightings come or go together.
        uncompacted: whether something was deleted whose bytes the engine may still keep; see `note_uncompacted`.
        decoders, explainers: see `decode` and `explain`.
    """

    gallery: Gallery
    embedder: Embeds
    network: NetworkThread
    tokens: Tokens
    audit: AuditLog
    shelf: ImageShelf
    metrics: Metrics
    settings: Settings
    explained: EmbeddingModel | None
    changing: threading.Lock = field(default_factory=threading.Lock)
    uncompacted: bool = field(init=False)
    decoders: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(os.cpu_count() or 1))
    explainers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    def __post_init__(self) -> None:
        file = self.settings.uncompacted
        self.uncompacted = file is not None and file.exists()

    def note_uncompacted(self, uncompacted: bool) -> None:
        """Remember it, also for the next start.

        Raises:
            VireidError: the disk refuses.
        """
        if self.settings.uncompacted is not None:
            note_uncompacted(self.settings.uncompacted, uncompacted)
        self.uncompacted = uncompacted

    async def decode(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Run what holds whole images in memory: as many at a time as there are cores, the others wait."""
        return await to_thread.run_sync(function, *arguments, limiter=self.decoders)

    async def explain(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Run what takes the network many times over: one at a time, and not many may wait.

        Raises:
            HTTPException: 503, too many wait already.
        """
        waiting = self.explainers.statistics().tasks_waiting
        if waiting >= MOST_WAITING:
            raise HTTPException(
                503, f"{waiting} explanations wait already; try again in a while", headers={"Retry-After": "10"}
            )
        return await to_thread.run_sync(function, *arguments, limiter=self.explainers)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return request.app.state.service


def caller_of(request: Request) -> Caller:
    """Who sent it, as `vireid.service.gate.Gate` found."""
    return request.state.caller


async def require(request: Request, needed: Role, what: str) -> Caller:
    """The caller, if their role allows it.

    Raises:
        HTTPException: 403, and it is in the audit log.
    """
    caller = caller_of(request)
    if not caller.role.allows(needed):
        await in_thread(record, request, "denied", route=request.url.path, needed=needed.value)
        raise HTTPException(
            403, f"{what} needs the role {needed.value}, and {caller.name} is {caller.role.value}; ask an admin"
        )
    return caller


def record(request: Request, what: str, **facts: Any) -> None:
    """Put into the audit log what a caller does.

    Raises:
        HTTPException: 507, the log cannot be written.
    """
    caller = caller_of(request)
    address = request.client.host if request.client else ""
    try:
        service_of(request).audit.write(what, who=caller.name, role=caller.role.value, address=address, **facts)
    except VireidError as error:
        raise HTTPException(507, str(error)) from error


async def in_thread(function: Callable[..., _Result], *arguments: Any, **keywords: Any) -> _Result:
    """Run what waits for disk or engine without holding up other requests."""
    return await run_in_threadpool(function, *arguments, **keywords)
