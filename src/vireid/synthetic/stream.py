"""Where every random number of the made world comes from: the seed and what it is about, never history."""

from __future__ import annotations

import enum

import numpy as np


class Topic(enum.IntEnum):
    """What a stream of random numbers decides; the numbers are part of the definition of a world."""

    PERSON = 0
    CAMERA = 1
    PLACE = 2
    MOMENT = 3
    SENSOR = 4
    PRESENCE = 5
    SPLIT = 6
    DRAW = 7
    TRACK = 8


def stream(seed: int, topic: Topic, *keys: int) -> np.random.Generator:
    """A generator that depends on the seed, the topic and the keys alone.

    Args:
        seed: of the world, at least 0.
        topic: what the numbers decide.
        keys: what they decide it for, such as a person and a camera, each at least 0.

    >>> bool(stream(0, Topic.PERSON, 3).random() == stream(0, Topic.PERSON, 3).random())
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(topic), *keys)))
