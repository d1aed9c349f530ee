"""A gallery on a Qdrant server: an alias that points at its collection."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models

from vireid.retrieval.gallery import Gallery
from vireid.retrieval.gallery_facts import GalleryFacts, new_facts
from vireid.retrieval.server_store import ServerStore
from vireid.types import VireidError

__all__ = ["open_named", "open_server", "rebuilding_named", "rebuilding_server"]

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_SECONDS = 60
_Result = TypeVar("_Result")


def open_server(url: str, *, create: bool, model: str | None, dimension: int | None) -> Gallery:
    """See `vireid.retrieval.open_gallery`."""
    client, name = _connected(url)
    try:
        store, facts = open_named(client, name, place=url, create=create, model=model, dimension=dimension)
        return Gallery(store, facts, url, release=client.close)
    except BaseException:
        client.close()
        raise


@contextmanager
def rebuilding_server(url: str, *, model: str, dimension: int) -> Iterator[Gallery]:
    """See `vireid.retrieval.rebuilding`."""
    client, name = _connected(url)
    try:
        with rebuilding_named(client, name, place=url, model=model, dimension=dimension) as gallery:
            yield gallery
    finally:
        client.close()


def open_named(
    client: QdrantClient, name: str, *, place: str, create: bool, model: str | None, dimension: int | None
) -> tuple[ServerStore, GalleryFacts]:
    """The collection that a name means; see `vireid.retrieval.open_gallery`."""
    collection = _current(client, name, place)
    if collection is None:
        if not create:
            raise _no_gallery(place)
        facts = new_facts(f"{name}.{uuid.uuid4().hex}", model, dimension)
        store = ServerStore.create(client, facts.collection, facts.dimension, facts.to_json())
        _point(client, name, facts.collection, place, replace=False)
        return store, facts
    described = _asked(lambda: client.get_collection(collection), place)
    facts = GalleryFacts.from_json(described.config.metadata, f"collection {collection} of {place}")
    facts.require(model=model, dimension=dimension, place=place)
    return ServerStore(client, collection, facts.dimension), facts


@contextmanager
def rebuilding_named(client: QdrantClient, name: str, *, place: str, model: str, dimension: int) -> Iterator[Gallery]:
    """The gallery of a name, filled anew through a client that stays open; see `vireid.retrieval.rebuilding`."""
    old = _current(client, name, place)
    if old is None:
        raise _no_gallery(place)
    _remove_leftovers(client, name, old, place)
    facts = new_facts(f"{name}.{uuid.uuid4().hex}", model, dimension)
    try:
        store = ServerStore.create(client, facts.collection, facts.dimension, facts.to_json())
        yield Gallery(store, facts, place)
        _point(client, name, facts.collection, place, replace=True)
    except BaseException:
        client.delete_collection(facts.collection)
        raise
    _asked(lambda: client.delete_collection(old), place)


def _connected(url: str) -> tuple[QdrantClient, str]:
    parts = urlsplit(url)
    name = parts.path[1:]
    try:
        port = parts.port or 6333
    except ValueError:  # no number from 0 to 65535
        port = None
    sound = parts.hostname and port and not (parts.query or parts.fragment or parts.username or parts.password)
    if not sound or not _NAME.fullmatch(name):
        raise VireidError(
            "the URL of a gallery is http://host:6333/name, its name of letters, digits, '-' and '_'; a key is taken "
            f"from QDRANT_API_KEY; got {parts.scheme}://{parts.hostname or ''}{parts.path}"
        )
    client = QdrantClient(
        url=f"{parts.scheme}://{parts.hostname}:{port}",
        api_key=os.environ.get("QDRANT_API_KEY"),
        timeout=_SECONDS,
        check_compatibility=False,
    )
    return client, name


def _current(client: QdrantClient, name: str, place: str) -> str | None:
    aliases = _asked(client.get_aliases, place).aliases
    return next((alias.collection_name for alias in aliases if alias.alias_name == name), None)


def _point(client: QdrantClient, name: str, collection: str, place: str, *, replace: bool) -> None:
    """Let the name mean a collection; a server takes all of the list or none."""
    changes: list[models.AliasOperations] = []
    if replace:
        changes.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name)))
    changes.append(
        models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=name))
    )
    _asked(lambda: client.update_collection_aliases(changes), place)


def _remove_leftovers(client: QdrantClient, name: str, current: str, place: str) -> None:
    ours = re.compile(re.escape(name) + r"\.[0-9a-f]{32}")
    for described in _asked(client.get_collections, place).collections:
        if described.name != current and ours.fullmatch(described.name):
            client.delete_collection(described.name)


def _no_gallery(place: str) -> VireidError:
    return VireidError(f"there is no gallery at {place}; give the URL of one, or create it")


def _asked(call: Callable[[], _Result], place: str) -> _Result:
    try:
        return call()
    except Exception as error:
        raise VireidError(f"the Qdrant server of {place} does not answer as it should: {error}") from error
