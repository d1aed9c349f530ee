"""A service over a small gallery, with a network that is quick: features are a thumbnail."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image

from vireid.data.images import decode_image
from vireid.retrieval import Gallery, Sighting, find_modality
from vireid.service import Caller, Role, Tokens
from vireid.types import Modality

MODEL, DIMENSION = "thumbnails", 24
START = datetime(2026, 11, 1, tzinfo=timezone.utc)


class Prepared(NamedTuple):
    thumbnail: np.ndarray
    modality: Modality


class Thumbnails:
    """Stands in for the embedder."""

    model, dimension = MODEL, DIMENSION

    def prepare(self, image: bytes, modality: Any, name: str) -> Prepared:
        pixels = decode_image(image, name)
        small = np.asarray(Image.fromarray(pixels).resize((2, 4)), dtype=np.float32).ravel() - 100
        return Prepared(small, find_modality(pixels) if modality == "auto" else modality)

    def embed_prepared(self, prepared: Any) -> Iterator[tuple[list[int], np.ndarray]]:
        for tag, one in prepared:
            yield [tag], one.thumbnail[None] / np.linalg.norm(one.thumbnail)


def picture(seed: int, *, infrared: bool = False, kind: str = "PNG", size: tuple[int, int] = (16, 32)) -> bytes:
    """An image file of coloured or gray blocks."""
    blocks = np.random.default_rng(seed).integers(0, 255, (4, 2, 3), dtype=np.uint8)
    if infrared:
        blocks = blocks[..., :1].repeat(3, axis=2)
    file = io.BytesIO()
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(file, format=kind)
    return file.getvalue()


def key_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fill(gallery: Gallery, root: Path, number: int = 12) -> list[str]:
    """Sightings with images below a root: two cameras by day and night, three persons, one a minute."""
    embedder = Thumbnails()
    sightings, features = [], []
    for seed in range(number):
        content = picture(seed, infrared=seed % 2 == 1)
        file = root / f"camera {seed % 2}" / f"{seed}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        prepared = embedder.prepare(content, "auto", "image")
        sightings.append(
            Sighting(
                key=key_of(content),
                path=str(file),
                modality=prepared.modality,
                camera=f"camera {seed % 2}",
                time=START + timedelta(minutes=seed),
                track=f"track {seed // 4}",
                person=f"person {seed % 3}",
            )
        )
        features.append(prepared.thumbnail)
    gallery.add(sightings, np.stack(features), model=MODEL)
    return [sighting.key for sighting in sightings]


class Served:
    """A running service, and what is beneath it."""

    def __init__(self, client: TestClient, gallery: Gallery, keys: list[str], folder: Path) -> None:
        self.client, self.gallery, self.keys, self.folder = client, gallery, keys, folder

    def __call__(self, method: str, path: str, role: str | None = "admin", **keywords: Any) -> Any:
        headers = {} if role is None else {"Authorization": f"Bearer {role}-token"}
        return self.client.request(method, path, headers=headers | keywords.pop("headers", {}), **keywords)

    def search(self, *contents: bytes, role: str = "reader", **fields: Any) -> Any:
        return self.upload("/api/search", contents, role, **fields)

    def upload(self, path: str, contents: Sequence[bytes], role: str = "operator", **fields: Any) -> Any:
        """A multipart form, also where it has no files."""
        parts: list[Any] = [("images", (f"{number}.png", content)) for number, content in enumerate(contents)]
        for name, values in fields.items():
            parts += [(name, (None, str(value))) for value in (values if isinstance(values, list) else [values])]
        return self("POST", path, role, files=parts or [("none", (None, ""))])

    def delete(self, role: str = "operator", **body: Any) -> Any:
        return self("POST", "/api/delete", role, json=body)

    def audit(self) -> list[dict[str, Any]]:
        """All entries, the newest first."""
        return self("GET", "/api/audit", params={"limit": 1000}).json()


def tokens() -> Tokens:
    return Tokens([(key_of(f"{role.value}-token".encode()), Caller(f"{role.value}-name", role)) for role in Role])
