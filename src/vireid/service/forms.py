"""The fields of a request: checked, described for OpenAPI, and turned into what a gallery takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import HTTPException
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, WithJsonSchema

from vireid.retrieval import Conditions
from vireid.retrieval.sighting import check_time
from vireid.types import Modality, VireidError

__all__ = [
    "AddForm",
    "DeleteBody",
    "ExplainForm",
    "SearchForm",
    "conditions_of",
    "form_schema",
    "read_fields",
    "sentence",
]


def _text(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("a name must be Unicode text") from None
        if any(letter < " " or letter == "\x7f" for letter in value):
            raise ValueError("a name holds no control characters")
    return value


def _moment(value: Any) -> datetime:
    try:
        if not isinstance(value, str) or len(value) > 40:
            raise ValueError
        # Python 3.10 does not read the Z.
        moment = datetime.fromisoformat(value[:-1] + "+00:00" if value[-1:] in ("Z", "z") else value)
    except ValueError:
        raise ValueError("a time is ISO 8601 with a zone, as 2026-11-21T18:30:00+01:00") from None
    try:
        check_time(moment, "this time")
    except VireidError as error:
        raise ValueError(str(error)) from None
    return moment


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), BeforeValidator(_text)]
Key = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment, json_schema_input_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Names = Annotated[list[Name], Field(max_length=1000)]
LightOrAuto = Literal["auto", "visible", "infrared"]
LightName = Literal["visible", "infrared"]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _WithConditions(_Fields):
    persons: Names = []
    cameras: Names = []
    tracks: Names = []
    tags: Names = []
    since: Moment | None = Field(None, description="This time or later")
    until: Moment | None = Field(None, description="Before this time")


class SearchForm(_WithConditions):
    """What is searched for, and where."""

    keys: Annotated[list[Key], Field(max_length=16)] = Field([], description="Sightings of the gallery as queries")
    modality: LightOrAuto = Field("auto", description="Of the images; auto finds it for each")
    wanted: Literal["other", "visible", "infrared", "any"] = Field(
        "other", description="Of the results; other is the one that the query is not"
    )
    top: int = Field(20, ge=1, le=200)
    by_track: bool = Field(False, description="The best sighting of each track only")
    fuse: bool = Field(True, description="All queries show one person")


class AddForm(_Fields):
    """What is known of all images of a request."""

    camera: Name | None = None
    time: Moment | None = None
    track: Name | None = None
    person: Name | None = None
    tags: Annotated[list[Name], Field(max_length=50)] = []
    modality: LightOrAuto = "auto"


class ExplainForm(_Fields):
    """A query and a result."""

    key: Key = Field(description="The result")
    query_key: Key | None = Field(None, description="A sighting as the query, in place of an image")
    modality: LightOrAuto = Field("auto", description="Of the image of the query")


class DeleteBody(_WithConditions):
    """Which sightings are to go: all that is set must hold, within one field any of the values."""

    keys: Annotated[list[Key], Field(max_length=1000)] = []
    modality: LightName | None = None
    dry_run: bool = Field(False, description="Only say how many it would be")
    everything: bool = Field(False, description="Must be set where nothing else is; for admins")


_Form = TypeVar("_Form", bound=_Fields)


def read_fields(model: type[_Form], fields: Mapping[str, list[str]]) -> _Form:
    """The fields of a form, checked.

    Raises:
        HTTPException: 422, in one sentence.
    """
    many = {name for name, schema in model.model_json_schema()["properties"].items() if schema.get("type") == "array"}
    values: dict[str, Any] = {}
    for name, given in fields.items():
        if name not in many and len(given) > 1:
            raise HTTPException(422, f"the field {name!r} may be given once, got {len(given)} of them")
        values[name] = given if name in many else given[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise HTTPException(422, sentence(error.errors())) from None


def conditions_of(
    form: SearchForm | DeleteBody, *, modality: Modality | None, keys: tuple[str, ...] = ()
) -> Conditions:
    """Which sightings a form means.

    Raises:
        HTTPException: 422, a span of time that ends before it starts.
    """
    try:
        return Conditions(
            keys=keys,
            persons=tuple(form.persons),
            cameras=tuple(form.cameras),
            tracks=tuple(form.tracks),
            tags=tuple(form.tags),
            since=form.since,
            until=form.until,
            modality=modality,
        )
    except VireidError as error:
        raise HTTPException(422, str(error)) from error


def sentence(errors: Any) -> str:
    """What is wrong with a request, the first thing only."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "the request"
    got = repr(first.get("input"))
    return f"{where}: {first['msg'].removeprefix('Value error, ')}, got {got if len(got) <= 100 else got[:97] + '...'}"


def form_schema(model: type[BaseModel], files: Mapping[str, str]) -> dict[str, Any]:
    """How OpenAPI describes a multipart form of these fields and files."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, description in files.items():
        image = {"type": "string", "format": "binary"}
        shape = {"type": "array", "items": image} if name.endswith("s") else image
        schema["properties"] = {name: shape | {"description": description}} | schema["properties"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
