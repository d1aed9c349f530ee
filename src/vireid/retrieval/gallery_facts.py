"""What a gallery says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from vireid.types import VireidError

__all__ = ["FORMAT", "GalleryFacts", "new_facts"]

FORMAT = 1
_COLLECTION = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*\.)?[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryFacts:
    """What a gallery says of itself: the content of ``gallery.json``, or a collection's metadata on a server.

    Attributes:
        collection: name of the collection in use.
        model: fingerprint of the model whose features it holds.
        dimension: numbers in a feature.
        created: when its collection was made, as ISO 8601 in UTC.
        format: version of this form.
    """

    collection: str
    model: str
    dimension: int
    created: str
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: object, where: str) -> GalleryFacts:
        """Read what `to_json` gave.

        Raises:
            VireidError: anything else, or another version.
        """
        if not isinstance(values, Mapping) or "format" not in values:
            raise VireidError(f"{where} does not describe a gallery of vireid")
        if values["format"] != FORMAT:
            raise VireidError(
                f"{where} is of format {values['format']!r}, but this version of vireid reads format {FORMAT}; "
                "open it with the version that wrote it, or index the images again"
            )
        try:
            facts = cls(**values)
        except TypeError as error:
            raise VireidError(f"{where} does not describe a gallery of vireid: {error}") from error
        sound = (
            isinstance(facts.collection, str)
            and _COLLECTION.fullmatch(facts.collection)  # it becomes a path
            and all(isinstance(text, str) and text for text in (facts.model, facts.created))
            and type(facts.dimension) is int
            and facts.dimension > 0
            and _is_moment(facts.created)
        )
        if not sound:
            raise VireidError(f"{where} does not describe a gallery of vireid: its values are not sound: {values}")
        return facts

    def require(self, *, model: str | None, dimension: int | None, place: str) -> None:
        """Refuse another model or dimension than the gallery's own; None is not compared.

        Raises:
            VireidError: they differ; it names both.
        """
        if model is not None and model != self.model:
            raise VireidError(
                f"gallery {place} holds features of model {self.model!r}, but these come from model {model!r}; "
                "features of two models cannot be compared: use the gallery's model, or rebuild the gallery"
            )
        if dimension is not None and dimension != self.dimension:
            raise VireidError(f"gallery {place} holds features of {self.dimension} numbers, but these have {dimension}")


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() is not None
    except ValueError:
        return False


def new_facts(collection: str, model: str | None, dimension: int | None) -> GalleryFacts:
    """Facts of a gallery that begins now.

    Raises:
        VireidError: model or dimension is missing or makes no sense.
    """
    if not model or dimension is None or dimension < 1:
        raise VireidError(
            "a new gallery needs the fingerprint of its model and the dimension of its features, got "
            f"model {model!r} and dimension {dimension!r}"
        )
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return GalleryFacts(collection=collection, model=model, dimension=dimension, created=created)
