"""What each ALB does for an image: against the block transcribed, and with a map exchanged by hand."""

import copy
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vireid.figures import alb_attention
from vireid.figures.evidence import images_without
from vireid.models import ALB, Network
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError

GRID = (3, 2)
VARIANTS = ["paper", "released", "cross-attention"]


def levels_of(network: Network, pixels: torch.Tensor, modality: Modality) -> list[torch.Tensor]:
    """What MIMB is given."""
    caught: list[torch.Tensor] = []
    assert network.mimb is not None
    handle = network.mimb.register_forward_pre_hook(lambda module, inputs: caught.extend(inputs[0]))
    with torch.no_grad():
        network.embed(evaluation_view(pixels), modality)
    handle.remove()
    return caught


def by_hand(
    block: nn.Module, variant: str, deep: torch.Tensor, shallow: torch.Tensor | None
) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Eq. 4 to 7 of one image, head by head: the block's output, the mean weights, what the attention adds."""
    f = block.norm_deep(block.reduce_deep(deep).flatten(2))[0]
    g = f if shallow is None else block.norm_shallow(block.reduce_shallow(shallow).flatten(2))[0]
    if variant == "cross-attention":
        q, k, v = f, g, g
    elif variant == "released":
        q, k, v = g, g, f if shallow is None else f + 0.1 * g
    else:
        q, k, v = g, g, 0.1 * g + 0.9 * f
    weight, bias = block.attention.in_proj_weight, block.attention.in_proj_bias
    heads, width = block.attention.num_heads, f.shape[1] // block.attention.num_heads
    q, k, v = (x @ w.T + b for x, w, b in zip((q, k, v), weight.chunk(3), bias.chunk(3)))
    weights, parts = [], []
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        scores = (q[:, own] @ k[:, own].T / width**0.5).exp()
        weights.append(scores / scores.sum(dim=1, keepdim=True))
        parts.append(weights[-1] @ v[:, own])
    mined = block.attention.out_proj(torch.cat(parts, dim=1))
    if variant == "cross-attention":
        out = mined
    else:
        value = f if shallow is None else f + 0.1 * g if variant == "released" else 0.1 * g + 0.9 * f
        u = value + mined
        out = u + block.mlp(block.norm_mlp(u))
    out = block.expand(out.unflatten(1, deep.shape[2:])[None])
    energy = mined.square().mean(dim=0).sqrt().unflatten(0, deep.shape[2:])
    output = out if variant == "released" else deep + out
    return output, torch.stack(weights).mean(dim=0).numpy(), energy.numpy()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("modality", Modality)
def test_weights_and_what_is_mined_are_the_blocks_own(build_small, noise, variant, modality):
    network = build_small(mimb_variant=variant)
    found = alb_attention(network, noise(1), modality, grid=(1, 1))
    levels = levels_of(network, images_without(network, noise(1), (1, 1))[:1], modality)
    deep = levels[-1]
    with torch.no_grad():
        for block, source, of_block in zip(network.mimb.blocks, network.mimb.sources, found, strict=True):
            shallow = None if source is None else levels[source]
            expected, tokens, mined = by_hand(block, variant, deep, shallow)
            output = block(deep, shallow)
            # The transcription is what the block computes, so that its weights are the ones that were used.
            torch.testing.assert_close(expected, output, atol=1e-6, rtol=1e-5)
            np.testing.assert_allclose(of_block.tokens, tokens, atol=1e-6)
            np.testing.assert_allclose(of_block.mined, mined, atol=1e-6)
            np.testing.assert_allclose(of_block.tokens.sum(axis=1), 1, atol=1e-6)
            deep = output
    assert found[0].tokens.shape == (16, 16)
    assert found[0].mined.shape == (4, 2)


@pytest.mark.parametrize("variant", VARIANTS)
def test_places_are_what_the_embedding_turns_by_when_one_block_is_given_another_map(build_small, noise, variant):
    network = build_small(mimb_variant=variant, mimb_blocks=(0, 2, 3))
    found = alb_attention(network, noise(1), Modality.INFRARED, grid=GRID)
    images = images_without(network, noise(1), GRID)
    whole = levels_of(network, images[:1], Modality.INFRARED)

    def embed(changed: int | None, without: list[torch.Tensor]) -> torch.Tensor:
        deep = whole[-1]
        for number, (block, source) in enumerate(zip(network.mimb.blocks, network.mimb.sources)):
            levels = without if number == changed else whole
            deep = block(deep, None if source is None else levels[source])
        return F.normalize(network.head(network.pooling(network.stages[-1](deep)).features)[0])[0]

    with torch.no_grad():
        plain = embed(None, whole)
        for place, image in enumerate(images[1:]):
            without = levels_of(network, image[None], Modality.INFRARED)
            for number, block in enumerate(found):
                if block.places is not None:
                    turned = float(1 - embed(number, without) @ plain)
                    assert block.places.flat[place] == pytest.approx(turned, abs=1e-6)
    assert [block.places is None for block in found] == [False, False, variant == "released"]
    assert max(block.places.max() for block in found if block.places is not None) > 1e-4


def test_a_block_that_adds_nothing_brings_nothing(build_small, noise):
    network = build_small()
    silent = network.mimb.blocks[2]
    with torch.no_grad():
        silent.expand.weight.zero_()
    found = alb_attention(network, noise(1), Modality.VISIBLE, grid=GRID)
    assert found[2].places.max() < 1e-6
    assert found[2].mined.max() > 1e-3
    assert all(found[number].places.max() > 1e-5 for number in (0, 1, 3))


def test_a_place_that_blurring_does_not_change_brings_nothing(build_small, with_red):
    # Gray all over but for a square in the upper left corner: blurring far from it changes no pixel.
    network = build_small()
    found = alb_attention(network, with_red(0, 0), Modality.VISIBLE, grid=(4, 2))
    for block in found:
        assert block.places[3].max() < 1e-6
        assert block.places.argmax() == 0


def test_blocks_are_named_by_their_scales(build_small, noise):
    blocks = alb_attention(build_small(mimb_variant="released"), noise(1), Modality.VISIBLE, grid=(1, 1))
    assert [block.level for block in blocks] == [0, 1, 2, None]
    assert [block.name for block in blocks] == [
        "G0 stem 16 x 8",
        "G1 stage 1 16 x 8",
        "G2 stage 2 8 x 4",
        "deep map 4 x 2",
    ]
    single = alb_attention(build_small(mimb_blocks=(3, 3)), noise(1), Modality.VISIBLE, grid=(1, 1))
    assert [block.name for block in single] == ["G3 stage 3 4 x 2"] * 2


def test_a_network_with_more_sets_of_features_is_looked_into_too(build_small, noise):
    network = build_small(expansion_branches=2)
    found = alb_attention(network, noise(1), Modality.VISIBLE, grid=GRID)
    assert [block.places.shape for block in found] == [GRID] * 4
    assert min(block.places.min() for block in found) >= 0


def test_the_network_is_left_as_it_was_and_others_may_use_it(build_small, noise):
    network = build_small()
    before = copy.deepcopy(network.state_dict())
    pixels = torch.from_numpy(noise(3)).permute(2, 0, 1)[None]
    expected = network.embed_pixels(pixels, Modality.VISIBLE).detach()
    stop, worst = threading.Event(), []
    results = [alb_attention(network, noise(1), Modality.INFRARED, grid=GRID)]

    def look() -> None:
        while not stop.is_set():
            results.append(alb_attention(network, noise(1), Modality.INFRARED, grid=GRID))

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(15):
        vector = network.embed_pixels(pixels, Modality.VISIBLE)
        vector.sum().backward()
        worst.append(float((vector.detach() - expected).abs().max()))
    stop.set()
    thread.join()
    assert max(worst) < 1e-6
    assert len(results) > 1
    for blocks in results[1:]:
        for one, other in zip(blocks, results[0]):
            np.testing.assert_allclose(one.tokens, other.tokens, atol=1e-6)
            np.testing.assert_allclose(one.places, other.places, atol=1e-6)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_bad_input_is_refused(build_small, noise):
    with pytest.raises(VireidError, match="MIMB's, and this network has none"):
        alb_attention(build_small(mimb=False), noise(1), Modality.VISIBLE)
    network = build_small()
    assert all(isinstance(block, ALB) for block in network.mimb.blocks)
    with pytest.raises(VireidError, match="at least 1 row and 1 column"):
        alb_attention(network, noise(1), Modality.VISIBLE, grid=(0, 2))
    with pytest.raises(VireidError, match="height x width x 3 of bytes, RGB"):
        alb_attention(network, np.zeros((0, 4, 3), dtype=np.uint8), Modality.VISIBLE)
    with pytest.raises(VireidError, match=r"call network\.eval"):
        alb_attention(network.train(), noise(1), Modality.VISIBLE)
