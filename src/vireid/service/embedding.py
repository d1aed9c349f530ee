"""Uploaded images, checked and embedded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from fastapi import HTTPException
from jaxtyping import Float32

from vireid.service.multipart import Form, Upload, shown
from vireid.service.service import Service
from vireid.service.uploads import TooLargeError, UnknownTypeError, check_image, readable
from vireid.types import Modality, VireidError

__all__ = ["check_uploads", "embed_uploads", "images_of", "light"]


async def embed_uploads(
    service: Service, uploads: Sequence[Upload], modality: Modality | Literal["auto"]
) -> tuple[Float32[np.ndarray, "n d"], list[Modality]]:
    """Features and modalities of uploaded images.

    Raises:
        HTTPException: 413, 415 or 422 for what an image is.
        FullError: too many images wait.
    """
    prepared = await service.decode(_prepare, service, uploads, modality)
    features = await asyncio.wrap_future(service.network.embed(prepared))
    return features, [each.modality for each in prepared]


def check_uploads(service: Service, uploads: Sequence[Upload]) -> None:
    """Refuse what is not to be decoded, by the headers alone.

    Raises:
        HTTPException: 413 too many pixels, 415 another type, 422 damaged.
    """
    most, side = service.settings.max_pixels, service.settings.max_side
    pixels = 0
    for upload in uploads:
        try:
            pixels += check_image(upload.content, f"image {shown(upload.name)}", max_pixels=most, max_side=side)
        except VireidError as error:
            status = {UnknownTypeError: 415, TooLargeError: 413}.get(type(error), 422)
            raise HTTPException(status, str(error)) from error
    if pixels > 4 * most:
        raise HTTPException(
            413, f"the images of a request may have at most {4 * most} pixels in all, got {pixels}; send them in turns"
        )


def images_of(form: Form, name: str) -> list[Upload]:
    """The files of a form, all of which must have this name.

    Raises:
        HTTPException: 422, a file under another name.
    """
    others = sorted(set(form.files) - {name})
    if others:
        raise HTTPException(422, f"images are sent as {name!r}, got a file as {others[0]!r}")
    return form.files.get(name, [])


def light(name: str) -> Modality | Literal["auto"]:
    """The modality of this name, or ``auto``."""
    return "auto" if name == "auto" else Modality(name)


def _prepare(service: Service, uploads: Sequence[Upload], modality: Modality | Literal["auto"]) -> list[Any]:
    check_uploads(service, uploads)
    try:
        return [
            service.embedder.prepare(readable(upload.content, upload.name), modality, f"image {shown(upload.name)}")
            for upload in uploads
        ]
    except VireidError as error:
        raise HTTPException(422, str(error)) from error
