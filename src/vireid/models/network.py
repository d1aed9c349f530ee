"""How streams, trunk, MIMB and head compose: every method of the library is one of these."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from vireid.models.aggregation import CrossScaleAggregation
from vireid.models.backbone import Backbone
from vireid.models.embedding_model import Feature
from vireid.models.expansion import DiverseEmbeddingExpansion
from vireid.models.head import Head
from vireid.models.mimb import MIMB
from vireid.models.parsing_attention import ParsingAttention
from vireid.models.part_alignment import PartAlignment
from vireid.models.part_cascade import PartCascade
from vireid.models.pooling import GlobalPooling, Pooled
from vireid.models.streams import Stream, stems_of
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError

__all__ = ["Network", "NetworkOutput"]


class NetworkOutput(NamedTuple):
    """What training needs of one step; rows are the streams' images, stream after stream.

    With a diverse embedding expansion all rows come once for the original maps, then once for each branch.

    Attributes:
        features: pooled, before the BatchNorm; the metric loss sees these.
        logits: one column for each identity; the identity loss sees these.
        extras: what a further method hands to its own loss: ``part_features`` (p b e) and ``part_logits`` (p b n) of
            poolings with parts, and logits of part maps (b k h w) under names that begin with ``part_maps``.
    """

    features: Float[Tensor, "b d"]
    logits: Float[Tensor, "b n"]
    extras: dict[str, Tensor]


class Network(nn.Module):
    """Stems, one for each name among the streams, a trunk that they share with its optional parts, pooling and head.

    Args:
        backbone: its stem is copied once for each stem name, so every stem starts from the same weights.
        streams: see `Stream`.
        identities: classes to tell apart in training.
        image_size: height and width in pixels.
        pooling: from the last map to the person, and to parts where it has some.
        mimb: block between the third and the fourth stage, built for the backbone's scales.
        aggregation: for each of the first three stages what mixes the level before it into its map.
        expansion: what multiplies the maps before the fourth stage.
        attention: by the number of a stage, 1 to 4, what weighs its map by predicted parts.
        arguments: the keywords of `build_network` that made it, for whoever saves it.

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
        pooling: GlobalPooling | PartCascade | PartAlignment,
        mimb: MIMB | None = None,
        aggregation: Sequence[CrossScaleAggregation] = (),
        expansion: DiverseEmbeddingExpansion | None = None,
        attention: Mapping[int, ParsingAttention] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if identities < 1:
            raise VireidError(f"a network needs at least 1 identity, got {identities}")
        self.streams = tuple(streams)
        self.image_size = image_size
        self.arguments = dict(arguments or {})
        names = [name for modality in Modality for name in stems_of(streams, modality)]
        self.stems = nn.ModuleDict({name: copy.deepcopy(backbone.stem) for name in dict.fromkeys(names)})
        self.stages = backbone.stages
        self.mimb = mimb
        self.aggregation = nn.ModuleList(aggregation)
        self.expansion = expansion
        self.attention = nn.ModuleDict({str(stage): module for stage, module in (attention or {}).items()})
        self.pooling = pooling
        self.dimension = pooling.dimension
        self.head = Head(self.dimension, identities)
        self.part_heads = nn.ModuleList(Head(pooling.part_dimension, identities) for _ in range(pooling.part_count))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def sets(self) -> int:
        """Feature sets of one image: 1, and one more for each branch of the expansion."""
        return 1 if self.expansion is None else 1 + self.expansion.branches

    @property
    def embedding_dimension(self) -> int:
        """Numbers in a vector of `embed`."""
        return self.sets * self.dimension

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
        pooled, extras = self._trunk(torch.cat([maps[index] for index in range(len(self.streams))]))
        if pooled.parts is not None:
            extras["part_features"] = pooled.parts
            extras["part_logits"] = torch.stack([head(part)[1] for head, part in zip(self.part_heads, pooled.parts)])
        return NetworkOutput(pooled.features, self.head(pooled.features)[1], extras)

    def embed(
        self,
        images: Float[Tensor, "b 3 h w"],
        modality: Modality,
        feature: Feature = "bn",
    ) -> Float[Tensor, "b d"]:
        """Vectors to search with, of length 1: images of one modality through all its stems, averaged, then the trunk.

        The trunk, nearly all of the work, is passed once for any number of stems: their maps are averaged before it.

        The feature sets of an expansion, each of length 1, stand side by side and are scaled to length 1 together, so
        that a dot product is the mean of the sets' similarities.

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
        # Not torch.stack(maps).mean(0): the same numbers, but in a memory layout that is slower from here on.
        joint = maps[0] if len(maps) == 1 else functools.reduce(torch.add, maps) / len(maps)
        pooled = self._trunk(joint)[0].features
        vectors = F.normalize(pooled if feature == "pool" else self.head.neck(pooled))
        if self.sets == 1:
            return vectors
        # Not torch.chunk, which would fix the number of images where the graph is exported.
        return F.normalize(vectors.unflatten(0, (self.sets, -1)).transpose(0, 1).flatten(1))

    def move_to(self, device: torch.device) -> Network:
        """Move the weights to a device, in channels-last layout, which convolutions like; returns itself."""
        return self.to(device).to(memory_format=torch.channels_last)

    def embed_pixels(
        self,
        pixels: UInt8[Tensor, "b 3 h w"],
        modality: Modality,
        feature: Feature = "bn",
        *,
        kind: torch.dtype | None = None,
    ) -> Float[Tensor, "b d"]:
        """Vectors of images as they are decoded and resized; see `embed`.

        Args:
            pixels: RGB, on the network's device.
            kind: half precision to compute in by autocast, None for float32.

        Raises:
            VireidError: see `embed`.
        """
        images = evaluation_view(pixels.contiguous(memory_format=torch.channels_last))
        faster: AbstractContextManager[object] = torch.autocast(self.device.type, kind) if kind else nullcontext()
        with faster:
            return self.embed(images, modality, feature).float()

    def _trunk(self, maps: Tensor) -> tuple[Pooled, dict[str, Tensor]]:
        """The pooled maps of the last stage, and the part maps that were predicted on the way."""
        part_maps: dict[str, Tensor] = {}
        levels = [maps]
        for number, stage in enumerate(self.stages[:-1], start=1):
            deep = stage(levels[-1])
            if self.aggregation:
                deep = self.aggregation[number - 1](deep, levels[-1])
            levels.append(self._attend(number, deep, part_maps))
        deep = levels[-1] if self.mimb is None else self.mimb(levels)
        if self.expansion is not None:
            deep = self.expansion(deep)
        pooled: Pooled = self.pooling(self._attend(len(self.stages), self.stages[-1](deep), part_maps))
        if pooled.part_maps is not None:
            part_maps["part_maps"] = pooled.part_maps
        return pooled, part_maps

    def _attend(self, stage: int, maps: Tensor, part_maps: dict[str, Tensor]) -> Tensor:
        if str(stage) not in self.attention:
            return maps
        attended, part_maps[f"part_maps_{stage}"] = self.attention[str(stage)](maps)
        return attended

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
