import pytest
import torch
from torch import nn

from vireid.models import build_network
from vireid.models.head import Head
from vireid.training import learning_rate_factor
from vireid.training.optim import make_optimizer, set_learning_rate
from vireid.types import VireidError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.head = Head(4, 3)


def make(**changes) -> tuple[Net, torch.optim.SGD]:
    network = Net()
    return network, make_optimizer(network, **({"learning_rate": 0.01, "head_learning_rate": 0.1} | changes))


def test_the_head_has_its_own_rate_and_what_is_frozen_has_none():
    network, optimizer = make()
    rest, head = optimizer.param_groups
    assert [id(value) for value in rest["params"]] == [id(value) for value in network.trunk.parameters()]
    assert [id(value) for value in head["params"]] == [id(network.head.neck.weight), id(network.head.classifier.weight)]
    for group in optimizer.param_groups:
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 5e-4, True)
    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.005, 0.05]
    set_learning_rate(optimizer, 1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.1]


def test_heads_of_parts_have_the_rate_of_the_head():
    network = build_network(
        identities=2,
        image_size=(64, 32),
        backbone="resnet10t",
        weights="none",
        nonlocal_blocks=(0, 0, 0, 0),
        mimb=False,
        stripes=(2, 1),
    )
    optimizer = make_optimizer(network, learning_rate=0.01, head_learning_rate=0.1)
    trunk, heads = ({id(value) for value in group["params"]} for group in optimizer.param_groups)
    trained = {id(value) for value in network.part_heads.parameters() if value.requires_grad}
    assert len(trained) == 6
    assert trained < heads
    assert not trained & trunk


@pytest.mark.parametrize("nesterov", [True, False])
def test_two_steps_are_those_of_the_formula(nesterov):
    network, optimizer = make(momentum=0.8, weight_decay=0.1, nesterov=nesterov)
    set_learning_rate(optimizer, 0.3)
    weight = network.trunk[0].weight
    expected, velocity = weight.detach().clone(), torch.zeros(4, 4)
    for step in range(2):
        gradient = torch.full((4, 4), 1.0 + step)
        weight.grad = gradient.clone()
        optimizer.step()
        decayed = gradient + 0.1 * expected
        velocity = 0.8 * velocity + decayed if step else decayed
        expected = expected - 0.003 * (decayed + 0.8 * velocity if nesterov else velocity)
    torch.testing.assert_close(weight.detach(), expected)


@pytest.mark.parametrize(("rate", "head"), [(0.0, 0.1), (0.01, -1.0)])
def test_rates_must_be_positive(rate, head):
    with pytest.raises(VireidError, match=rf"learning rates must be above 0, got {rate} and {head} for the head"):
        make(learning_rate=rate, head_learning_rate=head)


def test_the_released_schedule():
    def factor(epoch: int) -> float:
        return learning_rate_factor(epoch, warmup_epochs=10, milestones=[25, 90, 120])

    assert [factor(epoch) for epoch in (0, 1, 8, 9, 10, 24)] == pytest.approx([0.1, 0.2, 0.9, 1.0, 1.0, 1.0])
    assert [factor(epoch) for epoch in (25, 89, 90, 119, 120, 149)] == [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]


def test_the_papers_schedule_has_no_warm_up():
    factors = [learning_rate_factor(epoch, warmup_epochs=0, milestones=[30, 90, 120]) for epoch in (0, 29, 30, 90, 149)]
    assert factors == [1.0, 1.0, 0.1, 0.01, 0.001]


def test_on_a_cpu_the_weights_step_one_by_one():
    """The fused pass, which GPUs take, rounds otherwise: trainings would end elsewhere than they did."""
    assert not make()[1].defaults["fused"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_they_step_together():
    optimizer = make_optimizer(Net().cuda(), learning_rate=0.01, head_learning_rate=0.1)
    assert optimizer.defaults["fused"]
