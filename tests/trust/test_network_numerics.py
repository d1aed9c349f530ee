"""Every method's network on images that say nothing: embeddings and losses are numbers, in any precision."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.models import Network, build_network
from vireid.retrieval.embedder import embed_pixels
from vireid.training import make_criterion
from vireid.training.batches import Targets
from vireid.types import Modality

SMALL = [name for name in RECIPES if name.endswith("-small")]
IMAGES = {
    "black": torch.zeros(2, 3, 96, 48, dtype=torch.uint8),
    "white": torch.full((2, 3, 96, 48), 255, dtype=torch.uint8),
    "one colour": torch.tensor([255, 0, 128], dtype=torch.uint8)[:, None, None].expand(2, 3, 96, 48).contiguous(),
    "one bright pixel": torch.zeros(2, 3, 96, 48, dtype=torch.uint8).index_fill(2, torch.tensor([0]), 255),
}


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    return {
        name: build_network(**network_arguments(RECIPES[name].network, identities=4, seed=0)).eval() for name in SMALL
    }


@pytest.mark.parametrize("precision", ["32", "bf16"])
@pytest.mark.parametrize("name", SMALL)
def test_constant_images_have_an_embedding_of_length_one(networks, name: str, precision: str):
    batches = [(modality, images) for images in IMAGES.values() for modality in Modality]
    vectors = embed_pixels(networks[name], batches, feature="bn", mirror=True, precision=precision, device="cpu")
    for found in vectors:
        assert np.isfinite(found).all()
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(found[0], found[1], atol=1e-6)  # equal images, equal embeddings


@pytest.mark.parametrize("images", ["black", "white"])
@pytest.mark.parametrize("name", SMALL)
def test_a_step_on_constant_images_has_finite_losses_and_gradients(name: str, images: str):
    """All images of all identities the same: BatchNorm sees no variance, every distance is 0."""
    recipe = RECIPES[name]
    arguments = network_arguments(recipe.network, identities=2, seed=0)
    network = build_network(**arguments).train()
    streams = arguments["streams"]
    views = [torch.full((4, 3, 96, 48), -2.0 if images == "black" else 2.0) for _ in streams]
    labels = torch.tensor([0, 0, 1, 1] * len(streams))
    part_maps = torch.zeros(4 * len(streams), 96, 48, dtype=torch.uint8)
    criterion = make_criterion(streams=streams, **dataclasses.asdict(recipe.loss))
    terms = criterion(network(views), Targets(labels=labels, part_maps=part_maps))
    torch.stack(list(terms.values())).sum().backward()
    for term, value in terms.items():
        assert value.isfinite(), term
    for key, parameter in network.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), key
