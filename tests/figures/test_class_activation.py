"""Grad-CAM: against slow loops, and against a network whose answer is known."""

import copy
import sys
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from vireid.figures import activation_maps
from vireid.models import DUAL_STREAMS, Network
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError

NETWORKS = [
    {},
    {"mimb": False, "streams": DUAL_STREAMS, "power": 1.0},
    # DEEN: three sets of features an image.
    {"mimb": False, "expansion_branches": 2},
    # MSPAC's stripes, CSCL's parts with their attention after the last stage.
    {"mimb": False, "stripes": (4, 2)},
    {"mimb": False, "parts": 4, "parsing_attention": (2, 4)},
]


def embed(network: Network, image: np.ndarray, modality: Modality) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(Image.fromarray(image).resize((32, 64), Image.Resampling.BILINEAR)))
    return network.embed(evaluation_view(pixels.permute(2, 0, 1)[None]), modality)[0]


def vectors(network: Network, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, network.embedding_dimension)).astype(np.float32)


def slow_map(network: Network, image: np.ndarray, modality: Modality, goal: np.ndarray | int) -> np.ndarray:
    """Selvaraju et al., eq. 1 and 2, number by number; every set of features has channels of its own."""
    caught: dict[str, torch.Tensor] = {}
    handles = [
        network.stages[-1].register_forward_hook(lambda module, inputs, output: caught.update(map=output)),
        network.head.neck.register_forward_hook(lambda module, inputs, output: caught.update(normalized=output)),
    ]
    embedding = embed(network, image, modality)
    for handle in handles:
        handle.remove()
    if isinstance(goal, int):
        logits = caught["normalized"] @ network.head.classifier.weight.T
        score = sum(logits[row, goal] for row in range(network.sets)) / network.sets
    else:
        score = F.cosine_similarity(embedding, torch.from_numpy(goal), dim=0)
    (gradient,) = torch.autograd.grad(score, caught["map"])
    found = caught["map"].detach().double().numpy()
    sets, channels, height, width = found.shape
    total = np.zeros((height, width))
    for row in range(sets):
        for channel in range(channels):
            weight = sum(float(gradient[row, channel, y, x]) for y in range(height) for x in range(width))
            total += weight / (height * width) * found[row, channel]
    return total.clip(min=0)


@pytest.mark.parametrize("changes", NETWORKS)
@pytest.mark.parametrize("modality", Modality)
def test_maps_are_those_of_the_published_equations(build_small, noise, changes, modality):
    network = build_small(**changes)
    images = [noise(1), noise(2, height=100, width=50)]
    targets = vectors(network, 2)
    found = activation_maps(network, images, modality, target=targets)
    logits = activation_maps(network, images, modality, target=np.array([4, 0]))
    assert found.shape == (2, 4, 2)
    for row, identity in enumerate((4, 0)):
        expected = slow_map(network, images[row], modality, targets[row])
        np.testing.assert_allclose(found[row], expected, atol=1e-4 * max(expected.max(), 1e-3))
        expected = slow_map(network, images[row], modality, identity)
        np.testing.assert_allclose(logits[row], expected, atol=1e-4 * max(expected.max(), 1e-3))
    assert max(found.max(), logits.max()) > 0


@pytest.mark.parametrize("modality", Modality)
def test_the_map_lights_where_the_red_square_is_that_the_identity_wears(sees_red, with_red, modality):
    with torch.no_grad():
        sees_red.head.classifier.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]]))
    images = [with_red(2, 1), with_red(7, 3)]
    wears, never = (activation_maps(sees_red, images, modality, target=np.array([who, who])) for who in (1, 2))
    for found, place in zip(wears, ((2, 1), (7, 3))):
        assert np.unravel_index(found.argmax(), found.shape) == place
        assert np.sort(found, axis=None)[-2] == 0 < found.max()
    assert never.max() == 0


def test_the_length_of_a_target_does_not_matter_and_its_own_embedding_explains_nothing(build_small, noise):
    network = build_small()
    target = vectors(network, 1)
    one, other = (activation_maps(network, [noise(1)], Modality.VISIBLE, target=factor * target) for factor in (1, 50))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert one.max() > 0
    own = embed(network, noise(1), Modality.VISIBLE).detach().numpy()[None]
    assert activation_maps(network, [noise(1)], Modality.VISIBLE, target=own).max() < 1e-3 * one.max()


def test_many_images_are_worked_on_like_each_alone(build_small, noise):
    network = build_small(mimb=False, expansion_branches=1)
    images, target = [noise(seed) for seed in range(11)], vectors(network, 11)
    together = activation_maps(network, images, Modality.VISIBLE, target=target)
    alone = [
        activation_maps(network, [image], Modality.VISIBLE, target=goal[None])[0] for image, goal in zip(images, target)
    ]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert not np.allclose(together[0], together[10])


def test_the_network_is_left_as_it_was(build_small, noise):
    network = build_small()
    before = copy.deepcopy(network.state_dict())
    with torch.inference_mode():
        plain = activation_maps(network, [noise(1)], Modality.INFRARED, target=np.array([1]))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.stages.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    # Frozen weights have maps, too, and stay frozen.
    network.requires_grad_(False)
    frozen = activation_maps(network, [noise(1)], Modality.INFRARED, target=np.array([1]))
    np.testing.assert_array_equal(frozen, plain)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_others_may_embed_with_the_network_meanwhile(build_small, noise):
    network = build_small()
    expected = embed(network, noise(3), Modality.VISIBLE).detach()
    stop, worst, target = threading.Event(), [], vectors(network, 1)
    maps = [activation_maps(network, [noise(1)], Modality.INFRARED, target=target)]

    def draw() -> None:
        while not stop.is_set():
            maps.append(activation_maps(network, [noise(1)], Modality.INFRARED, target=target))

    thread = threading.Thread(target=draw)
    thread.start()
    for _ in range(15):
        worst.append(float((embed(network, noise(3), Modality.VISIBLE).detach() - expected).abs().max()))
    stop.set()
    thread.join()
    assert max(worst) < 1e-6
    assert len(maps) > 1
    assert all(np.allclose(found, maps[0], atol=1e-6) for found in maps)


def test_bad_input_is_refused(build_small, noise):
    network, images = build_small(), [noise(1)]
    with pytest.raises(VireidError, match="images and a target for each, got 1 images and 2 targets"):
        activation_maps(network, images, Modality.VISIBLE, target=np.array([1, 2]))
    with pytest.raises(VireidError, match="got 0 images and 0 targets"):
        activation_maps(network, [], Modality.VISIBLE, target=np.array([], dtype=np.int64))
    with pytest.raises(VireidError, match="one of the network's 5 training identities, 0 to 4, got 5 to 5"):
        activation_maps(network, images, Modality.VISIBLE, target=np.array([5]))
    with pytest.raises(VireidError, match="an embedding of this network, 48 numbers, got 3"):
        activation_maps(network, images, Modality.VISIBLE, target=np.ones((1, 3), dtype=np.float32))
    with pytest.raises(VireidError, match="must be finite"):
        activation_maps(network, images, Modality.VISIBLE, target=np.full((1, 48), np.nan, dtype=np.float32))
    with pytest.raises(VireidError, match="height x width x 3 of bytes, RGB"):
        activation_maps(network, [np.zeros((0, 4, 3), np.uint8)], Modality.VISIBLE, target=np.array([1]))
    with pytest.raises(VireidError, match=r"call network\.eval"):
        activation_maps(network.train(), images, Modality.VISIBLE, target=np.array([1]))


def test_without_captum_the_message_says_what_to_install(build_small, noise, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(VireidError, match=r"package captum, .*pip install '\.\[report\]'"):
        activation_maps(build_small(), [noise(1)], Modality.VISIBLE, target=np.array([1]))
