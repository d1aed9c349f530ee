"""Costs against counts made by hand."""

import json

import pytest
import torch

from vireid.models import DUAL_STREAMS, build_network
from vireid.models.cost import Cost, measure_cost
from vireid.types import Modality, VireidError

SMALL = {
    "identities": 5,
    "image_size": (32, 16),
    "backbone": "resnet10t",
    "backbone_options": {"channels": (8, 16, 24, 32), "stem_width": 8},
    "weights": "none",
    "nonlocal_blocks": (0, 0, 0, 0),
    "mimb_heads": 2,
    "mimb_tokens": 8,
}


def flops_of_layers(network, modality):
    """Two for every multiplication of a convolution or linear layer, by hooks; attention is left out."""
    counts = []
    handles = []

    def count(module, inputs, output):
        if isinstance(module, torch.nn.Conv2d):
            counts.append(2 * output.numel() * module.weight[0].numel())
        elif isinstance(module, torch.nn.Linear):
            counts.append(2 * output.numel() * module.in_features)

    for name, module in network.named_modules():
        if not name.endswith("attention.out_proj"):
            handles.append(module.register_forward_hook(count))
    network.embed(torch.zeros(1, 3, *network.image_size), modality)
    for handle in handles:
        handle.remove()
    return sum(counts)


def test_operations_of_convolutions_are_counted_through_every_stem_of_the_modality():
    cost = {}
    for name, streams in (("dual", {"streams": DUAL_STREAMS}), ("quadruple", {})):
        network = build_network(**SMALL, mimb=False, **streams).eval()
        cost[name] = measure_cost(network, repeats=1)
        for modality in Modality:
            assert cost[name].flops[modality] == flops_of_layers(network, modality)
    assert cost["quadruple"].flops[Modality.VISIBLE] > cost["dual"].flops[Modality.VISIBLE]


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_attention_is_counted(variant):
    network = build_network(**SMALL, mimb_variant=variant).eval()
    tokens, width, blocks = 8, 2 * 1, 4
    # Projections of q, k, v and the output, then scores and their application: two for each multiplication.
    attention = blocks * (2 * 4 * tokens * width * width + 2 * 2 * tokens * tokens * width)
    cost = measure_cost(network, repeats=1)
    assert cost.flops[Modality.INFRARED] == flops_of_layers(network, Modality.INFRARED) + attention


@pytest.mark.parametrize("stripes", [(), (2, 1)])
def test_parameters_that_training_alone_uses_are_told_apart(stripes):
    network = build_network(**SMALL, stripes=stripes).eval()
    cost = measure_cost(network, repeats=1)
    assert cost.parameters == sum(parameter.numel() for parameter in network.parameters())
    for_training = [network.head.classifier.weight, *network.part_heads.parameters()]
    assert cost.parameters - cost.embedding_parameters == sum(parameter.numel() for parameter in for_training)


def test_a_cost_comes_back_from_json():
    cost = measure_cost(build_network(**SMALL).eval(), repeats=1)
    assert Cost.from_json(json.loads(json.dumps(cost.to_json()))) == cost


def test_measuring_leaves_the_network_as_it_was_and_takes_time():
    network = build_network(**SMALL).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    cost = measure_cost(network, repeats=3)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert cost.device == "cpu"
    assert all(0 < latency < 10_000 for latency in cost.latency_ms.values())


def test_it_needs_a_repeat_and_evaluation_mode():
    with pytest.raises(VireidError, match="repeats must be at least 1, got 0"):
        measure_cost(build_network(**SMALL), repeats=0)
    with pytest.raises(VireidError, match="evaluation mode"):
        measure_cost(build_network(**SMALL).train())
