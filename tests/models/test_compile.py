"""A compiled network is one graph and computes what the plain one does."""

import copy
import dataclasses

import jaxtyping
import pytest
import torch

from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.models import Network, build_network

SMALL = [name for name in RECIPES if name.endswith("-small")]


def tiny(name: str) -> Network:
    """The network of a recipe, as small as its parts allow."""
    config = dataclasses.replace(
        RECIPES[name].network, height=64, width=32, channels=(8, 16, 24, 32), mimb_heads=2, mimb_tokens=8
    )
    if config.stripes:
        config = dataclasses.replace(config, stripes=(3, 2))
    network = build_network(**network_arguments(config, identities=5, seed=0))
    if network.expansion is not None:
        network.expansion.dropout = 0.0  # compiled code draws otherwise
    return network


def compare(name: str, backend: str) -> None:
    plain = tiny(name)
    twin = copy.deepcopy(plain)
    draws = torch.Generator().manual_seed(0)
    views = [torch.randn(4, 3, 64, 32, generator=draws) for _ in plain.streams]
    expected = plain(views)
    torch.compiler.reset()
    found = torch.compile(twin, fullgraph=True, backend=backend)(views)  # raises at what breaks the graph
    tensors = [(expected.features, found.features), (expected.logits, found.logits)]
    tensors += [(tensor, found.extras[key]) for key, tensor in expected.extras.items()]
    for one, other in tensors:
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)
    for output in (expected, found):
        (output.features.square().mean() + output.logits.logsumexp(dim=1).mean()).backward()
    # what is not used has no gradient, or zeros where it is compiled
    slopes, others = (
        torch.cat([torch.zeros_like(w).flatten() if w.grad is None else w.grad.flatten() for w in net.parameters()])
        for net in (plain, twin)
    )
    assert (others - slopes).norm() <= 1e-3 * slopes.norm()  # BatchNorm of four small images is sensitive
    for (key, buffer), other in zip(plain.named_buffers(), twin.named_buffers(), strict=True):
        torch.testing.assert_close(other[1], buffer, rtol=1e-5, atol=1e-5, msg=key)


@pytest.fixture(autouse=True)
def no_shape_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    # the compiler cannot trace what checks shapes in tests
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize("name", ["mscmnet-small"])
def test_the_traced_network_computes_the_same(name):
    compare(name, "aot_eager")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SMALL if name != "mscmnet-small"])
def test_every_traced_network_computes_the_same(name):
    compare(name, "aot_eager")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_compiled_network_computes_the_same():
    compare("mscmnet-small", "inductor")
