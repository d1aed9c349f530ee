"""What the service answers, and how conditions are told in the audit log."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from vireid.retrieval import Conditions, Match

__all__ = [
    "AddAnswer",
    "DeleteAnswer",
    "ExplainAnswer",
    "Health",
    "Me",
    "Refusal",
    "SearchAnswer",
    "shown_match",
    "told_conditions",
]


class Refusal(BaseModel):
    """Why a request was not done."""

    detail: str = Field(description="The rule, what came, and what to do")


class Health(BaseModel):
    """Whether the service is there."""

    status: str


class _GalleryFacts(BaseModel):
    sightings: int
    dimension: int
    model: str = Field(description="Fingerprint of the model")
    cameras: int
    persons: int


class Me(BaseModel):
    """Whose token it is, and what is searched."""

    name: str
    role: str
    gallery: _GalleryFacts
    version: str


class _Query(BaseModel):
    name: str = Field(description="Of the file, or the key")
    modality: str
    found: bool = Field(description="Whether the modality was found from the image, not given")


class _Result(BaseModel):
    key: str
    score: float = Field(description="Cosine, -1 to 1")
    camera: str | None
    time: str | None
    track: str | None
    person: str | None
    modality: str
    tags: list[str]
    image: str | None = Field(description="Where its image is, null where none is kept")


class SearchAnswer(BaseModel):
    """Results, best first: one list when the queries are fused, else one for each query."""

    queries: list[_Query]
    results: list[list[_Result]]


class AddAnswer(BaseModel):
    """What is on disk now."""

    added: int
    known: int = Field(description="Of images that the gallery had already; they are left as they were")
    keys: list[str] = Field(description="SHA-256 of each image")


class DeleteAnswer(BaseModel):
    """How many sightings meet the conditions, and whether they are gone."""

    sightings: int
    deleted: bool


class ExplainAnswer(BaseModel):
    """Both images with the places marked that make their match, as PNG data URLs."""

    query: str
    result: str
    score: float


def shown_match(match: Match, *, image: bool) -> dict[str, Any]:
    """A result; where its image lies on the server is not said."""
    return match.to_json() | {"image": f"/api/images/{match.sighting.key}" if image else None}


def told_conditions(conditions: Conditions) -> dict[str, Any]:
    """What is set, as plain values.

    >>> told_conditions(Conditions(cameras=("door",), tags=("coat",)))
    {'cameras': ['door'], 'tags': ['coat']}
    """
    told: dict[str, Any] = {}
    for entry in fields(conditions):
        value = getattr(conditions, entry.name)
        if value in (None, ()):
            continue
        if isinstance(value, tuple):
            told[entry.name] = list(value)
        elif isinstance(value, datetime):
            told[entry.name] = value.isoformat()
        else:
            told[entry.name] = value.value
    return told
