"""What an exported model refuses to be asked."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from vireid.exports.export_facts import ExportFacts
from vireid.models import Feature
from vireid.types import VireidError

__all__ = ["check_request"]


def check_request(
    facts: ExportFacts, pixels: Shaped[Tensor, "..."], feature: Feature, kind: torch.dtype | None
) -> None:
    """Refuse what the graph was not made for.

    Raises:
        VireidError: another feature, precision, size or type of images, or no images.
    """
    if feature != facts.feature:
        raise VireidError(
            f"this export makes the feature {facts.feature!r}, not {feature!r}; export the run with --feature {feature}"
        )
    if kind is not None:
        raise VireidError(
            f"this export computes in precision {facts.precision}, which is fixed in its file, not in "
            f"{str(kind).removeprefix('torch.')}; leave the precision out, or export the run with another"
        )
    height, width = facts.image_size
    if pixels.dtype != torch.uint8:
        raise VireidError(
            "an export takes images as bytes (uint8, 0 to 255) and normalises them itself, got "
            f"{str(pixels.dtype).removeprefix('torch.')}; give the pixels as they were decoded and resized"
        )
    if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, height, width) or not len(pixels):
        raise VireidError(
            f"this export takes images b x 3 x {height} x {width} (height x width), at least 1, got "
            f"{' x '.join(str(side) for side in pixels.shape) or 'a number'}; resize them"
        )
