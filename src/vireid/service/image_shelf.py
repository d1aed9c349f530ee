"""Where the images of sightings are: uploaded ones kept beside the gallery, indexed ones where they lie."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from vireid.data.guarded_file import read_image_file
from vireid.retrieval import Sighting
from vireid.service.uploads import KINDS, kind_of
from vireid.types import VireidError, write_atomically

__all__ = ["ImageShelf"]

_ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp"}
_NAME = re.compile(r"([0-9a-f]{64})\.(jpg|png|webp|bmp)")


class ImageShelf:
    """Images by key, and never anything else: what is handed out has the SHA-256 that the key is.

    Args:
        kept: folder of uploaded images, ``kept/KEY[:2]/KEY.ext``; None keeps none.
        takes: whether new ones are put there; what is there already is shown and removed in any case.
        root: an indexed image is handed out if it lies below this folder, links followed; None hands out none.

    Raises:
        VireidError: a root that is no folder.
    """

    def __init__(self, kept: Path | None, root: Path | None, *, takes: bool = True) -> None:
        if root is not None and not root.is_dir():
            raise VireidError(f"the root of the images must be a folder, got {root}")
        self._kept = kept
        self._takes = takes
        self._root = None if root is None else Path(os.path.realpath(root))

    @property
    def holds(self) -> bool:
        """Whether there may be uploaded images."""
        return self._kept is not None and self._kept.is_dir()

    def keep(self, key: str, content: bytes) -> str:
        """Write an uploaded image to the disk and return its path below the gallery; empty where none is kept.

        Raises:
            VireidError: the disk refuses.
        """
        kind = kind_of(content)
        if self._kept is None or kind is None or not self._takes:
            return ""
        name = f"{key[:2]}/{key}.{_ENDINGS[kind]}"
        file = self._kept / name
        if not file.exists():
            with write_atomically(file) as draft:
                draft.write_bytes(content)
        return f"{self._kept.name}/{name}"

    def forget(self, keys: Collection[str]) -> None:
        """Remove uploaded images.

        Raises:
            VireidError: one cannot be removed.
        """
        for key in keys:
            for file in self._uploads(key):
                try:
                    file.unlink(missing_ok=True)
                except OSError as error:
                    raise VireidError(
                        f"cannot remove image {file}: {error.strerror}; remove it by other means"
                    ) from error

    def has(self, sighting: Sighting) -> bool:
        """Whether there seems to be an image; only `read` looks into it."""
        return next(self._files(sighting), None) is not None

    def read(self, sighting: Sighting) -> tuple[bytes, str] | None:
        """Content and media type; None where there is no image, or another than the one that was embedded."""
        for file in self._files(sighting):
            try:
                content = read_image_file(file)
            except (OSError, VireidError):
                continue
            kind = kind_of(content)
            if kind is not None and hashlib.sha256(content).hexdigest() == sighting.key:
                return content, KINDS[kind]
        return None

    def kept_keys(self) -> Iterator[str]:
        """Keys of the uploaded images that are kept."""
        if self._kept is not None:
            for file in self._kept.glob("??/*"):
                if found := _NAME.fullmatch(file.name):
                    yield found[1]

    def _files(self, sighting: Sighting) -> Iterator[Path]:
        yield from (file for file in self._uploads(sighting.key) if file.exists())
        if self._root is not None and sighting.path and "\0" not in sighting.path:
            # A path is as the user gave it: from the root, or from where `vireid index` was started.
            for candidate in (self._root / sighting.path, Path(sighting.path)):
                file = os.path.realpath(candidate)
                if Path(file).is_relative_to(self._root) and os.path.isfile(file):  # noqa: PTH113 - False for any name
                    yield Path(file)

    def _uploads(self, key: str) -> list[Path]:
        if self._kept is None:
            return []
        return [self._kept / key[:2] / f"{key}.{ending}" for ending in _ENDINGS.values()]
