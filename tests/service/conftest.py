"""A service over a small gallery, with a network that is quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from serving import DIMENSION, MODEL, Served, Thumbnails, fill, tokens

from vireid.retrieval import open_gallery
from vireid.service import AuditLog, Settings
from vireid.service.app import make_app


@contextmanager
def serving(folder: Path) -> Iterator[Callable[..., Served]]:
    running: list[TestClient] = []

    def start(embedder: Any = None, **settings: Any) -> Served:
        home, root = folder / "gallery", folder / "crops"
        gallery = open_gallery(home, create=True, model=MODEL, dimension=DIMENSION)
        keys = fill(gallery, root) if not gallery.count() else []
        options = {"kept_images": home / "images", "images_root": root} | settings
        app = make_app(
            gallery,
            embedder or Thumbnails(),
            tokens=tokens(),
            audit=AuditLog(home / "audit.jsonl"),
            settings=Settings(**options),
        )
        client = TestClient(app, raise_server_exceptions=False)
        running.append(client.__enter__())
        return Served(client, gallery, keys, home)

    try:
        yield start
    finally:
        for client in running:
            client.__exit__(None, None, None)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start a service with some settings."""
    with serving(tmp_path) as start:
        yield start


@pytest.fixture
def fresh(serve: Callable[..., Served]) -> Served:
    """A service to change."""
    return serve()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service of all tests of a module: leave its gallery as it is, and 20 log-ins may fail."""
    with serving(tmp_path_factory.mktemp("served")) as start:
        yield start()
