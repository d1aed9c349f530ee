"""How streams, trunk, MIMB and head compose: every method of the library is one of these."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vireid.models.aggregation import CrossScaleAggregation
from vireid.models.backbone import Backbone, build_backbone
from vireid.models.expansion import DiverseEmbeddingExpansion
from vireid.models.head import Head
from vireid.models.mimb import MIMB, MIMBVariant
from vireid.models.parsing_attention import ParsingAttention
from vireid.models.part_alignment import PartAlignment
from vireid.models.part_cascade import PartCascade
from vireid.models.pooling import GlobalPooling, Pooled
from vireid.models.scale import Scale
from vireid.models.streams import QUADRUPLE_STREAMS, Stream, stems_of
from vireid.types import Modality, VireidError

__all__ = ["Network", "NetworkOutput", "build_network"]


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
    ) -> None:
        super().__init__()
        if identities < 1:
            raise VireidError(f"a network needs at least 1 identity, got {identities}")
        self.streams = tuple(streams)
        self.image_size = image_size
        self.arguments: dict[str, Any] = {}
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
        feature: Literal["bn", "pool"] = "bn",
    ) -> Float[Tensor, "b d"]:
        """Vectors to search with, of length 1: images of one modality through all its stems, averaged, then the trunk.

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
        pooled = self._trunk(torch.stack(maps).mean(dim=0))[0].features
        vectors = F.normalize(pooled if feature == "pool" else self.head(pooled)[0])
        return vectors if self.sets == 1 else F.normalize(torch.cat(vectors.chunk(self.sets), dim=1))

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
    mimb_variant: MIMBVariant = "paper",
    power: float = 3.0,
    aggregation: bool = False,
    expansion_branches: int = 0,
    stripes: Sequence[int] = (),
    parts: int = 0,
    parsing_attention: Sequence[int] = (),
    seed: int = 0,
) -> Network:
    """Make MSCMNet, with parts off what it is compared with, and with other parts on the methods beside it.

    Args:
        identities, image_size, streams: see `Network`.
        backbone, backbone_options, weights, last_stride, nonlocal_blocks, nonlocal_channels: see `build_backbone`.
        mimb, mimb_blocks, mimb_tokens, mimb_heads, mimb_mix, mimb_variant: see `MIMB`.
        power: of the generalised mean that pools.
        aggregation: DEEN's cross-scale aggregation after each of the first three stages.
        expansion_branches: branches of DEEN's diverse embedding expansion; 0 for none, 2 in the paper.
        stripes: MSPAC's numbers of stripes, finest first; none for global pooling.
        parts: CSCL's parts to predict, the background among them; 0 for none.
        parsing_attention: stages, 1 to 4, that CSCL's attention follows; it needs parts.
        seed: of every weight that starts at random; the caller's random state is left as it was.

    Raises:
        VireidError: stripes and parts at once, attention without parts or after a stage that is not there, and what
            the parts refuse.

    Example: ``build_network(identities=395)`` is the paper's network; ``mimb=False, streams=DUAL_STREAMS`` its base.
    """
    arguments = dict(locals())
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
        scales = trunk.scales
        network = Network(
            trunk,
            streams=streams,
            identities=identities,
            image_size=image_size,
            pooling=_make_pooling(scales[-1], stripes=stripes, parts=parts, power=power),
            mimb=block,
            aggregation=[
                CrossScaleAggregation(deep=deep, shallow=shallow) for shallow, deep in itertools.pairwise(scales[:-1])
            ]
            if aggregation
            else (),
            expansion=_make_expansion(scales[-2], expansion_branches),
            attention=_make_attention(scales, parsing_attention, parts),
        )
    network.arguments = arguments
    return network


def _make_pooling(
    scale: Scale, *, stripes: Sequence[int], parts: int, power: float
) -> GlobalPooling | PartCascade | PartAlignment:
    if stripes and parts:
        raise VireidError(
            f"a network pools by stripes or by predicted parts, got stripes {tuple(stripes)} and {parts} parts; "
            "leave one of them out"
        )
    if stripes:
        return PartCascade(scale, stripes=stripes, power=power)
    if parts:
        return PartAlignment(scale, parts=parts, power=power)
    return GlobalPooling(scale.channels, power=power)


def _make_expansion(scale: Scale, branches: int) -> DiverseEmbeddingExpansion | None:
    if branches < 0:
        raise VireidError(f"the number of expansion branches must be at least 0, got {branches}")
    return DiverseEmbeddingExpansion(scale.channels, branches=branches) if branches else None


def _make_attention(scales: Sequence[Scale], stages: Sequence[int], parts: int) -> dict[int, ParsingAttention]:
    if not all(1 <= stage < len(scales) for stage in stages):
        raise VireidError(f"parsing attention follows stages 1 to {len(scales) - 1}, got {tuple(stages)}")
    if stages and not parts:
        raise VireidError(
            "parsing attention needs parts to predict; set parts to the number of them, background included"
        )
    return {stage: ParsingAttention(scales[stage].channels, parts=parts) for stage in stages}
