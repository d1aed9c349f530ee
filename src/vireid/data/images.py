"""Decoding one image file into 8-bit RGB, whatever kind of image it is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from vireid.data.faults import FaultError
from vireid.data.listing import check_regular

__all__ = ["MAX_PIXELS", "decode_image", "load_image", "open_image"]

MAX_PIXELS = 64_000_000

_MEND = "copy it from the data set again, or remove it (`vireid doctor --list-bad` lists all such files)"
_FORMATS = ("JPEG", "PNG", "BMP")
_ROWS = 64
_ORIENTATION = 0x0112  # the EXIF tag


def load_image(file: Path) -> UInt8[np.ndarray, "h w 3"]:
    """Decode a JPEG, PNG or BMP file into upright 8-bit RGB.

    Gray images, as infrared cameras store them, become three equal channels. 16-bit values v become round(v / 257), so
    65535 is 255 and nothing is clipped. An alpha channel is dropped and the stored colour beneath it kept, as Pillow
    and OpenCV do. The EXIF orientation is applied.

    Args:
        file: the image; its content decides, not its suffix.

    Raises:
        VireidError: no such file, an empty or truncated one, no image, or one of more than 64 million pixels (refused
            from its header, before any memory is taken).
    """
    with open_image(file, formats=_FORMATS, mend=_MEND) as image:
        upright = ImageOps.exif_transpose(_to_rgb(image, file))
        return np.array(upright, dtype=np.uint8)


def decode_image(content: bytes, name: str) -> UInt8[np.ndarray, "h w 3"]:
    """Decode what an image file holds, as `load_image` does.

    Args:
        content: all bytes of the file.
        name: what to call it in an error.

    Raises:
        VireidError: see `load_image`.
    """
    with open_image(Path(name), formats=_FORMATS, mend="give a whole JPEG, PNG or BMP", content=content) as image:
        upright = ImageOps.exif_transpose(_to_rgb(image, content))
        return np.array(upright, dtype=np.uint8)


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
        VireidError: no such file, an empty or truncated one, none of these formats, one of more than 64 million pixels
            (refused from its header, before any memory is taken), or anything that fails inside the block.
    """
    try:
        if content is None:
            check_regular(file)
        with Image.open(file if content is None else io.BytesIO(content), formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(file, f"{image.width} x {image.height}")
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


def _to_rgb(image: Image.Image, source: Path | bytes) -> Image.Image:
    """8-bit RGB with the orientation of the original still noted."""
    raw_mode = str(image.tile[0].args) if isinstance(image, ImageFile.ImageFile) and image.tile else ""
    orientation = image.getexif().get(_ORIENTATION, 1)  # this decodes a PNG, and its raw mode is then forgotten
    if image.mode.startswith("I;16") or image.mode == "I":
        converted = Image.fromarray(_scale_down(np.asarray(image))).convert("RGB")
    elif "16B" in raw_mode:
        # Pillow keeps only the high byte of 16-bit colour.
        image.load()
        content = source if isinstance(source, bytes) else source.read_bytes()
        pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None or pixels.dtype != np.uint16:
            raise OSError("16-bit colour that OpenCV cannot decode")
        colours = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)
        converted = Image.fromarray(_scale_down(colours))
    elif image.mode == "P" and "transparency" in image.info:
        converted = image.convert("RGBA").convert("RGB")
    else:
        converted = image.convert("RGB")
    converted.getexif()[_ORIENTATION] = orientation
    return converted


def _scale_down(values: np.ndarray) -> UInt8[np.ndarray, "..."]:
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"gray values must lie in 0 .. 65535, got {values.min()} .. {values.max()}")
    scaled = np.empty(values.shape, dtype=np.uint8)
    for start in range(0, len(values), _ROWS):  # a few rows at a time: the sums are four times as large as the image
        scaled[start : start + _ROWS] = (values[start : start + _ROWS].astype(np.uint32) + 128) // 257
    return scaled


def _too_large(file: Path, size: str) -> FaultError:
    return FaultError(
        f"{file} must have at most {MAX_PIXELS} pixels, got {size}",
        what_to_do="crop it to the person; a crop is seldom larger than 1000 x 500",
    )
