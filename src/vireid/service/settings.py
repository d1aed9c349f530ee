"""What the service allows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vireid.types import VireidError

__all__ = ["Settings"]

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the service allows, and where it keeps what it keeps.

    Attributes:
        kept_images: folder of uploaded images that are added to the gallery; None keeps none.
        keep_uploads: whether new ones are put there; without, those of earlier go with their sightings.
        images_root: images of indexed sightings are shown if they lie below it; None shows none.
        uncompacted: file that is there while the engine may still keep bytes of what was deleted; None remembers that
            only as long as the process lives.
        keep_days: older sightings are deleted; None keeps all.
        max_file: bytes of one uploaded image.
        max_request: bytes of one request.
        max_files: images of one request.
        max_pixels: of one image, and a fourth of what all images of a request may have.
        max_side: pixels along one side of an image.
        max_at_once: requests worked on at the same time, a fourth of them for one caller; more are answered with 503.
        max_waiting: images that wait for the network; more are answered with 503.
        batch: images that the network takes at a time.
        gather: seconds to wait for the images of other requests before a batch is started.
        body_seconds: a request must have arrived whole by then.

    Raises:
        VireidError: a limit that is not positive.
    """

    kept_images: Path | None = None
    keep_uploads: bool = True
    images_root: Path | None = None
    uncompacted: Path | None = None
    keep_days: float | int | None = None
    max_file: int = 10 * _MIB
    max_request: int = 40 * _MIB
    max_files: int = 16
    max_pixels: int = 16_000_000
    max_side: int = 16_384
    max_at_once: int = 64
    max_waiting: int = 256
    batch: int = 32
    gather: float = 0.003
    body_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("max_file", "max_request", "max_files", "max_pixels", "max_at_once", "max_waiting", "batch"):
            if getattr(self, name) < 1:
                raise VireidError(f"the limit {name} must be at least 1, got {getattr(self, name)}")
        if self.keep_days is not None and not 0 < self.keep_days <= 36500:
            raise VireidError(f"sightings are kept for more than 0 and at most 36500 days, got {self.keep_days}")
