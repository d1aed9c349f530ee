"""Colour must not match across modalities; shape, garments, patterns and what is carried must."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import pytest

from vireid.synthetic import PART_NAMES, Picture, cameras_of, render
from vireid.synthetic.person import make_person
from vireid.types import Modality

PERSONS, IMAGES = 40, 2
SEED = 0


@lru_cache(maxsize=1)
def pictures() -> dict[Modality, list[list[Picture]]]:
    """Pictures of each person by camera 2 (visible) and camera 3 (infrared), which see the same place."""
    cameras = cameras_of("sysu", SEED)
    return {
        camera.modality: [
            [
                render(SEED, person=person, camera=camera, image=image, height=96, width=48)
                for image in range(1, IMAGES + 1)
            ]
            for person in range(1, PERSONS + 1)
        ]
        for camera in (cameras[1], cameras[2])
    }


def auc(visible: np.ndarray, infrared: np.ndarray) -> tuple[float, float]:
    """Probability that a true pair lies nearer than a false one, and the share of first places; persons x features."""
    distance = np.abs(visible[:, None] - infrared[None]).sum(axis=2)
    true = np.diag(distance)
    false = distance[~np.eye(len(distance), dtype=bool)].reshape(len(distance), -1)
    first = float((true < false.min(axis=1)).mean())
    return float((true[:, None] < false).mean()), first


def brightness(shots: list[Picture]) -> np.ndarray:
    """How bright each garment is against the whole person: what is left of colour in one channel."""
    features = []
    for shot in shots:
        gray = cv2.cvtColor(shot.image, cv2.COLOR_RGB2GRAY).astype(float)
        body = gray[shot.parts > 0]
        parts = [gray[shot.parts == PART_NAMES.index(part)] for part in ("head", "upper", "lower", "feet")]
        features.append([(part.mean() - body.mean()) / body.std() if part.size else 0.0 for part in parts])
    return np.mean(features, axis=0)


def person_histogram(shots: list[Picture]) -> np.ndarray:
    """The gray levels of a person, whatever their place."""
    gray = [cv2.cvtColor(shot.image, cv2.COLOR_RGB2GRAY)[shot.parts > 0] for shot in shots]
    return np.mean([np.histogram(levels, bins=16, range=(0, 256))[0] / levels.size for levels in gray], axis=0)


def picture_histogram(shots: list[Picture]) -> np.ndarray:
    """The gray levels of the whole picture."""
    gray = [cv2.cvtColor(shot.image, cv2.COLOR_RGB2GRAY) for shot in shots]
    return np.mean([np.histogram(levels, bins=32, range=(0, 256))[0] / levels.size for levels in gray], axis=0)


def layout_profile(shots: list[Picture]) -> np.ndarray:
    """How much of each of 24 rows belongs to each part: proportions, garment lengths, sleeves, bags."""
    maps = np.stack([shot.parts for shot in shots])
    rows = [(maps == part).mean(axis=(0, 2)).reshape(24, -1).mean(axis=1) for part in range(1, len(PART_NAMES))]
    return np.concatenate(rows)


def describe(function) -> tuple[np.ndarray, np.ndarray]:
    sides = [np.stack([function(shots) for shots in pictures()[modality]]) for modality in Modality]
    return sides[0], sides[1]


@pytest.mark.parametrize("descriptor", [brightness, person_histogram, picture_histogram])
def test_colour_and_gray_levels_match_near_chance(descriptor) -> None:
    near, first = auc(*describe(descriptor))
    assert 0.38 < near < 0.62
    assert first <= 4 / PERSONS


def test_brightness_does_match_within_the_visible() -> None:
    """The test above would pass on noise: the same descriptor must work where colour does stay."""
    cameras = cameras_of("sysu", SEED)
    sides = []
    for camera in (cameras[1], cameras[4]):
        shots = [
            [render(SEED, person=person, camera=camera, image=1, height=96, width=48)]
            for person in range(1, PERSONS + 1)
        ]
        sides.append(np.stack([brightness(shot) for shot in shots]))
    near, first = auc(sides[0], sides[1])
    assert near > 0.85
    assert first > 8 / PERSONS


def test_layout_matches_across_modalities() -> None:
    near, first = auc(*describe(layout_profile))
    assert near > 0.85
    assert first > 8 / PERSONS


def test_reflectance_is_independent_of_colour() -> None:
    people = [make_person(SEED, person) for person in range(1, 401)]
    for name in ("upper", "upper_second", "inner", "lower", "lower_second", "shoe", "bag", "hair", "skin"):
        materials = [person.materials[name] for person in people]
        luminance = np.array([np.dot(material.visible, (0.299, 0.587, 0.114)) for material in materials])
        infrared = np.array([material.infrared for material in materials])
        # Three standard errors of a correlation of 400 independent pairs.
        assert abs(np.corrcoef(luminance, infrared)[0, 1]) < 0.15, name
        assert infrared.std() > 0.04


def test_patterns_may_fade_and_often_stay() -> None:
    people = [make_person(SEED, person) for person in range(1, 301)]
    patterned = [person for person in people if person.upper.pattern != "plain"]
    steps = np.array(
        [abs(person.materials["upper"].infrared - person.materials["upper_second"].infrared) for person in patterned]
    )
    assert 0.1 < (steps < 0.06).mean() < 0.3
    assert (steps > 0.3).mean() > 0.6


def test_the_lamp_fades_with_depth() -> None:
    """What stands behind the person gets less of the lamp's light than skin does."""
    ratios = []
    for shots in pictures()[Modality.INFRARED]:
        upper = shots[0].image[:48, :, 0]
        parts = shots[0].parts[:48]
        ratios.append(upper[parts == 0].mean() / upper[parts == PART_NAMES.index("head")].mean())
    assert np.median(ratios) < 0.75
