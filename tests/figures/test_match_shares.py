"""Shares of a match: against slow loops, and against networks whose answer is known."""

import copy
import itertools
import threading
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from vireid.figures import match_shares
from vireid.models import DUAL_STREAMS, Network
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError


def embed(
    network: Network, image: np.ndarray, modality: Modality, feature: Literal["bn", "pool"] = "bn"
) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(Image.fromarray(image).resize((32, 64), Image.Resampling.BILINEAR)))
    with torch.no_grad():
        return network.embed(evaluation_view(pixels.permute(2, 0, 1)[None]), modality, feature)[0]


def test_the_place_that_makes_the_match_has_the_largest_share(sees_red, with_red):
    shares = match_shares(sees_red, with_red(0, 0), Modality.VISIBLE, with_red(7, 3), Modality.INFRARED)
    assert np.unravel_index(shares.query.argmax(), shares.query.shape) == (0, 0)
    assert np.unravel_index(shares.result.argmax(), shares.result.shape) == (7, 3)
    assert np.sort(shares.query, axis=None)[-2] < 0.1 * shares.query.max()


def test_an_image_that_is_its_own_match_is_explained_too(sees_red, with_red):
    shares = match_shares(sees_red, with_red(2, 1), Modality.VISIBLE, with_red(2, 1), Modality.VISIBLE)
    assert shares.score == pytest.approx(1)
    assert np.unravel_index(shares.query.argmax(), shares.query.shape) == (2, 1)


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
def test_shares_sum_to_the_similarity_of_the_embeddings(build_small, noise, changes, query, result, feature):
    network = build_small(**changes)
    shares = match_shares(network, noise(1), query, noise(2), result, feature=feature)
    expected = float(embed(network, noise(1), query, feature) @ embed(network, noise(2), result, feature))
    assert shares.score == pytest.approx(expected, abs=1e-5)
    assert shares.query.sum() == pytest.approx(expected, abs=1e-4)
    assert shares.result.sum() == pytest.approx(expected, abs=1e-4)
    assert shares.query.shape == (4, 2)


def test_shares_are_what_is_lost_without_a_place(build_small, noise):
    """Average pooling is linear: but for a constant, a share is what the similarity loses without the place."""
    network = build_small(power=1.0)
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


def test_each_modality_goes_through_its_own_stems(build_small, noise):
    network = build_small()
    shares = [
        match_shares(network, noise(1), query, noise(2), result).query for query in Modality for result in Modality
    ]
    assert all(not np.allclose(one, other) for one, other in itertools.pairwise(shares))


def test_the_network_is_left_as_it_was(build_small, noise):
    network = build_small()
    before = copy.deepcopy(network.state_dict())
    with torch.inference_mode():
        match_shares(network, noise(1), Modality.INFRARED, noise(2), Modality.VISIBLE)
    assert not network.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.stages.parameters())
    assert not any(module._forward_hooks for module in network.modules())
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_others_may_embed_with_the_network_meanwhile(build_small, noise):
    network = build_small()
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


def test_bad_input_is_refused(build_small, noise):
    network = build_small()
    with pytest.raises(VireidError, match=r"height x width x 3 of bytes, RGB, got uint8 of shape \(0, 4, 3\)"):
        match_shares(network, np.zeros((0, 4, 3), dtype=np.uint8), Modality.VISIBLE, noise(1), Modality.VISIBLE)
    with pytest.raises(VireidError, match=r"call network\.eval"):
        match_shares(network.train(), noise(1), Modality.VISIBLE, noise(1), Modality.VISIBLE)
