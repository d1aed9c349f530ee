"""Galleries by their place: a folder or a URL."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

from vireid.retrieval.gallery import Gallery
from vireid.retrieval.gallery_folder import open_folder, rebuilding_folder
from vireid.types import MissingExtraError, VireidError

__all__ = ["open_gallery", "rebuilding"]


def open_gallery(
    place: Path | str, *, create: bool = False, model: str | None = None, dimension: int | None = None
) -> Gallery:
    """Open a gallery, or make one.

    Args:
        place: a folder, for an engine inside this process, which one process at a time may open; or
            ``http://host:6333/name`` for a gallery on a Qdrant server (the extra ``server``), whose key
            is taken from the environment variable ``QDRANT_API_KEY``.
        create: make it where there is none; ``model`` and ``dimension`` must be given then.
        model: fingerprint of the model that will be used; None takes the gallery's.
        dimension: numbers in a feature; None takes the gallery's.

    Raises:
        VireidError: there is no gallery, it is open elsewhere, it belongs to another model, or it cannot be read.
    """
    if _is_url(place):
        return _server().open_server(str(place), create=create, model=model, dimension=dimension)
    return open_folder(Path(place), create=create, model=model, dimension=dimension)


def rebuilding(place: Path | str, *, model: str, dimension: int) -> AbstractContextManager[Gallery]:
    """Fill a gallery anew, for another model: a context manager that hands out the new one, empty.

    The old one is valid until the block ends well; then the new one takes its place at once and the old one is
    removed. After an error or a kill the old one is there, unchanged, and what was made of the new one is removed, in
    a folder at the next opening, on a server at the next rebuilding. In a folder, nobody else can open the gallery
    meanwhile; on a server the old one can be searched, and changes made to it meanwhile are lost.

    Args:
        place: of a gallery that is there, see `open_gallery`.
        model: fingerprint of the new model.
        dimension: numbers in its features.

    Raises:
        VireidError: see `open_gallery`.
    """
    if _is_url(place):
        return _server().rebuilding_server(str(place), model=model, dimension=dimension)
    return rebuilding_folder(Path(place), model=model, dimension=dimension)


def _server() -> ModuleType:
    try:
        return importlib.import_module("vireid.retrieval.gallery_server")
    except ModuleNotFoundError as error:
        raise MissingExtraError("a gallery on a server", str(error.name), "server") from error


def _is_url(place: Path | str) -> bool:
    if isinstance(place, str) and "://" in place:
        if not place.startswith(("http://", "https://")):
            raise VireidError(f"a gallery is a folder or http://host:6333/name, got {place!r}")
        return True
    return False
