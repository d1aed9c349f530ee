"""Decoding one image file into 8-bit RGB, whatever kind of image it is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, UnidentifiedImageError

from vireid.data.faults import FaultError
from vireid.data.guarded_file import GuardedFile, check_bytes
from vireid.data.listing import check_regular
from vireid.data.upright_pixels import add_low_bytes, upright_pixels

__all__ = ["MAX_PIXELS", "MAX_SIDE", "decode_image", "load_image", "open_image"]

MAX_PIXELS = 25_000_000
"""Of one image: the photographs of today's phones, and three times a camera of 3840 x 2160.

Decoding takes at most 10 bytes a pixel, which a progressive JPEG needs, beside the file itself.
"""

MAX_SIDE = 100_000
"""Pixels along a side of one image: decoders hold whole rows."""

_MEND = "copy it from the data set again, or remove it (`vireid doctor --list-bad` lists all such files)"
_FORMATS = ("JPEG", "PNG", "BMP")
_ORIENTATION = 0x0112  # the EXIF tag
# Gray with alpha is four bytes a pixel, of which the second is the low one of gray.
_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}


def load_image(file: Path) -> UInt8[np.ndarray, "h w 3"]:
    """Decode a JPEG, PNG or BMP file into upright 8-bit RGB.

    Gray images, as infrared cameras store them, become three equal channels. 16-bit values v become round(v / 257), so
    65535 is 255 and nothing is clipped. An alpha channel is dropped and the stored colour beneath it kept, as Pillow
    and OpenCV do. The EXIF orientation is applied.

    Args:
        file: the image; its content decides, not its suffix.

    Raises:
        VireidError: no such file, an empty or truncated one, no image, one of more than 25 million pixels or 100,000
            along a side (refused from its header, before any memory is taken), or a file of more than 80 MB.
    """
    return _decode(file, None, _MEND)


def decode_image(content: bytes, name: str) -> UInt8[np.ndarray, "h w 3"]:
    """Decode what an image file holds, as `load_image` does.

    Args:
        content: all bytes of the file.
        name: what to call it in an error.

    Raises:
        VireidError: see `load_image`.
    """
    return _decode(Path(name), content, "give a whole JPEG, PNG or BMP")


@contextmanager
def open_image(
    file: Path, *, formats: tuple[str, ...], mend: str, content: bytes | None = None
) -> Iterator[ImageFile.ImageFile]:
    """Open an image file for decoding inside the block, whatever is wrong with it told in one sentence.

    Args:
        file: the image; its content decides, not its suffix.
        formats: as Pillow names them.
        mend: what the user can do about a bad file.
        content: what the file holds, where it has been read already; then ``file`` is a name for messages only.

    Raises:
        VireidError: no such file, an empty or truncated one, none of these formats, one that is too large (see
            `load_image`), or anything that fails inside the block.
    """
    try:
        with _guarded(file, content) as stream, Image.open(stream, formats=formats) as image:
            _check_size(image, file)
            stream.begin_pixels(scans=image.format in ("JPEG", "MPO"))
            yield image
    except FaultError:
        raise
    except FileNotFoundError:
        raise FaultError(f"there is no image {file}", what_to_do="copy it from the data set again") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(file, "more") from error
    except UnidentifiedImageError:
        names = " or ".join([*filter(None, [", ".join(formats[:-1])]), formats[-1]])
        size = file.stat().st_size if content is None else len(content)
        what = "an empty file" if size == 0 else f"no {names} image"
        raise FaultError(f"{file} is {what}", what_to_do=mend) from None
    except Exception as error:  # decoders fail in many ways on broken content: OSError, SyntaxError, struct.error, ..
        raise FaultError(
            f"{file} cannot be decoded, it is truncated or damaged: {error}",
            what_to_do=mend,
        ) from error


def _guarded(file: Path, content: bytes | None) -> GuardedFile:
    if content is None:
        check_regular(file)
        size = file.stat().st_size
    else:
        size = len(content)
    check_bytes(file, size)
    return GuardedFile(io.FileIO(file) if content is None else io.BytesIO(content), size)


def _decode(file: Path, content: bytes | None, mend: str) -> UInt8[np.ndarray, "h w 3"]:
    with open_image(file, formats=_FORMATS, mend=mend, content=content) as image:
        raw_mode = str(image.tile[0].args) if image.tile else ""
        orientation = image.getexif().get(_ORIENTATION, 1)  # this decodes a PNG, and its raw mode is then forgotten
        image.load()
        pixels = upright_pixels(image, orientation)
    if raw_mode in _LOW_BYTES:
        # Pillow keeps only the high byte of 16-bit colour, unless it is told that the low one comes first.
        with open_image(file, formats=_FORMATS, mend=mend, content=content) as image:
            image.tile = [image.tile[0]._replace(args=_LOW_BYTES[raw_mode])]
            image.load()
            add_low_bytes(pixels, image.getchannel(1) if raw_mode == "LA;16B" else image, orientation)
    return pixels


def _check_size(image: ImageFile.ImageFile, file: Path) -> None:
    """Refuse what would take too much memory; a JPEG of four inks takes a third more than one of three colours."""
    most = MAX_PIXELS * 3 // 4 if image.mode == "CMYK" else MAX_PIXELS
    if image.width * image.height > most or max(image.size) > MAX_SIDE:
        raise _too_large(file, f"{image.width} x {image.height}", most)


def _too_large(file: Path, size: str, most: int = MAX_PIXELS) -> FaultError:
    return FaultError(
        f"{file} must have at most {most} pixels and {MAX_SIDE} along a side, got {size}",
        what_to_do="crop it to the person; a crop is seldom larger than 1000 x 500",
    )
