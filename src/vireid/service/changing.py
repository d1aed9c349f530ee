"""``POST /api/sightings`` and ``POST /api/delete``: what comes and what goes, never without a line in the log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
from fastapi import HTTPException, Request
from jaxtyping import Float32

from vireid.retrieval import Conditions, Sighting
from vireid.service.answers import told_conditions
from vireid.service.embedding import embed_uploads, images_of, light
from vireid.service.forms import AddForm, DeleteBody, conditions_of, read_fields
from vireid.service.lookup import sightings_of
from vireid.service.multipart import Upload, read_form
from vireid.service.service import Service, in_thread, record, require, service_of
from vireid.service.tokens import Role
from vireid.types import Modality, VireidError

__all__ = ["answer_add", "answer_delete", "delete_with_images"]


async def answer_add(request: Request) -> dict[str, Any]:
    """Add uploaded images.

    Raises:
        HTTPException: what is wrong with the request; 507 where disk or log refuse.
    """
    await require(request, Role.OPERATOR, "to add sightings")
    service = service_of(request)
    form = await read_form(request, service.settings)
    fields = read_fields(AddForm, form.fields)
    uploads = images_of(form, "images")
    if not uploads:
        raise HTTPException(422, "at least one image is needed, sent as 'images'; got none")
    _check_time(fields.time, service.settings.keep_days)
    features, modalities = await embed_uploads(service, uploads, light(fields.modality))
    return await in_thread(_add, request, service, fields, uploads, features, modalities)


async def answer_delete(request: Request, body: DeleteBody) -> dict[str, Any]:
    """Delete sightings and their uploaded images, or say how many it would be.

    Raises:
        HTTPException: 403 the role does not allow it, 422 nothing is set, 507 where disk or log refuse.
    """
    service = service_of(request)
    await require(request, Role.OPERATOR, "to delete sightings")
    if not (body.keys or body.persons or body.tracks or body.cameras or body.tags):
        # A span of time or a modality alone may be met by everything.
        await require(request, Role.ADMIN, "to delete other than by keys, persons, tracks, cameras or tags")
    modality = None if body.modality is None else Modality(body.modality)
    conditions = conditions_of(body, modality=modality, keys=tuple(body.keys))
    if not conditions and not body.everything:
        raise HTTPException(422, "conditions that set nothing would delete everything; set some, or set everything")
    return await in_thread(_delete, request, service, conditions, body.dry_run)


def delete_with_images(service: Service, conditions: Conditions) -> int:
    """Remove sightings, then their uploaded images; what a kill leaves of these goes at the next start.

    Raises:
        VireidError: disk or engine refuse.
    """
    with service.changing:
        keys = sightings_of(service.gallery, conditions) if service.shelf.holds else ()
        if keys or service.gallery.count(conditions):
            service.note_uncompacted(True)
        removed = service.gallery.delete(conditions, everything=True)
        service.shelf.forget(keys)
    return removed


def _check_time(time: datetime | None, keep_days: float | int | None) -> None:
    if keep_days is None:
        return
    if time is None or time > datetime.now(timezone.utc) + timedelta(days=1):
        got = "none" if time is None else time.isoformat()
        raise HTTPException(
            422,
            f"sightings are kept for {keep_days:g} days here, so each needs the time when it was seen, not in the "
            f"future; got {got}",
        )


def _add(
    request: Request,
    service: Service,
    fields: AddForm,
    uploads: Sequence[Upload],
    features: Float32[np.ndarray, "n d"],
    modalities: Sequence[Modality],
) -> dict[str, Any]:
    keys = [hashlib.sha256(upload.content).hexdigest() for upload in uploads]
    facts = fields.model_dump(mode="json", exclude={"modality"}, exclude_defaults=True)
    # The line before the deed: nothing is there that the log does not tell of, whenever the power goes.
    record(request, "add", stage="begun", keys=keys, sighting=facts)
    try:
        with service.changing:
            sightings = [
                Sighting(
                    key=key,
                    path=service.shelf.keep(key, upload.content),
                    modality=modality,
                    camera=fields.camera,
                    time=fields.time,
                    track=fields.track,
                    person=fields.person,
                    tags=tuple(fields.tags),
                )
                for key, upload, modality in zip(keys, uploads, modalities)
            ]
            added = service.gallery.add(sightings, features, model=service.embedder.model)
    except VireidError as error:
        raise HTTPException(507, str(error)) from error
    record(request, "add", stage="done", keys=keys, added=added.new, known=added.known)
    return {"added": added.new, "known": added.known, "keys": keys}


def _delete(request: Request, service: Service, conditions: Conditions, dry_run: bool) -> dict[str, Any]:
    told = told_conditions(conditions)
    if dry_run:
        sightings = service.gallery.count(conditions)
        record(request, "delete", stage="dry run", conditions=told, sightings=sightings)
        return {"sightings": sightings, "deleted": False}
    record(request, "delete", stage="begun", conditions=told)
    try:
        removed = delete_with_images(service, conditions)
    except VireidError as error:
        raise HTTPException(507, str(error)) from error
    record(request, "delete", stage="done", conditions=told, sightings=removed)
    return {"sightings": removed, "deleted": True}
