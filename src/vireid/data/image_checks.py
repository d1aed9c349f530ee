"""Faults that show inside the images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from vireid.data.faults import Fault
from vireid.data.image_scan import ImageFacts
from vireid.data.record_checks import fault
from vireid.types import Record

__all__ = ["check_colours", "check_duplicates", "check_readable", "check_sizes"]

_SMALLEST_SIDE = 16
_ASPECT_FACTOR = 4.0


def check_readable(facts: Sequence[ImageFacts]) -> list[Fault]:
    """An error for images that cannot be decoded, a warning for those with a single value everywhere."""
    faults = []
    unreadable = [f"{fact.path} {fact.error}" for fact in facts if fact.error]
    constant = [fact.path for fact in facts if not fact.error and fact.constant]
    if unreadable:
        faults.append(
            fault(
                "error",
                f"{len(unreadable)} of {len(facts)} images cannot be read",
                unreadable,
                "copy them from the data set again, or remove them (`vireid doctor --list-bad` lists them all)",
            )
        )
    if constant:
        faults.append(
            fault(
                "warning",
                f"{len(constant)} images are empty: every pixel has the same value",
                constant,
                "look at them, and remove them if they show nobody",
            )
        )
    return faults


def check_colours(facts: Sequence[ImageFacts], record_of: dict[str, Record]) -> list[Fault]:
    """An error for infrared images in colour, warnings for tinted ones and for visible cameras without any colour."""
    coloured, tinted = [], []
    colours: dict[int, set[str]] = defaultdict(set)
    for fact in facts:
        record = record_of.get(fact.path)
        if record is None or fact.error or fact.constant:
            continue
        if record.modality.value == "visible":
            colours[record.camera].add(fact.colour)
        elif fact.colour != "gray":
            (coloured if fact.colour == "colour" else tinted).append(fact.path)
    gray = [f"camera {camera}" for camera, seen in sorted(colours.items()) if seen == {"gray"}]
    faults = []
    if coloured:
        faults.append(
            fault(
                "error",
                f"infrared images must have equal channels, but {len(coloured)} are in colour",
                coloured,
                "these are visible images in the wrong place, or thermal ones in false colours: move or convert them",
            )
        )
    if tinted:
        faults.append(
            fault(
                "warning",
                f"{len(tinted)} infrared images are tinted: their channels differ by more than the noise of a JPEG",
                tinted,
                "nothing, if the camera has a cast; else store them with one channel",
            )
        )
    if gray:
        faults.append(
            fault(
                "warning",
                "cameras that are said to be visible have gray images only",
                gray,
                "check the modality of these cameras; a camera in night mode is infrared",
            )
        )
    return faults


def check_duplicates(facts: Sequence[ImageFacts], record_of: dict[str, Record]) -> list[Fault]:
    """The same bytes in train and test are an error, under two identities or twice in a split a warning."""
    groups: dict[bytes, list[str]] = defaultdict(list)
    for fact in facts:
        if not fact.error and fact.path in record_of:
            groups[fact.digest].append(fact.path)
    leaks, mixed, repeats = [], [], []
    for paths in groups.values():
        if len(paths) > 1:
            records = [record_of[path] for path in paths]
            text = " = ".join(paths[:3])
            if len({record.split == "train" for record in records}) > 1:
                leaks.append(text)
            elif len({record.person for record in records}) > 1:
                mixed.append(text)
            else:
                repeats.append(text)
    faults = []
    if leaks:
        what = f"train and test must have no image in common, but {len(leaks)} are the same byte for byte"
        faults.append(fault("error", what, leaks, "remove them from one of the splits"))
    if mixed:
        what = f"{len(mixed)} images stand under more than one identity, the same byte for byte"
        faults.append(fault("warning", what, mixed, "find out whom they show, and remove the others"))
    if repeats:
        what = f"{len(repeats)} images of one identity are there more than once, the same byte for byte"
        faults.append(fault("warning", what, repeats, "remove the copies"))
    return faults


def check_sizes(facts: Sequence[ImageFacts]) -> list[Fault]:
    """Warnings for images too small to show a person, and for shapes far from those of the others."""
    sized = [fact for fact in facts if not fact.error]
    if not sized:
        return []
    middle = float(np.median([fact.height / fact.width for fact in sized]))
    small = [fact.path for fact in sized if min(fact.height, fact.width) < _SMALLEST_SIDE]
    odd = [
        f"{fact.path} ({fact.width} x {fact.height})"
        for fact in sized
        if not 1 / _ASPECT_FACTOR <= fact.height / fact.width / middle <= _ASPECT_FACTOR
    ]
    faults = []
    if small:
        what = f"{len(small)} images are less than {_SMALLEST_SIDE} pixels wide or high"
        faults.append(fault("warning", what, small, "look at them, and remove those that show nobody"))
    if odd:
        what = f"{len(odd)} images have a shape far from the others (height / width is {middle:.2f} in the middle)"
        faults.append(fault("warning", what, odd, "look whether each is the crop of one person"))
    return faults
