"""What an uploaded file is, by its content: its name and its claimed type decide nothing."""

from __future__ import annotations

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from vireid.data.guarded_file import GuardedFile
from vireid.types import VireidError

__all__ = ["KINDS", "TooLargeError", "UnknownTypeError", "check_image", "kind_of", "readable"]

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "BMP": "image/bmp"}
"""Formats as Pillow names them, and their media types."""


class UnknownTypeError(VireidError):
    """The content is none of the image types that are taken."""


class TooLargeError(VireidError):
    """The image has more pixels than are taken."""


def check_image(content: bytes, name: str, *, max_pixels: int, max_side: int) -> int:
    """Refuse what is no image or has too many pixels, by its header alone; returns the number of its pixels.

    Args:
        content: of the file.
        name: how messages call it.
        max_pixels: width times height.
        max_side: width, and height.

    Raises:
        UnknownTypeError: no JPEG, PNG, WebP or BMP.
        TooLargeError: too many pixels.
        VireidError: a header that is damaged.
    """
    rule = f"an image may have at most {max_pixels} pixels and {max_side} along a side"
    todo = "crop it to the person; a crop is seldom larger than 1000 x 500"
    try:
        stream = GuardedFile(io.BytesIO(content), len(content))
        with Image.open(stream, formats=tuple(KINDS)) as image:
            width, height = image.size
    except UnidentifiedImageError:
        raise UnknownTypeError(
            f"an image must be JPEG, PNG, WebP or BMP by its content, but {name} is {_what(content)}; convert it"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLargeError(f"{rule}, but {name} has far more; {todo}") from None
    except Exception as error:  # readers of headers fail in many ways on broken content
        raise VireidError(f"{name} has a damaged header: {error}; save the image anew") from error
    if width * height > max_pixels or max(width, height) > max_side:
        raise TooLargeError(f"{rule}, but {name} has {width} x {height}; {todo}")
    return width * height


def kind_of(content: bytes) -> str | None:
    """Pillow's name of the format, by the first bytes; None for what is not taken.

    >>> kind_of(b"\\xff\\xd8\\xff\\xe0"), kind_of(b"<svg/>")
    ('JPEG', None)
    """
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    return "BMP" if content.startswith(b"BM") else None


def readable(content: bytes, name: str) -> bytes:
    """The same pixels as a file that `vireid.data` reads: WebP becomes PNG, all else is left as it is.

    Args:
        content: of a file that `check_image` let through.
        name: how messages call it.

    Raises:
        VireidError: it is truncated or damaged.
    """
    if kind_of(content) != "WEBP":
        return content
    picture = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as image:
            pixels = image.convert("RGB")
        del image  # its decoder holds the pixels twice more
        ImageOps.exif_transpose(pixels, in_place=True)
        pixels.save(picture, format="PNG", compress_level=1)
    except Exception as error:  # decoders fail in many ways on broken content
        raise VireidError(f"image {name!r} cannot be decoded: {error}; save it anew") from error
    return picture.getvalue()


def _what(content: bytes) -> str:
    head = content[:1000].lstrip().lower()
    if not content:
        return "empty"
    if b"<svg" in head:
        return "SVG"
    if head.startswith(b"gif8"):
        return "GIF"
    return "something else" if kind_of(content) is None else "damaged"
