"""Shares of a match: against slow loops, and against networks whose answer is known."""

import copy
import inspect
import itertools
import threading

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vireid.figures import Evidence, explain_match, match_shares, overlay_shares
from vireid.models import DUAL_STREAMS, Network, build_network
from vireid.models.backbone import Backbone
from vireid.models.pooling import GlobalPooling
from vireid.models.scale import Scale
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError

SIZE = (64, 32)


class Redness(nn.Module):
    """A stem with one channel for how much redder than green a place is, and one that is the same everywhere."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        redness = F.avg_pool2d((images[:, :1] - images[:, 1:2]).clamp(min=0), 8)
        return torch.cat([redness, torch.full_like(redness, 0.01)], dim=1)


@pytest.fixture
def sees_red() -> Network:
    backbone = Backbone(Redness(), [nn.Identity() for _ in range(4)], (Scale(2, 8, 4),) * 5)
    network = Network(
        backbone, streams=DUAL_STREAMS, identities=3, image_size=SIZE, pooling=GlobalPooling(2, power=3.0)
    )
    return network.eval()


def small(**changes) -> Network:
    arguments = {
        "identities": 5,
        "backbone": "resnet10t",
        "backbone_options": {"channels": (16, 24, 32, 48)},
        "weights": "none",
        "image_size": SIZE,
        "nonlocal_blocks": (0, 0, 0, 0),
        "mimb_tokens": 16,
        "mimb_heads": 2,
    }
    network = build_network(**(arguments | changes)).eval()
    # A trained BatchNorm has a mean to take away.
    with torch.no_grad():
        network.head.neck.running_mean.uniform_(0, 0.3, generator=torch.Generator().manual_seed(1))
    return network


def noise(seed: int, height: int = 64, width: int = 32) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)


def with_red(row: int, column: int) -> np.ndarray:
    image = np.full((*SIZE, 3), 60, dtype=np.uint8)
    image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8, 0] = 220
    return image


def embed(network: Network, image: np.ndarray, modality: Modality, feature: str = "bn") -> torch.Tensor:
    pixels = torch.from_numpy(cv2.resize(image, SIZE[::-1])).permute(2, 0, 1)[None]
    with torch.no_grad():
        return network.embed(evaluation_view(pixels), modality, feature)[0]


def test_the_place_that_makes_the_match_has_the_largest_share(sees_red):
    shares = match_shares(sees_red, with_red(0, 0), Modality.VISIBLE, with_red(7, 3), Modality.INFRARED)
    assert np.unravel_index(shares.query.argmax(), shares.query.shape) == (0, 0)
    assert np.unravel_index(shares.result.argmax(), shares.result.shape) == (7, 3)
    assert np.sort(shares.query, axis=None)[-2] < 0.1 * shares.query.max()


def test_an_image_that_is_its_own_match_is_explained_too(sees_red):
    shares = match_shares(sees_red, with_red(2, 1), Modality.VISIBLE, with_red(2, 1), Modality.VISIBLE)
    assert shares.score == pytest.approx(1)
    assert np.unravel_index(shares.query.argmax(), shares.query.shape) == (2, 1)


def test_the_overlay_is_brightest_over_that_place(sees_red):
    evidence = explain_match(sees_red, with_red(0, 0), Modality.VISIBLE, with_red(7, 3), Modality.INFRARED)
    for picture, place in ((evidence.query, (0, 0)), (evidence.result, (7, 3))):
        blocks = picture.astype(float).sum(axis=2).reshape(8, 8, 4, 8).mean(axis=(1, 3))
        assert np.unravel_index(blocks.argmax(), blocks.shape) == place


@pytest.mark.parametrize("feature", ["bn", "pool"])
@pytest.mark.parametrize(
    ("changes", "query", "result"),
    [
        ({}, Modality.INFRARED, Modality.VISIBLE),
        ({}, Modality.VISIBLE, Modality.INFRARED),
        ({"mimb": False, "streams": DUAL_STREAMS, "power": 1.0}, Modality.INFRARED, Modality.VISIBLE),
        # Three sets of features an image.
        ({"mimb": False, "expansion_branches": 2}, Modality.INFRARED, Modality.VISIBLE),
        # Features of stripes, from fine to coarse.
        ({"mimb": False, "stripes": (4, 2)}, Modality.VISIBLE, Modality.VISIBLE),
    ],
)
def test_shares_sum_to_the_similarity_of_the_embeddings(changes, query, result, feature):
    network = small(**changes)
    shares = match_shares(network, noise(1), query, noise(2), result, feature=feature)
    expected = float(embed(network, noise(1), query, feature) @ embed(network, noise(2), result, feature))
    assert shares.score == pytest.approx(expected, abs=1e-5)
    assert shares.query.sum() == pytest.approx(expected, abs=1e-4)
    assert shares.result.sum() == pytest.approx(expected, abs=1e-4)
    assert shares.query.shape == (4, 2)


def test_shares_are_what_is_lost_without_a_place():
    """Average pooling is linear: but for a constant, a share is what the similarity loses without the place."""
    network = small(power=1.0)
    shares = match_shares(network, noise(1), Modality.INFRARED, noise(2), Modality.VISIBLE)
    caught = {}
    handle = network.stages[-1].register_forward_hook(lambda module, inputs, output: caught.update(map=output))
    query = embed(network, noise(1), Modality.INFRARED)
    handle.remove()
    other = embed(network, noise(2), Modality.VISIBLE)
    with torch.no_grad():
        whole = network.head(network.pooling(caught["map"]).features)[0][0]
        torch.testing.assert_close(F.normalize(whole, dim=0), query)
        lost = np.zeros_like(shares.query)
        for row, column in np.ndindex(*lost.shape):
            without = caught["map"].clone()
            without[:, :, row, column] = 0
            left = network.head(network.pooling(without).features)[0][0]
            lost[row, column] = (whole - left) @ other / whole.norm()
    np.testing.assert_allclose(shares.query - shares.query.mean(), lost - lost.mean(), atol=1e-5)
    assert np.ptp(lost) > 0.01


def test_each_modality_goes_through_its_own_stems():
    network = small()
    with torch.no_grad():
        # Stems start as copies of one another.
        for stem in (network.stems["infrared_global"], network.stems["infrared_channel"]):
            next(stem.parameters()).neg_()
    shares = [
        match_shares(network, noise(1), query, noise(2), result).query for query in Modality for result in Modality
    ]
    assert all(not np.allclose(one, other) for one, other in itertools.pairwise(shares))


def test_the_network_is_left_as_it_was():
    network = small()
    before = copy.deepcopy(network.state_dict())
    with torch.inference_mode():
        explain_match(network, noise(1), Modality.INFRARED, noise(2), Modality.VISIBLE)
    assert not network.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.stages.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_others_may_embed_with_the_network_meanwhile():
    network = small()
    expected = embed(network, noise(3), Modality.VISIBLE)
    stop, worst = threading.Event(), []

    def explain() -> None:
        while not stop.is_set():
            match_shares(network, noise(1), Modality.INFRARED, noise(2), Modality.VISIBLE)

    thread = threading.Thread(target=explain)
    thread.start()
    for _ in range(15):
        pixels = torch.from_numpy(noise(3)).permute(2, 0, 1)[None]
        vector = network.embed(evaluation_view(pixels), Modality.VISIBLE)
        # Hooks of the other thread would have cut this graph off.
        vector.sum().backward()
        worst.append(float((vector.detach()[0] - expected).abs().max()))
    stop.set()
    thread.join()
    assert max(worst) < 1e-6
    assert all(p.grad is not None for p in network.stems["visible_global"].parameters())


def test_images_keep_their_size_and_their_look():
    network = small()
    query, result = noise(1, 50, 40), noise(2, 200, 60)
    evidence = explain_match(network, query, Modality.INFRARED, result, Modality.VISIBLE)
    assert isinstance(evidence, Evidence)
    assert (evidence.query.shape, evidence.result.shape) == (query.shape, result.shape)
    assert -1 <= evidence.score <= 1


def test_places_without_a_share_stay_gray():
    image = noise(4)
    shares = np.zeros((4, 2), dtype=np.float32)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(overlay_shares(image, shares - 1), np.stack([gray] * 3, axis=2))
    shares[0, 0] = 3
    marked = overlay_shares(image, shares)
    np.testing.assert_array_equal(marked[40:], np.stack([gray] * 3, axis=2)[40:])
    assert (marked[:8, :8] != image[:8, :8]).any()


def test_brightness_alone_tells_larger_shares():
    image = np.full((20, 200, 3), 40, dtype=np.uint8)
    shares = np.linspace(0, 1, 200, dtype=np.float32)[None]
    brightness = cv2.cvtColor(overlay_shares(image, shares), cv2.COLOR_RGB2LAB)[10, :, 0].astype(int)
    assert brightness[-1] - brightness[0] > 100
    # A little darker at first, where inferno is nearly black, never by much.
    assert np.diff(brightness[::10]).min() >= -4


def test_bad_input_is_refused():
    network = small()
    good = noise(1)
    with pytest.raises(VireidError, match=r"height x width x 3 of bytes, RGB, got uint8 of shape \(0, 4, 3\)"):
        explain_match(network, np.zeros((0, 4, 3), dtype=np.uint8), Modality.VISIBLE, good, Modality.VISIBLE)
    with pytest.raises(VireidError, match="the feature must be 'bn' or 'pool', got 'fc'"):
        inspect.unwrap(match_shares)(network, good, Modality.VISIBLE, good, Modality.VISIBLE, feature="fc")
    with pytest.raises(VireidError, match=r"call network\.eval"):
        explain_match(network.train(), good, Modality.VISIBLE, good, Modality.VISIBLE)
