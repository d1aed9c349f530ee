"""How streams, trunk, MIMB and head compose: every method of the library is one of these."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vireid.models.backbone import Backbone, build_backbone
from vireid.models.head import Head
from vireid.models.mimb import MIMB
from vireid.models.pooling import generalized_mean
from vireid.models.streams import QUADRUPLE_STREAMS, Stream, stems_of
from vireid.types import Modality, VireidError

__all__ = ["Network", "NetworkOutput", "build_network"]


class NetworkOutput(NamedTuple):
    """What training needs of one step; rows are the streams' images, stream after stream.

    Attributes:
        features: pooled, before the BatchNorm; the metric loss sees these.
        logits: one column for each identity; the identity loss sees these.
        extras: what a further method hands to its own loss.
    """

    features: Float[Tensor, "b d"]
    logits: Float[Tensor, "b n"]
    extras: dict[str, Tensor]


class Network(nn.Module):
    """Stems, one for each name among the streams, a trunk that they share, MIMB or none, pooling and head.

    Args:
        backbone: its stem is copied once for each stem name, so every stem starts from the same weights.
        streams: see `Stream`.
        identities: classes to tell apart in training.
        image_size: height and width in pixels.
        mimb: block between the third and the fourth stage, built for the backbone's scales.
        power: of the generalised mean that pools.

    Raises:
        VireidError: a modality without a stream, or an argument out of range.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        streams: Sequence[Stream],
        identities: int,
        image_size: tuple[int, int],
        mimb: MIMB | None,
        power: float,
    ) -> None:
        super().__init__()
        if identities < 1 or not power > 0:
            raise VireidError(
                f"a network needs at least 1 identity and a pooling power above 0, got {identities} and {power}"
            )
        self.streams = tuple(streams)
        self.image_size = image_size
        self.power = power
        names = [name for modality in Modality for name in stems_of(streams, modality)]
        self.stems = nn.ModuleDict({name: copy.deepcopy(backbone.stem) for name in dict.fromkeys(names)})
        self.stages = backbone.stages
        self.mimb = mimb
        self.dimension = backbone.scales[-1].channels
        self.head = Head(self.dimension, identities)

    def forward(self, views: Sequence[Float[Tensor, "b 3 h w"]]) -> NetworkOutput:
        """Train on one batch a stream, in stream order, normalised (eq. 1 and 2)."""
        if len(views) != len(self.streams):
            raise VireidError(f"the network needs a view for each of its {len(self.streams)} streams, got {len(views)}")
        maps: dict[int, Tensor] = {}
        for name, stem in self.stems.items():
            members = [index for index, stream in enumerate(self.streams) if stream.stem == name]
            for index in members:
                self._check_images(views[index])
            joint = stem(torch.cat([views[index] for index in members]))
            maps.update(zip(members, joint.split([len(views[index]) for index in members])))
        features = self._trunk(torch.cat([maps[index] for index in range(len(self.streams))]))
        return NetworkOutput(features, self.head(features)[1], extras={})

    def embed(
        self,
        images: Float[Tensor, "b 3 h w"],
        modality: Modality,
        feature: Literal["bn", "pool"] = "bn",
    ) -> Float[Tensor, "b d"]:
        """Vectors to search with, of length 1: images of one modality through all its stems, averaged, then the trunk.

        Args:
            images: normalised as in training, not augmented.
            modality: of all of them.
            feature: after the BatchNorm (the papers' retrieval feature, "FC" in their logs) or before it ("POOL").

        Raises:
            VireidError: images of another size, another feature, or a network in training mode, whose BatchNorm would
                mix the images.

        Reference: MSCMNet, eq. 3 with alpha = 0.5.
        """
        if self.training:
            raise VireidError("embedding needs a network in evaluation mode; call network.eval() first")
        if feature not in ("bn", "pool"):
            raise VireidError(f"the feature must be 'bn' or 'pool', got {feature!r}")
        self._check_images(images)
        maps = [self.stems[name](images) for name in stems_of(self.streams, Modality(modality))]
        pooled = self._trunk(torch.stack(maps).mean(dim=0))
        return F.normalize(pooled if feature == "pool" else self.head(pooled)[0])

    def _trunk(self, maps: Tensor) -> Float[Tensor, "b d"]:
        levels = [maps]
        for stage in self.stages[:-1]:
            levels.append(stage(levels[-1]))
        deep = levels[-1] if self.mimb is None else self.mimb(levels)
        return generalized_mean(self.stages[-1](deep), power=self.power)

    def _check_images(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise VireidError(
                "the network takes float images b x 3 x height x width, as evaluation_view makes them; "
                f"got {images.dtype} of shape {tuple(images.shape)}"
            )
        if tuple(images.shape[2:]) != self.image_size:
            raise VireidError(
                f"the network was built for images {self.image_size[0]} x {self.image_size[1]} (height x width), got "
                f"{images.shape[2]} x {images.shape[3]}; resize them or build it for that size"
            )


def build_network(
    *,
    identities: int,
    image_size: tuple[int, int] = (384, 192),
    streams: Sequence[Stream] = QUADRUPLE_STREAMS,
    backbone: str = "resnet50.tv_in1k",
    backbone_options: Mapping[str, Any] | None = None,
    weights: str = "imagenet",
    last_stride: int | None = 1,
    nonlocal_blocks: tuple[int, ...] = (0, 2, 3, 0),
    nonlocal_channels: int | None = None,
    mimb: bool = True,
    mimb_blocks: Sequence[int] = (0, 1, 2, 3),
    mimb_tokens: int = 256,
    mimb_heads: int = 32,
    mimb_mix: float = 0.1,
    mimb_variant: Literal["paper", "released"] = "paper",
    power: float = 3.0,
    seed: int = 0,
) -> Network:
    """Make MSCMNet, or with parts off what it is compared with. See `build_backbone`, `MIMB` and `Network`.

    Args:
        seed: of every weight that starts at random; the caller's random state is left as it was.

    Example: ``build_network(identities=395)`` is the paper's network; ``mimb=False, streams=DUAL_STREAMS`` its base.
    """
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed every GPU as well.
        torch.default_generator.manual_seed(seed)
        trunk = build_backbone(
            backbone,
            image_size=image_size,
            weights=weights,
            last_stride=last_stride,
            nonlocal_blocks=nonlocal_blocks,
            nonlocal_channels=nonlocal_channels,
            options=backbone_options,
        )
        block = None
        if mimb:
            block = MIMB(
                trunk.scales[:-1],
                blocks=mimb_blocks,
                tokens=mimb_tokens,
                heads=mimb_heads,
                mix=mimb_mix,
                variant=mimb_variant,
            )
        return Network(trunk, streams=streams, identities=identities, image_size=image_size, mimb=block, power=power)
