"""Every method's network through the exporters: captured, folded, and as ONNX."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vireid.exports.entry_point import EntryPoint, made_pixels
from vireid.exports.folding import fold_norms
from vireid.exports.onnx_file import write_onnx
from vireid.exports.torch_archive import only_data
from vireid.exports.torch_file import write_torch
from vireid.models import DUAL_STREAMS, SHARED_STREAMS, TRIPLE_STREAMS, Network, build_network
from vireid.types import Modality

# What the recipes of the methods turn on.
NETWORKS: dict[str, dict[str, Any]] = {
    "mscmnet": {"mimb": True, "mimb_tokens": 8, "mimb_heads": 2},
    "baseline": {"streams": TRIPLE_STREAMS},
    "agw": {"streams": DUAL_STREAMS, "nonlocal_blocks": (0, 1, 1, 0), "nonlocal_channels": 1},
    "one stem": {"streams": SHARED_STREAMS, "power": 1.0},
    "deen": {"streams": TRIPLE_STREAMS, "expansion_branches": 2, "aggregation": True},
    "mspac": {"streams": DUAL_STREAMS, "stripes": (2, 1)},
    "cscl": {"streams": DUAL_STREAMS, "parts": 4, "parsing_attention": (3, 4)},
}
# The tiny run of other tests is of mscmnet.
CAPTURED = ("agw", "deen")
WRITTEN = ("cscl",)


def make(name: str) -> Network:
    """Tiny, with statistics and parameters that are not those of a new network: there many parts start at zero."""
    network = build_network(
        identities=3,
        image_size=(64, 32),
        backbone="resnet10t",
        backbone_options={"channels": (8, 16, 24, 32), "stem_width": 8},
        weights="none",
        **({"nonlocal_blocks": (0, 0, 0, 0), "mimb": False} | NETWORKS[name]),
    ).eval()
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.copy_(0.2 * torch.rand(module.running_mean.shape, generator=random))
                module.running_var.copy_(1 + 0.2 * torch.rand(module.running_var.shape, generator=random))
                # A part that starts silent is heard, but not so loud that numbers leave their range.
                if not module.weight.any():
                    module.weight.fill_(1e-3)
        for parameter in network.parameters():
            if not parameter.any():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=random))
    return network


@torch.no_grad()
def differences(network: Network, modality: Modality, call: Any) -> list[float]:
    found = []
    for size in (1, 2, 7, 16):
        pixels = torch.from_numpy(made_pixels(size, network.image_size, seed=size))
        want = network.embed_pixels(pixels, modality)
        got = torch.as_tensor(call(pixels))
        assert got.shape == want.shape
        assert torch.allclose(want.norm(dim=1), torch.ones(size), atol=1e-5)
        assert got.dtype == torch.float32
        found.append(float((got - want).abs().max()))
    return found


def some(quick: tuple[str, ...]) -> list[Any]:
    """All networks, of which these are tried in every run of the tests."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]


@pytest.mark.parametrize("name", some(CAPTURED))
def test_a_folded_graph_makes_the_networks_vectors_in_every_size_of_batch(name: str, tmp_path: Path) -> None:
    network = make(name)
    modality = Modality.INFRARED if name == "mscmnet" else Modality.VISIBLE
    entry = EntryPoint(network, modality, "bn")
    write_torch(entry, tmp_path / "a.pt2", metadata={})
    # The guard of those who read it lets every method through.
    content = only_data((tmp_path / "a.pt2").read_bytes(), (2, 3, *network.image_size))
    graph = torch.export.load(io.BytesIO(content)).module()
    assert max(differences(network, modality, graph)) < 1e-5
    left = {type(module).__name__ for module in entry.modules() if "BatchNorm" in type(module).__name__}
    # The neck, and a BatchNorm that follows no convolution.
    assert left <= ({"BatchNorm1d", "BatchNorm2d"} if name == "deen" else {"BatchNorm1d"})


@pytest.mark.parametrize("name", some(WRITTEN))
def test_an_onnx_file_makes_the_networks_vectors(name: str, tmp_path: Path) -> None:
    import onnxruntime

    network = make(name)
    modality = Modality.VISIBLE
    write_onnx(EntryPoint(network, modality, "pool"), tmp_path / "a.onnx", metadata={"modality": "visible"})
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"modality": "visible"}
    for size in (1, 2, 7, 16):
        pixels = made_pixels(size, network.image_size, seed=size)
        with torch.no_grad():
            want = network.embed_pixels(torch.from_numpy(pixels), modality, "pool").numpy()
        assert np.allclose(np.linalg.norm(want, axis=1), 1, atol=1e-5)
        [got] = session.run(None, {"pixels": pixels})
        assert np.abs(got - want).max() < 1e-5


def test_an_entry_point_holds_nothing_of_the_training_and_leaves_its_network_alone() -> None:
    network = make("mscmnet")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    entry = fold_norms(EntryPoint(network, Modality.INFRARED, "bn"))
    names = [name for name, _ in entry.named_parameters()]
    assert not any("classifier" in name or "visible" in name for name in names)
    assert any("stems.infrared_channel" in name for name in names)
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_folded_entry_point_differs_from_one_with_its_norms_left_out() -> None:
    network = make("baseline")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            module.running_mean.add_(1.0)
    entry = fold_norms(EntryPoint(network, Modality.VISIBLE, "bn"))
    assert max(differences(make("baseline"), Modality.VISIBLE, entry)) > 1e-2


def test_made_images_are_bytes_of_their_seed_and_not_flat() -> None:
    images = made_pixels(4, (32, 16), seed=3)
    assert images.dtype == np.uint8
    assert np.array_equal(images, made_pixels(4, (32, 16), seed=3))
    assert not np.array_equal(images, made_pixels(4, (32, 16), seed=4))
    assert all(image.std() > 5 for image in images)
