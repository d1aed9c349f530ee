"""What is exported: one modality's way through a network, from bytes to a vector."""

from __future__ import annotations

import copy

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from vireid.models import Feature, Network
from vireid.models.streams import stems_of
from vireid.types import Modality

__all__ = ["EntryPoint", "capture", "made_pixels"]


class EntryPoint(nn.Module):
    """`Network.embed_pixels` for one modality and feature, with nothing in it that this does not need.

    Stems of the other modality, the classifier and the heads of parts are left out, so training identities stay home.

    Args:
        network: in evaluation mode; it is copied and left as it is.
        modality: of the images.
        feature: what is put out.
        kind: half precision to compute in by autocast, None for float32.
    """

    def __init__(
        self, network: Network, modality: Modality, feature: Feature, *, kind: torch.dtype | None = None
    ) -> None:
        super().__init__()
        own = copy.deepcopy(network).move_to(torch.device("cpu"))
        kept = stems_of(network.streams, modality)
        own.stems = nn.ModuleDict({name: stem for name, stem in own.stems.items() if name in kept})
        own.part_heads = nn.ModuleList()
        own.head.classifier = nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
        self.network = own.eval().requires_grad_(False)
        self.modality = modality
        self.feature: Feature = feature
        self.kind = kind

    def forward(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Vectors of length 1."""
        return self.network.embed_pixels(pixels, self.modality, self.feature, kind=self.kind)


def capture(entry: EntryPoint) -> torch.export.ExportedProgram:
    """The graph of an entry point, for any number of images from 1."""
    example = torch.from_numpy(made_pixels(2, entry.network.image_size))
    with torch.no_grad():
        return torch.export.export(entry, (example,), dynamic_shapes={"pixels": {0: torch.export.Dim("batch", min=1)}})


def made_pixels(count: int, image_size: tuple[int, int], seed: int = 0) -> UInt8[np.ndarray, "b 3 h w"]:
    """Images that are smooth with some noise, as photographs are: white noise would stay far from what a network knows.

    >>> made_pixels(2, (8, 4)).shape
    (2, 3, 8, 4)
    """
    random = torch.Generator().manual_seed(seed)
    images = torch.zeros(count, 3, *image_size)
    for cells, weight in ((2, 0.5), (6, 0.3), (16, 0.2)):
        coarse = torch.rand(count, 3, 2 * cells, cells, generator=random)
        images += weight * F.interpolate(coarse, size=image_size, mode="bilinear", align_corners=False)
    images += 0.02 * torch.randn(images.shape, generator=random)
    # Some dim, some bright.
    images *= 0.3 + 1.2 * torch.rand(count, 1, 1, 1, generator=random)
    return (255 * images).round().clamp(0, 255).to(torch.uint8).numpy()
