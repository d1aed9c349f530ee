"""A gallery in a folder: one process at a time, a collection switched whole."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vireid.retrieval.edge_store import EdgeStore
from vireid.retrieval.gallery import Gallery
from vireid.retrieval.gallery_facts import GalleryFacts, new_facts
from vireid.types import VireidError, write_atomically

__all__ = ["open_folder", "rebuilding_folder"]

_FACTS = "gallery.json"
_LOCK = "gallery.lock"
_COLLECTIONS = "collections"
_OURS = re.compile("[0-9a-f]{32}")


def open_folder(folder: Path, *, create: bool, model: str | None, dimension: int | None) -> Gallery:
    """See `vireid.retrieval.open_gallery`."""
    lock = _locked(folder, create)
    try:
        facts = _facts(folder)
        if facts is None:
            facts = _created(folder, model, dimension)
        facts.require(model=model, dimension=dimension, place=str(folder))
        home = folder / _COLLECTIONS / facts.collection
        if not home.is_dir():
            raise VireidError(
                f"the files of gallery {folder} are gone: there is no {home}; put them back, or index the images again "
                "into a new folder"
            )
        _remove_leftovers(folder, facts)
        return Gallery(EdgeStore(home, facts.dimension), facts, str(folder), release=lock.release, folder=home)
    except BaseException:
        lock.release()
        raise


@contextmanager
def rebuilding_folder(folder: Path, *, model: str, dimension: int) -> Iterator[Gallery]:
    """See `vireid.retrieval.rebuilding`."""
    lock = _locked(folder, create=False)
    try:
        old = _facts(folder)
        if old is None:
            raise _no_gallery(folder)
        _remove_leftovers(folder, old)
        facts = new_facts(uuid.uuid4().hex, model, dimension)
        home = folder / _COLLECTIONS / facts.collection
        try:
            with Gallery(EdgeStore(home, dimension), facts, str(folder), folder=home) as gallery:
                yield gallery
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        _write(folder, facts)
        _remove_leftovers(folder, facts)
    finally:
        lock.release()


def _locked(folder: Path, create: bool) -> FileLock:
    if not create and not folder.is_dir():
        raise _no_gallery(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The thread that closes a gallery need not be the one that opened it.
        lock = FileLock(folder / _LOCK, thread_local=False)
        lock.acquire(timeout=0)
    except Timeout:
        raise VireidError(
            f"gallery {folder} is open already, in this process or another; close it there, or use a Qdrant server, "
            "which many processes share"
        ) from None
    except OSError as error:
        raise VireidError(f"cannot open gallery {folder}: {error.strerror or error}") from error
    try:
        if _facts(folder) is None and not create:
            raise _no_gallery(folder)
    except BaseException:
        lock.release()
        raise
    return lock


def _no_gallery(folder: Path) -> VireidError:
    return VireidError(f"there is no gallery in {folder}; give the folder of one, or create it")


def _facts(folder: Path) -> GalleryFacts | None:
    file = folder / _FACTS
    try:
        if file.exists() and not file.is_file():
            raise ValueError("it is no regular file")
        return GalleryFacts.from_json(json.loads(file.read_bytes()), str(file))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise VireidError(f"{file} does not describe a gallery of vireid: {error}") from error


def _created(folder: Path, model: str | None, dimension: int | None) -> GalleryFacts:
    # A creation that was cut short left no more than these.
    foreign = [
        entry.name
        for entry in folder.iterdir()
        if entry.name not in (_LOCK, _COLLECTIONS) and not entry.name.startswith(f".{_FACTS}.")
    ]
    if foreign:
        raise VireidError(
            f"a new gallery takes an empty folder, but {folder} holds {sorted(foreign)[0]!r}; choose another"
        )
    facts = new_facts(uuid.uuid4().hex, model, dimension)
    EdgeStore(folder / _COLLECTIONS / facts.collection, facts.dimension).close()
    _write(folder, facts)
    return facts


def _write(folder: Path, facts: GalleryFacts) -> None:
    with write_atomically(folder / _FACTS) as draft:
        draft.write_text(json.dumps(facts.to_json(), indent=2) + "\n")


def _remove_leftovers(folder: Path, facts: GalleryFacts) -> None:
    """What a rebuilding or a writing left that was cut short; only under names that this file gives."""
    for draft in folder.glob(f".{_FACTS}.*"):
        draft.unlink(missing_ok=True)
    for home in (folder / _COLLECTIONS).iterdir():
        if home.name != facts.collection and _OURS.fullmatch(home.name):
            shutil.rmtree(home, ignore_errors=True)
