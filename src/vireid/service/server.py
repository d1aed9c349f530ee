"""The service as a process: opened, announced, and stopped without losing anything."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import uvicorn

from vireid.exports import load_model, model_fingerprint
from vireid.retrieval import Embedder, open_gallery
from vireid.service.app import make_app
from vireid.service.audit import AuditLog
from vireid.service.settings import Settings
from vireid.service.tokens import Tokens, new_token, single_admin
from vireid.service.uncompacted import UNCOMPACTED
from vireid.types import VireidError

__all__ = ["AUDIT", "IMAGES", "UNCOMPACTED", "serve"]

AUDIT = "audit.jsonl"
"""The audit log in the home of a service."""
IMAGES = "images"
"""Folder of kept uploads in the home of a service."""

_BACKLOG = 2048
_STOP_SECONDS = 30
_TERMINATED = 128 + int(signal.SIGTERM)


def serve(
    gallery: Path | str,
    run: Path,
    *,
    home: Path | None = None,
    tokens: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: torch.device | str = "cpu",
    settings: Settings | None = None,
    proxy: str | None = None,
    create: bool = False,
    announce: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve a gallery until SIGTERM or SIGINT; requests in flight are finished then, and everything is closed.

    Args:
        gallery: see `vireid.retrieval.open_gallery`.
        run: run directory, weights file or export of the gallery's model.
        home: folder of the audit log; by default the gallery's, which a gallery on a Qdrant server has not.
        tokens: see `vireid.service.add_token`; None makes a token for this start, on a loopback address only.
        host: name or address to listen on.
        port: 0 takes any that is free.
        device: where to embed.
        settings: limits and places.
        proxy: address of a reverse proxy whose ``X-Forwarded-For`` is believed.
        create: make the gallery where there is none.
        announce: called with the lines that a user must see, the token among them.

    Raises:
        VireidError: no tokens on an address that others reach, a port that is taken, a gallery that is open elsewhere
            or is another model's.
    """
    home = _home(gallery, home)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_unwound_by_termination())
        listening = stack.enter_context(contextlib.closing(_listen(host, port)))
        url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        if tokens is None:
            token = _only_here(listening, host)
            known = single_admin(token)
        else:
            token, known = None, Tokens.load(tokens)
        network, _ = load_model(run)
        model = model_fingerprint(run, "bn")
        opened = stack.enter_context(
            open_gallery(gallery, create=create, model=model, dimension=network.embedding_dimension)
        )
        audit = stack.enter_context(contextlib.closing(AuditLog(home / AUDIT)))
        app = make_app(
            opened,
            Embedder(network, model=model, device=device),
            tokens=known,
            audit=audit,
            settings=settings or Settings(),
            explained=network,
        )
        announce(f"serving gallery {gallery} on {url}")
        if token is not None:
            announce(f"token of this start (admin): {token}")
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=proxy is not None,
            forwarded_allow_ips=proxy,
            timeout_graceful_shutdown=_STOP_SECONDS,
            lifespan="on",
        )
        with _stopped_as_asked():
            uvicorn.Server(config).run(sockets=[listening])
        announce("stopped")


def _home(gallery: Path | str, home: Path | None) -> Path:
    if home is not None:
        return home
    if "://" in str(gallery):
        raise VireidError(
            f"a gallery on a server has no folder for the audit log, and {gallery} is one; give a home for it"
        )
    return Path(gallery)


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise VireidError(f"a port is a number from 0 to 65535, 0 for any that is free; got {port}")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise VireidError(f"cannot listen on {host}: {error}; give an address of this machine") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # From here on, so that whoever connects as soon as the address is announced waits and is not refused.
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise VireidError(f"cannot listen on {host} port {port}: {error}; take another port") from error
    return listening


def _only_here(listening: socket.socket, host: str) -> str:
    """A token for this start, if nobody else's machine can reach it."""
    if not ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback:
        raise VireidError(
            f"other machines reach {host}, so a service there needs a token file; make one with "
            "`vireid token NAME --role admin --tokens FILE` and give it as --tokens FILE"
        )
    return new_token()


@contextlib.contextmanager
def _unwound_by_termination() -> Iterator[None]:
    """Let SIGTERM unwind what is open, as Ctrl-C does."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _stopped_as_asked() -> Iterator[None]:
    """A server that was told to stop, and has finished what it was at, raises the signal again at its end."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except SystemExit as ending:
        if ending.code != _TERMINATED:
            raise
