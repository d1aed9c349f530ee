from typing import Any

import numpy as np
import pytest
import torch

from vireid.models import DUAL_STREAMS, QUADRUPLE_STREAMS, Network, Stream, build_network
from vireid.models.pooling import generalized_mean
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError

SIZE = (64, 32)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def images(count: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize("streams", [QUADRUPLE_STREAMS, DUAL_STREAMS])
def test_every_parameter_but_the_frozen_bias_learns(build_small, variant, streams):
    # timm starts the last BatchNorm of each block at zero, which holds the convolutions before it back for a step.
    options = {"channels": (16, 24, 32, 48), "zero_init_last": False}
    network = build_small(mimb_variant=variant, streams=streams, backbone_options=options)
    output = network([images(seed=number) for number in range(len(streams))])
    (output.features.square().sum() + output.logits.square().sum()).backward()
    still = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert still == ["head.neck.bias"]


def test_rows_come_out_stream_after_stream(build_small):
    network = build_small().eval()
    views = [images(2, seed=number) for number in range(4)]
    output = network(views)
    assert output.features.shape == (8, 48)
    assert output.logits.shape == (8, 5)
    for number, stream in enumerate(QUADRUPLE_STREAMS):
        alone = network._trunk(network.stems[stream.stem](views[number]))[0].features
        torch.testing.assert_close(output.features[2 * number : 2 * number + 2], alone, rtol=1e-4, atol=1e-5)


def test_streams_of_one_stem_share_it_whatever_their_order(build_small):
    streams = (
        Stream(Modality.VISIBLE, "a", "day"),
        Stream(Modality.INFRARED, "b", "night"),
        Stream(Modality.VISIBLE, "c", "day"),
    )
    network = build_small(streams=streams).eval()
    assert sorted(network.stems) == ["day", "night"]
    views = [images(2, seed=number) for number in range(3)]
    features = network(views).features
    for view, stem in enumerate(("day", "night", "day")):
        alone = network._trunk(network.stems[stem](views[view]))[0].features
        torch.testing.assert_close(features[2 * view : 2 * view + 2], alone, rtol=1e-4, atol=1e-5)


def test_stems_hold_nothing_that_is_not_used(build_small):
    quadruple, dual = build_small(), build_small(streams=DUAL_STREAMS)
    stem = parameters(quadruple.stems["visible_global"])
    assert stem > 0
    assert parameters(quadruple) - parameters(dual) == 2 * stem
    for name, module in quadruple.stems.items():
        assert {key.split(".")[0] for key in module.state_dict()} == {"conv1", "bn1"}, name
    first, second = (quadruple.stems[name] for name in ("visible_global", "visible_channel"))
    assert all(a is not b and torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))


def test_mimb_can_be_left_out(build_small):
    network = build_small(mimb=False)
    assert not [name for name in network.state_dict() if name.startswith("mimb")]
    assert network([images(2)] * 4).features.shape == (8, 48)


@pytest.mark.parametrize("size", [(64, 32), (96, 64), (128, 128)])
def test_mimb_follows_the_grid(build_small, size):
    network = build_small(image_size=size)
    width = size[0] // 16 * (size[1] // 16)
    assert [block.attention.embed_dim for block in network.mimb.blocks] == [width] * 4
    assert network.eval().embed(torch.randn(1, 3, *size), Modality.VISIBLE).shape == (1, 48)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mimb_heads": 3}, r"3 heads do not divide 4 x 2 = 8; choose one of \[1, 2, 4, 8\]"),
        ({"image_size": (60, 32)}, "15 x 8 is not over 4 x 2; choose an image size that the trunk's strides divide"),
        ({"streams": DUAL_STREAMS[:1]}, "none of 1 sees infrared images"),
        ({"mimb_blocks": (0, 4)}, "MIMB blocks must name scales 0 to 3"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(build_small, changes, message):
    with pytest.raises(VireidError, match=message):
        build_small(**changes)


@pytest.mark.parametrize("modality", list(Modality))
@pytest.mark.parametrize("feature", ["bn", "pool"])
def test_embeddings_have_length_one_and_do_not_change(build_small, modality, feature):
    network = build_small().eval()
    with torch.no_grad():
        first = network.embed(images(), modality, feature=feature)
        torch.testing.assert_close(first.norm(dim=1), torch.ones(3))
        assert torch.equal(first, network.embed(images(), modality, feature=feature))
        alone = network.embed(images()[1:2], modality, feature=feature)
        torch.testing.assert_close(alone, first[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("modality", list(Modality))
def test_fusion_averages_the_stems_of_the_modality_before_the_trunk(build_small, modality):
    network = trained_a_little(build_small()).eval()
    with torch.no_grad():
        x = 0.5 * network.stems[f"{modality.value}_global"](images())
        x = x + 0.5 * network.stems[f"{modality.value}_channel"](images())
        levels = [x]
        for stage in network.stages[:3]:
            levels.append(stage(levels[-1]))
        pooled = generalized_mean(network.stages[3](network.mimb(levels)), power=3.0)
        feature = network.head.neck(pooled)
        for name, expected in (("pool", pooled), ("bn", feature)):
            expected = expected / expected.norm(dim=1, keepdim=True)
            found = network.embed(images(), modality, feature=name)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        other = network.embed(images(), modality.other)
    assert not torch.allclose(found, other, atol=1e-3)


def trained_a_little(network: Any) -> Any:
    """Stems differ and the BatchNorm's statistics are no longer 0 and 1."""
    with torch.no_grad():
        for number, stem in enumerate(network.stems.values()):
            torch.manual_seed(number)
            for parameter in stem.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        network([images(4, seed=number) for number in range(4)])
    return network


def test_embedding_in_training_mode_is_refused(build_small):
    with pytest.raises(VireidError, match=r"needs a network in evaluation mode; call network.eval\(\) first"):
        build_small().embed(images(), Modality.VISIBLE)


def test_images_of_another_size_are_refused(build_small):
    network = build_small()
    message = r"built for images 64 x 32 \(height x width\), got 32 x 64; resize them"
    with pytest.raises(VireidError, match=message):
        network.eval().embed(torch.zeros(1, 3, 32, 64), Modality.VISIBLE)
    with pytest.raises(VireidError, match=message):
        network([torch.zeros(2, 3, 32, 64)] * 4)


def test_a_missing_view_is_refused(build_small):
    with pytest.raises(VireidError, match="needs a view for each of its 4 streams, got 3"):
        build_small()([images()] * 3)


def test_weights_are_a_function_of_the_seed_and_nobody_elses_randomness_moves(build_small):
    def weights(network: Network) -> torch.Tensor:
        return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = weights(build_small(seed=4))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(weights(build_small(seed=4)), first)
    assert not torch.equal(weights(build_small(seed=5)), first)


def test_no_other_devices_generator_is_seeded(build_small, monkeypatch):
    def seeded(seed: int) -> None:
        raise AssertionError("build_network seeded every device")

    monkeypatch.setattr(torch, "manual_seed", seeded)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded)
    build_small()


def test_an_expansion_gives_each_image_three_feature_sets(build_small):
    network = build_small(expansion_branches=2, aggregation=True, streams=DUAL_STREAMS)
    output = network([images(), images(seed=1)])
    assert output.features.shape == (18, 48)
    assert output.logits.shape == (18, 5)
    network.eval()
    assert (network.sets, network.dimension, network.embedding_dimension) == (3, 48, 144)
    with torch.no_grad():
        ours, theirs = (network.embed(images(seed=seed), Modality.VISIBLE) for seed in (0, 1))
    torch.testing.assert_close(ours.norm(dim=1), torch.ones(3))
    # The dot product is the mean of the three similarities.
    similarity = [
        torch.cosine_similarity(one, other) for one, other in zip(ours.chunk(3, dim=1), theirs.chunk(3, dim=1))
    ]
    torch.testing.assert_close((ours * theirs).sum(dim=1), torch.stack(similarity).mean(dim=0))


@pytest.mark.parametrize(
    ("changes", "parts", "maps"),
    [
        ({"stripes": (2, 1)}, 3, []),
        ({"parts": 4}, 3, ["part_maps"]),
        ({"parts": 4, "parsing_attention": (1, 4)}, 3, ["part_maps", "part_maps_1", "part_maps_4"]),
    ],
)
def test_parts_have_logits_of_their_own(build_small, changes, parts, maps):
    network = build_small(**changes)
    output = network([images(2, seed=number) for number in range(4)])
    assert output.extras["part_logits"].shape == (parts, 8, 5)
    assert output.extras["part_features"].shape[:2] == (parts, 8)
    assert sorted(name for name in output.extras if name.startswith("part_maps")) == maps
    (output.logits.sum() + sum(extra.sum() for extra in output.extras.values())).backward()
    silent = [name for name, value in network.named_parameters() if value.requires_grad and value.grad is None]
    assert silent == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stripes": (2,), "parts": 3}, r"pools by stripes or by predicted parts, got stripes \(2,\) and 3 parts"),
        ({"parsing_attention": (2,)}, "parsing attention needs parts to predict"),
        ({"parsing_attention": (5,), "parts": 3}, r"parsing attention follows stages 1 to 4, got \(5,\)"),
        ({"parsing_attention": (0,), "parts": 3}, r"parsing attention follows stages 1 to 4, got \(0,\)"),
        ({"expansion_branches": -1}, "number of expansion branches must be at least 0, got -1"),
        ({"power": 0.0}, "a pooling power must be above 0, got 0.0"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(build_small, changes, message):
    with pytest.raises(VireidError, match=message):
        build_small(**changes)


def test_a_network_knows_how_it_was_built(build_small, small_arguments):
    network = build_small(stripes=(2,))
    assert network.arguments["stripes"] == (2,)
    again = build_network(**network.arguments)
    for one, other in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_plain_cross_attention_asks_with_the_deep_map_and_answers_with_the_shallow_one(build_small):
    torch.manual_seed(0)
    block = build_small(mimb_variant="cross-attention").eval().mimb.blocks[1]
    deep, shallow = torch.randn(2, 32, 4, 2), torch.randn(2, 16, 16, 8)
    with torch.no_grad():
        found = block(deep, shallow)
        f = block.norm_deep(block.reduce_deep(deep).flatten(2))
        g = block.norm_shallow(block.reduce_shallow(shallow).flatten(2))
        attended = torch.zeros_like(f)
        in_weight, in_bias = block.attention.in_proj_weight, block.attention.in_proj_bias
        q, k, v = (
            torch.nn.functional.linear(x, in_weight[8 * part : 8 * part + 8], in_bias[8 * part : 8 * part + 8])
            for part, x in enumerate((f, g, g))
        )
        for head in range(2):
            span = slice(4 * head, 4 * head + 4)
            weights = (q[:, :, span] @ k[:, :, span].transpose(1, 2) / 2).softmax(dim=2)
            attended[:, :, span] = weights @ v[:, :, span]
        expected = deep + block.expand(block.attention.out_proj(attended).unflatten(2, (4, 2)))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_pixels_are_embedded_as_their_normalised_images_are():
    network = build_network(
        identities=3,
        backbone="resnet10t",
        backbone_options={"channels": (8, 8, 8, 8)},
        weights="none",
        image_size=(32, 16),
        nonlocal_blocks=(0, 0, 0, 0),
        mimb=False,
    ).eval()
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, 32, 16), dtype=np.uint8))
    with torch.inference_mode():
        expected = network.embed(evaluation_view(pixels), Modality.INFRARED)
        assert torch.allclose(network.embed_pixels(pixels, Modality.INFRARED), expected, atol=1e-6)
        half = network.embed_pixels(pixels, Modality.INFRARED, kind=torch.bfloat16)
    assert half.dtype == torch.float32
    assert not torch.equal(half, expected)
    assert torch.allclose(half, expected, atol=0.05)
    assert network.move_to(torch.device("cpu")) is network
