"""Looking into every image file once: can it be decoded, how large is it, has it colour, which bytes is it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from vireid.data.faults import FaultError
from vireid.data.image_digests import digest_of
from vireid.data.images import load_image
from vireid.data.in_threads import in_threads

__all__ = ["Colour", "ImageFacts", "colour_of", "scan_images"]

Colour = Literal["gray", "tinted", "colour"]

# Mean difference of the channels, in 0 .. 255. A gray image saved as colour JPEG stays below 2.
_TINTED, _STRONG = 8.0, 40.0
# Root mean square that is left when red and blue are explained by green, in 0 .. 255.
_MORE_THAN_ONE_HUE = 5.0
# Colours are judged on at most so many rows and columns, evenly spread.
_GRID = 64


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What one look into an image file shows.

    Attributes:
        path: relative to the root.
        error: why it cannot be decoded, empty if it can; then the other fields mean nothing.
        height: in pixels, upright.
        width: in pixels, upright.
        constant: every pixel has the same value.
        colour: see `colour_of`.
        digest: hash of the bytes of the file.
    """

    path: str
    error: str = ""
    height: int = 0
    width: int = 0
    constant: bool = False
    colour: Colour = "gray"
    digest: bytes = b""


def colour_of(image: UInt8[np.ndarray, "h w 3"]) -> Colour:
    """Whether the channels of an image differ by more than the noise of a JPEG.

    ``gray``: they do not. ``tinted``: they differ a little, and red and blue follow from green alone, as from an
    infrared camera with a cast. ``colour``: anything else.

    >>> colour_of(np.full((4, 4, 3), (200, 30, 30), dtype=np.uint8))
    'colour'
    """
    sample = image[:: -(-image.shape[0] // _GRID), :: -(-image.shape[1] // _GRID)]
    red, green, blue = (sample[..., channel].ravel().astype(np.float32) for channel in range(3))
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    spread = float((highest - lowest).mean())
    if spread <= _TINTED:
        return "gray"
    if spread > _STRONG:
        return "colour"
    return "colour" if max(_unexplained(red, green), _unexplained(blue, green)) > _MORE_THAN_ONE_HUE else "tinted"


def _unexplained(channel: np.ndarray, green: np.ndarray) -> float:
    """Root mean square of what a straight line through green leaves of another channel."""
    channel, green = channel - channel.mean(), green - green.mean()
    slope = float(channel @ green) / max(float(green @ green), 1e-6)
    return float(np.sqrt(((channel - slope * green) ** 2).mean()))


def scan_images(
    root: Path,
    paths: Sequence[str],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[ImageFacts]:
    """Decode and hash images in threads.

    Args:
        root: folder that the paths are relative to.
        paths: which images.
        workers: threads; one for each core by default, 0 for none.
        progress: called with (done, all) after each image, from the calling thread.

    Returns:
        The facts of each path, in the order given; an image that cannot be decoded is a fact, not an error.
    """
    facts: list[ImageFacts] = []
    with in_threads(workers) as each:
        for fact in each(lambda path: _look(root, path), paths):
            facts.append(fact)
            if progress is not None:
                progress(len(facts), len(paths))
    return facts


def _look(root: Path, path: str) -> ImageFacts:
    try:
        image = load_image(root / path)
        digest = digest_of(root / path)
    except FaultError as error:
        return ImageFacts(path=path, error=error.fault.what.removeprefix(f"{root / path} "))
    except OSError as error:
        return ImageFacts(path=path, error=f"cannot be read: {error.strerror}")
    return ImageFacts(
        path=path,
        height=image.shape[0],
        width=image.shape[1],
        constant=bool(image[0, 0, 0] == image[-1, -1, 0] and (image == image[0, 0]).all()),
        colour=colour_of(image),
        digest=digest,
    )
