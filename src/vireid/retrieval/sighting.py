"""One image of one person, as one camera saw them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from vireid.types import Modality, VireidError

__all__ = ["Sighting", "check_time"]

_KEY = re.compile("[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One image of one person, as one camera saw them: what a gallery keeps beside its embedding.

    Attributes:
        key: SHA-256 of the image file's bytes, 64 lower-case hexadecimal digits: the same image is the same sighting.
        path: where the image is, as the user gave it; empty where it was uploaded and not kept.
        modality: of the camera at that moment.
        camera: name of the camera, None where unknown.
        time: when, with a time zone, to the microsecond; None where unknown.
        track: name of the tracklet, None where the image stands alone.
        person: a name or number that somebody gave; the model does not need it.
        tags: any words.

    Raises:
        VireidError: a key that is no SHA-256, a time without a zone, an empty name, one with control characters (they
            would act on the terminal that shows it), or text that is no Unicode.

    >>> Sighting(key="0" * 64, path="a.jpg", modality=Modality.VISIBLE, camera="door").camera
    'door'
    """

    key: str
    path: str
    modality: Modality
    camera: str | None = None
    time: datetime | None = None
    track: str | None = None
    person: str | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not _KEY.fullmatch(self.key):
            raise VireidError(
                f"the key of a sighting is the SHA-256 of its image, 64 lower-case hexadecimal digits, got {self.key!r}"
            )
        if not isinstance(self.modality, Modality):
            raise VireidError(f"a sighting is visible or infrared, got modality {self.modality!r}")
        if self.time is not None:
            check_time(self.time, f"the time of sighting {self.key}")
        for name in ("camera", "track", "person"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise VireidError(
                    f"the {name} of a sighting is a name, None where unknown; got {value!r} for {self.key}"
                )
        if isinstance(self.tags, str) or not all(isinstance(tag, str) and tag for tag in self.tags):
            raise VireidError(f"the tags of a sighting are words, none of them empty; got {self.tags!r} for {self.key}")
        for value in (self.path, self.camera, self.track, self.person, *self.tags):
            if value is not None:
                _check_text(value, self.key)
        for name, values in (
            ("camera", (self.camera,)),
            ("track", (self.track,)),
            ("person", (self.person,)),
            ("tags", self.tags),
        ):
            for value in values:
                if value is not None and _CONTROL.search(value):
                    raise VireidError(
                        f"the {name} of a sighting must be without control characters (tabs, line ends, escapes), got "
                        f"{value!r} for {self.path or self.key!r}; rename it"
                    )


def check_time(time: object, name: str) -> None:
    """Refuse what is no moment: a time without a zone means another moment on another machine.

    Raises:
        VireidError: no `datetime`, or one without a time zone.
    """
    if not isinstance(time, datetime):
        raise VireidError(f"{name} must be a datetime with a time zone, got {time!r}")
    if time.utcoffset() is None:
        raise VireidError(
            f"{name} needs a time zone, got {time.isoformat()}; say which, as in {time.isoformat()}+00:00 for UTC"
        )
    try:
        time.astimezone(timezone.utc)
    except OverflowError:
        raise VireidError(f"{name} lies outside the years 1 to 9999 of UTC, got {time.isoformat()}") from None


def _check_text(value: str, key: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise VireidError(
            f"{value!r} of sighting {key} is no Unicode text and cannot be kept; rename the file or the name"
        ) from None
