"""What a layout asks to be written: pictures by path, and who stands in which split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vireid.synthetic.camera import Camera
from vireid.synthetic.stream import Topic, stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture to take.

    Attributes:
        path: POSIX path relative to the root of the data set.
        person: number of the person, from 1.
        camera: who looks.
        image: number of the picture of this person by this camera, from 1.
    """

    path: str
    person: int
    camera: Camera
    image: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A data set before it exists.

    Attributes:
        shots: the pictures.
        write_splits: writes the split files into the root.
    """

    shots: list[Shot]
    write_splits: Callable[[Path], None]


def split_people(seed: int, persons: int, test_fraction: float, *keys: int) -> tuple[list[int], list[int]]:
    """Share people out between training and test, sorted; each side gets two at least.

    Args:
        seed: of the world.
        persons: how many there are, numbered from 1, at least 4.
        test_fraction: share for the test, within (0, 1).
        keys: further keys of the draw, such as a trial.
    """
    order = stream(seed, Topic.SPLIT, *keys).permutation(persons) + 1
    test = int(np.clip(round(persons * test_fraction), 2, persons - 2))
    return sorted(int(person) for person in order[test:]), sorted(int(person) for person in order[:test])


def comma_line(persons: list[int]) -> str:
    """One comma-separated line, as the data sets write lists of identities."""
    return ",".join(str(person) for person in persons) + "\n"
