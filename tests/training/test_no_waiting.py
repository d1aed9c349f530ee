"""Network, criterion and backward pass never wait for a GPU; every recipe in its full size, on the device meta."""

import dataclasses

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.models import NetworkOutput, build_network
from vireid.training import Targets, make_criterion
from vireid.training.step import Steps
from vireid.training.step_inputs import StepInputs

IDENTITIES = 395

WAITS = {
    "item": lambda x: x.sum().item(),
    "tolist": lambda x: x.tolist(),
    "bool": lambda x: bool((x > 0).all()),
    "nonzero": lambda x: x.nonzero(),
    "boolean index": lambda x: x[x > 0],
    "unique": lambda x: torch.unique(x),
    "to the CPU": lambda x: x.cpu(),
    "to the device": lambda x: torch.zeros(3).to(x.device),
    "rows from the CPU": lambda x: x[torch.tensor([0, 2])],
    "new_tensor": lambda x: x.new_tensor(1.0),
    "tensor": lambda x: torch.tensor([0, 1], device=x.device),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_waits_is_found(name, no_waiting):
    numbers = torch.zeros(3, 3, device="meta")
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), no_waiting():
        WAITS[name](numbers)


def test_what_does_not_wait_passes(no_waiting):
    numbers = torch.zeros(3, device="meta")
    with no_waiting():
        sent = torch.zeros(3).to(numbers.device, non_blocking=True)
        torch.where(numbers > 0, sent * 2.0, torch.inf)[torch.arange(2, device="meta")]


@pytest.mark.parametrize("name", RECIPES)
def test_no_recipe_waits(name, no_waiting, monkeypatch):
    recipe = RECIPES[name]
    arguments = network_arguments(dataclasses.replace(recipe.network, weights="none"), identities=IDENTITIES, seed=0)
    with torch.device("meta"), monkeypatch.context() as building:
        # a backbone's split is tried out when a network is built, before any step
        building.setattr(torch, "allclose", lambda *tensors, **tolerances: True)
        network = build_network(**arguments)
    streams = arguments["streams"]
    criterion = make_criterion(streams=streams, **dataclasses.asdict(recipe.loss))
    size, images = network.image_size, recipe.identities * recipe.images
    labels = torch.empty(images, dtype=torch.int64, device="meta")
    views = [torch.empty(images, 3, *size, device="meta") for _ in streams]
    maps = torch.empty(images * len(streams), *size, dtype=torch.uint8, device="meta")
    with no_waiting():
        terms = criterion(network(views), Targets(labels.repeat(len(streams)), maps if recipe.network.parts else None))
        torch.stack(list(terms.values())).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters() if weight.requires_grad)


class Least(nn.Linear):
    """The least that puts out what a network does."""

    def __init__(self) -> None:
        super().__init__(8, 4)

    def forward(self, views: list[torch.Tensor]) -> NetworkOutput:
        features = super().forward(views[0])
        return NetworkOutput(features, features, {})


class OnMeta(Fabric):
    """Fabric of a process alone, whose device is ``meta``."""

    device = torch.device("meta")


def test_no_step_waits(no_waiting):
    """Gradients are looked at when losses are, with no value asked for in the step itself."""
    network = Least().to("meta")
    views, labels = torch.empty(16, 8, device="meta"), torch.empty(16, dtype=torch.int64, device="meta")
    steps = Steps(
        fabric=OnMeta(accelerator="cpu"),
        module=network,
        weights=dict(network.named_parameters()),
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9),
        criterion=lambda output, targets: {"size": output.features.square().mean()},
        streams=1,
        an_epoch=3,
        accumulate=1,
        loss_batch="global",
        scaled=False,
        seed_of=lambda epoch, batch: 0,
    )
    with no_waiting():
        taken = steps.take(0, 0, iter([StepInputs([views], Targets(labels))]))
    assert taken.gradient.device.type == taken.terms["size"].device.type == "meta"


@pytest.mark.parametrize("metric", ["center", "center-triplet"])
def test_no_other_metric_loss_waits(metric, no_waiting):
    recipe = RECIPES["mscmnet-small"]
    criterion = make_criterion(**dataclasses.asdict(dataclasses.replace(recipe.loss, metric=metric)))
    features, logits = (torch.empty(64, width, device="meta", requires_grad=True) for width in (32, 5))
    with no_waiting():
        terms = criterion(
            NetworkOutput(features, logits, {}), Targets(torch.empty(64, dtype=torch.int64, device="meta"))
        )
        torch.stack(list(terms.values())).sum().backward()
    assert features.grad is not None
