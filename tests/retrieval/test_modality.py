"""An image whose channels agree is infrared."""

import cv2
import numpy as np
import pytest

from vireid.data import load_image, read
from vireid.retrieval import find_modality
from vireid.types import Modality


def jpeg(image, quality):
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


@pytest.mark.parametrize("quality", [None, 90, 60, 30])
def test_no_error_on_a_made_world_at_any_quality(tiny_world, quality):
    records = read("sysu", tiny_world)
    for row, record in enumerate(records):
        image = load_image(records.file(row))
        image = image if quality is None else jpeg(image, quality)
        assert find_modality(image) is record.modality, record.path


@pytest.mark.parametrize("noise", [3, 8])
@pytest.mark.parametrize("cast", [(1, 1, 1), (1.03, 1, 0.97)])
def test_noise_and_a_slight_cast_are_no_colour(tiny_world, noise, cast):
    records = read("sysu", tiny_world)
    random = np.random.default_rng(0)
    right = []
    for row in np.flatnonzero(records.infrared).tolist():
        image = load_image(records.file(row)) * np.array(cast)
        image = np.clip(image + random.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
        right.append(find_modality(jpeg(image, 90)) is Modality.INFRARED)
    assert np.mean(right) > (0.99 if noise == 3 else 0.9)


def test_a_little_colour_is_enough(tiny_world):
    records = read("sysu", tiny_world)
    right = []
    for row in np.flatnonzero(~records.infrared).tolist():
        image = load_image(records.file(row)).astype(float)
        gray = image.mean(axis=2, keepdims=True)
        right.append(find_modality((gray + 0.5 * (image - gray)).astype(np.uint8)) is Modality.VISIBLE)
    assert np.mean(right) > 0.98


def test_what_it_cannot_know():
    # A visible picture without colour.
    gray = np.repeat(np.random.default_rng(0).integers(0, 255, (96, 48, 1), dtype=np.uint8), 3, axis=2)
    assert find_modality(gray) is Modality.INFRARED
    gray[:36, :24] = (200, 20, 20)
    assert find_modality(gray) is Modality.VISIBLE


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 500, 3), (2000, 3, 3)])
def test_images_of_any_shape(shape):
    assert find_modality(np.full(shape, 77, dtype=np.uint8)) is Modality.INFRARED
