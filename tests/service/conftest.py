"""A service over a small gallery, with a network that is quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from serving import DIMENSION, MODEL, Served, Thumbnails, fill, tokens

from vireid.retrieval import open_gallery
from vireid.service import AuditLog, Settings
from vireid.service.app import make_app


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start a service with some settings."""
    running: list[TestClient] = []

    def start(embedder: Any = None, **settings: Any) -> Served:
        folder = tmp_path / "gallery"
        root = tmp_path / "crops"
        gallery = open_gallery(folder, create=True, model=MODEL, dimension=DIMENSION)
        keys = fill(gallery, root) if not gallery.count() else []
        options = {"kept_images": folder / "images", "images_root": root} | settings
        app = make_app(
            gallery,
            embedder or Thumbnails(),
            tokens=tokens(),
            audit=AuditLog(folder / "audit.jsonl"),
            settings=Settings(**options),
        )
        client = TestClient(app, raise_server_exceptions=False)
        running.append(client.__enter__())
        return Served(client, gallery, keys, folder)

    yield start
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()
