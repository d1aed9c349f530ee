import pytest
import torch
from timm.layers.norm_act import convert_sync_batchnorm

from vireid.models import build_network
from vireid.types import Modality


@pytest.mark.parametrize("backbone", ["resnet18", "regnetx_002", "resnetv2_50"])
def test_converted_batchnorms_keep_the_activations_within_them(backbone: str):
    network = build_network(
        identities=3,
        image_size=(64, 32),
        backbone=backbone,
        weights="none",
        mimb=False,
        nonlocal_blocks=(0, 0, 0, 0),
    ).eval()
    images = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = network.embed(images, Modality.INFRARED)
        assert convert_sync_batchnorm(network) is network
        after = network.embed(images, Modality.INFRARED)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in network.modules())
    torch.testing.assert_close(after, before)
