"""From keywords to a network: MSCMNet, and with parts on or off every other method."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from vireid.models.aggregation import CrossScaleAggregation
from vireid.models.backbone import build_backbone
from vireid.models.expansion import DiverseEmbeddingExpansion
from vireid.models.mimb import MIMB, MIMBVariant
from vireid.models.network import Network
from vireid.models.parsing_attention import ParsingAttention
from vireid.models.part_alignment import PartAlignment
from vireid.models.part_cascade import PartCascade
from vireid.models.pooling import GlobalPooling
from vireid.models.scale import Scale
from vireid.models.streams import QUADRUPLE_STREAMS, Stream
from vireid.types import VireidError

__all__ = ["build_network"]


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
        return Network(
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
            arguments=arguments,
        )


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
