"""What a match loses without each place: against a slow loop, and against a network whose answer is known."""

import itertools
from typing import Literal

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from vireid.figures import Evidence, explain_match, match_losses, overlay_evidence
from vireid.models import DUAL_STREAMS, Network
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError


def embed(
    network: Network, image: np.ndarray, modality: Modality, feature: Literal["bn", "pool"] = "bn"
) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(Image.fromarray(image).resize((32, 64), Image.Resampling.BILINEAR)))
    with torch.no_grad():
        return network.embed(evaluation_view(pixels.permute(2, 0, 1)[None]), modality, feature)[0]


def test_the_place_that_makes_the_match_loses_most(sees_red, with_red):
    losses = match_losses(sees_red, with_red(0, 0), Modality.VISIBLE, with_red(7, 3), Modality.INFRARED, grid=(8, 4))
    assert np.unravel_index(losses.query.argmax(), (8, 4)) == (0, 0)
    assert np.unravel_index(losses.result.argmax(), (8, 4)) == (7, 3)
    assert np.sort(losses.query, axis=None)[-2] < 0.2 * losses.query.max()


def test_an_image_that_is_its_own_match_is_explained_too(sees_red, with_red):
    losses = match_losses(sees_red, with_red(2, 1), Modality.VISIBLE, with_red(2, 1), Modality.VISIBLE, grid=(8, 4))
    assert losses.score == pytest.approx(1)
    assert np.unravel_index(losses.query.argmax(), (8, 4)) == (2, 1)


def test_the_overlay_is_brightest_over_that_place(sees_red, with_red):
    evidence = explain_match(sees_red, with_red(0, 0), Modality.VISIBLE, with_red(7, 3), Modality.INFRARED, grid=(8, 4))
    for picture, place in ((evidence.query, (0, 0)), (evidence.result, (7, 3))):
        blocks = picture.astype(float).sum(axis=2).reshape(8, 8, 4, 8).mean(axis=(1, 3))
        assert np.unravel_index(blocks.argmax(), blocks.shape) == place


@pytest.mark.parametrize("feature", ["bn", "pool"])
@pytest.mark.parametrize(
    ("changes", "query", "result", "grid"),
    [
        ({}, Modality.INFRARED, Modality.VISIBLE, (6, 3)),
        # More places than are embedded at once.
        ({"mimb": False, "streams": DUAL_STREAMS}, Modality.VISIBLE, Modality.INFRARED, (8, 5)),
        ({"mimb": False, "expansion_branches": 2}, Modality.INFRARED, Modality.VISIBLE, (2, 1)),
        ({"mimb": False, "stripes": (4, 2)}, Modality.VISIBLE, Modality.VISIBLE, (1, 1)),
    ],
)
def test_losses_are_those_of_a_slow_loop(build_small, noise, changes, query, result, grid, feature):
    network = build_small(**changes)
    first, second = noise(1), noise(2)
    losses = match_losses(network, first, query, second, result, grid=grid, feature=feature)
    one, other = embed(network, first, query, feature), embed(network, second, result, feature)
    assert losses.score == pytest.approx(float(one @ other), abs=1e-5)
    blurred = cv2.GaussianBlur(first, (0, 0), 0.15 * 64)
    # The first places are the larger ones where a grid does not divide the image.
    edges = [
        [sum(len(part) for part in np.array_split(range(n), k)[:i]) for i in range(k + 1)]
        for n, k in zip((64, 32), grid)
    ]
    for (row, (top, bottom)), (column, (left, right)) in itertools.product(
        enumerate(itertools.pairwise(edges[0])), enumerate(itertools.pairwise(edges[1]))
    ):
        without = first.copy()
        without[top:bottom, left:right] = blurred[top:bottom, left:right]
        expected = float(one @ other - embed(network, without, query, feature) @ other)
        assert losses.query[row, column] == pytest.approx(expected, abs=2e-6)
    assert losses.query.shape == losses.result.shape == grid
    assert np.abs(losses.query).max() > 1e-4


def test_each_modality_goes_through_its_own_stems(build_small, noise):
    network = build_small()
    losses = [
        match_losses(network, noise(1), query, noise(2), result).query for query in Modality for result in Modality
    ]
    assert all(not np.allclose(one, other) for one, other in itertools.pairwise(losses))


def test_the_network_is_left_as_it_was(build_small, noise):
    network = build_small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    explain_match(network, noise(1), Modality.INFRARED, noise(2), Modality.VISIBLE)
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_images_keep_their_size(build_small, noise):
    query, result = noise(1, 50, 40), noise(2, 200, 60)
    evidence = explain_match(build_small(), query, Modality.INFRARED, result, Modality.VISIBLE)
    assert isinstance(evidence, Evidence)
    assert (evidence.query.shape, evidence.result.shape) == (query.shape, result.shape)
    assert -1 <= evidence.score <= 1


def test_places_without_a_share_stay_gray(noise):
    image = noise(4)
    evidence = np.zeros((4, 2), dtype=np.float32)
    gray = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3, axis=2)
    np.testing.assert_array_equal(overlay_evidence(image, evidence - 1), gray)
    evidence[0, 0] = 3
    marked = overlay_evidence(image, evidence)
    np.testing.assert_array_equal(marked[40:], gray[40:])
    assert (marked[:8, :8] != gray[:8, :8]).any()


def test_brightness_alone_tells_larger_numbers():
    image = np.full((20, 200, 3), 40, dtype=np.uint8)
    evidence = np.linspace(0, 1, 200, dtype=np.float32)[None]
    brightness = cv2.cvtColor(overlay_evidence(image, evidence), cv2.COLOR_RGB2LAB)[10, :, 0].astype(int)
    assert brightness[-1] - brightness[0] > 100
    # A little darker at first, where inferno is nearly black, never by much.
    assert np.diff(brightness[::10]).min() >= -4


def test_bad_input_is_refused(build_small, noise):
    network, good = build_small(), noise(1)
    with pytest.raises(VireidError, match=r"height x width x 3 of bytes, RGB, got uint8 of shape \(0, 4, 3\)"):
        explain_match(network, np.zeros((0, 4, 3), dtype=np.uint8), Modality.VISIBLE, good, Modality.VISIBLE)
    for grid in ((0, 3), (6, 33)):
        with pytest.raises(VireidError, match="a grid has at least 1 row and 1 column and at most one a pixel"):
            explain_match(network, good, Modality.VISIBLE, good, Modality.VISIBLE, grid=grid)
    with pytest.raises(VireidError, match=r"call network\.eval"):
        explain_match(network.train(), good, Modality.VISIBLE, good, Modality.VISIBLE)
