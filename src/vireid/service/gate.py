"""What stands before every route: who is calling, how much and how long they may send, how many at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vireid.service.service import Service, in_thread
from vireid.types import VireidError

__all__ = ["Gate"]

_PLAIN_BODY = 1 << 20  # bytes of a request that carries no files
_SHARE = 4  # of the requests worked on at once, one caller gets the fourth part
_DIGITS = 19  # of a content length; Python makes no number of thousands of them
_FAILURES = 20  # failed log-ins of one address in a minute that are answered and logged one by one
_MINUTE = 60.0
_ADDRESSES = 10_000
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Gate:
    """Lets a request through to the routes, or answers it.

    Everything below ``/api`` and ``/metrics`` needs a token. Failed log-ins are in the audit log; of one address, those
    beyond 20 within a minute are answered 429 and not logged, so that nobody can fill the disk without a token.

    Args:
        app: the routes.
        service: whose they are.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._at_once: Counter[str] = Counter()  # by the name of the caller, "" for those who need none
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        service.metrics.at_once(self._at_once.total)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        path = _route_path(scope)
        guarded = path.startswith("/api/") or path in ("/api", "/metrics")

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers["Cache-Control"] = "no-store" if guarded else "no-cache"
            await send(message)

        try:
            refusal = await self._refusal(scope, guarded)
            if refusal is not None:
                await _refuse(answer, *refusal)
                return
            name = _name(scope)
            self._at_once[name] += 1
            try:
                await self._app(scope, self._limited(scope, receive), answer)
            finally:
                self._at_once[name] -= 1
        finally:
            route = getattr(scope.get("route"), "path", "/static" if path.startswith("/static/") else "other")
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
            self._service.metrics.answered(
                method=method, route=route, status=status, seconds=time.perf_counter() - began
            )

    async def _refusal(self, scope: Scope, guarded: bool) -> tuple[int, str, dict[str, str]] | None:
        headers = Headers(scope=scope)
        if guarded:
            refusal = await self._log_in(scope, headers)
            if refusal is not None:
                return refusal
        if guarded and (full := self._full(_name(scope))):
            return 503, full, {"Retry-After": "1"}
        length = headers.get("content-length", "0")
        limit = self._body_limit(headers)
        if not length.isdecimal() or len(length) > _DIGITS or int(length) > limit:
            return 413, _too_large(limit), {"Connection": "close"}
        return None

    async def _log_in(self, scope: Scope, headers: Headers) -> tuple[int, str, dict[str, str]] | None:
        kind, _, token = headers.get("authorization", "").partition(" ")
        caller = self._service.tokens.caller(token.strip()) if kind.lower() == "bearer" else None
        if caller is not None:
            scope.setdefault("state", {})["caller"] = caller
            return None
        address = scope["client"][0] if scope.get("client") else ""
        failures = self._failures_of(address)
        if len(failures) >= _FAILURES:
            return 429, "too many failed log-ins from this address; wait a minute", {"Retry-After": "60"}
        failures.append(time.monotonic())
        why = "token unknown" if token else "no token"
        facts = {"last_logged_for_a_minute": True} if len(failures) == _FAILURES else {}
        try:
            await in_thread(
                self._service.audit.write,
                "log-in failed",
                why=why,
                address=address,
                method=scope["method"],
                route=scope["path"][:200],
                **facts,
            )
        except VireidError as error:
            return 507, str(error), {}
        return (
            401,
            f"this needs a token that the service knows, sent as 'Authorization: Bearer TOKEN', got {why}; an admin "
            "can make one",
            {"WWW-Authenticate": "Bearer"},
        )

    def _full(self, name: str) -> str:
        """Why no more is taken of a caller now; empty where it is."""
        most, total = self._service.settings.max_at_once, self._at_once.total()
        if total >= most:
            return f"{total} requests are being worked on, and no more are taken"
        if self._at_once[name] >= max(1, most // _SHARE):
            return f"{self._at_once[name]} requests of {name} are being worked on, and no more of one caller are taken"
        return ""

    def _failures_of(self, address: str) -> list[float]:
        """Moments of this address's failures of the last minute; of many addresses the oldest are forgotten."""
        recent = [moment for moment in self._failures.pop(address, []) if time.monotonic() - moment < _MINUTE]
        self._failures[address] = recent
        if len(self._failures) > _ADDRESSES:
            self._failures.popitem(last=False)
        return recent

    def _body_limit(self, headers: Headers) -> int:
        multipart = headers.get("content-type", "").lower().startswith("multipart/")
        return self._service.settings.max_request if multipart else _PLAIN_BODY

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """The same body, as long as it keeps to the limits."""
        limit = self._body_limit(Headers(scope=scope))
        until = time.monotonic() + self._service.settings.body_seconds
        taken, whole = 0, False

        async def limited() -> Message:
            nonlocal taken, whole
            if whole:  # what is waited for now is the end of the connection
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
            except asyncio.TimeoutError:
                raise HTTPException(
                    408, f"a request must be here within {self._service.settings.body_seconds:g} s"
                ) from None
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if taken > limit:
                raise HTTPException(413, _too_large(limit), headers={"Connection": "close"})
            return message

        return limited


def _name(scope: Scope) -> str:
    caller = scope.get("state", {}).get("caller")
    return "" if caller is None else caller.name


def _route_path(scope: Scope) -> str:
    """The path as the routes match it: without the prefix under which a proxy or a mount shows the service."""
    path, prefix = scope["path"], scope.get("root_path", "")
    below = path[len(prefix) :]
    return below if path.startswith(prefix) and below[:1] in ("", "/") else path


def _too_large(limit: int) -> str:
    return f"a request of this kind may have at most {limit} bytes, got more; send fewer images, or crop them"


async def _refuse(send: Send, status: int, sentence: str, headers: dict[str, str]) -> None:
    body = json.dumps({"detail": sentence}).encode()
    given: Sequence[tuple[str, str]] = [
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        *headers.items(),
    ]
    raw = [(name.lower().encode(), value.encode()) for name, value in given]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
