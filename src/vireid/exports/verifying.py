"""Whether an export does what its source does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from vireid.exports.entry_point import made_pixels
from vireid.models import EmbeddingModel, Feature
from vireid.types import Modality, VireidError

__all__ = ["BATCHES", "LARGEST_DIFFERENCE", "LARGEST_FALL", "check_scores", "check_vectors"]

BATCHES = (1, 2, 7, 16)
"""Images at a time that are tried."""

LARGEST_DIFFERENCE = 1e-4
"""Of any number of a vector of length 1, in float32."""

LARGEST_FALL = 0.5
"""Of Rank-1 and of mAP, in points (percent), in another precision."""


@torch.inference_mode()
def check_vectors(
    source: EmbeddingModel,
    exported: EmbeddingModel,
    *,
    feature: Feature,
    images: Mapping[Modality, UInt8[np.ndarray, "_ 3 h w"]] | None = None,
    limit: float | None = LARGEST_DIFFERENCE,
) -> dict[str, Any]:
    """Compare vectors, at both entry points and in every size of batch, of made images and of given ones.

    Args:
        source: the network.
        exported: what was made of it.
        feature: of both.
        images: of a data set, by modality.
        limit: for the largest difference of any number; None only measures.

    Returns:
        What ``export.json`` keeps: the largest difference, the least cosine, the limit and what was compared.

    Raises:
        VireidError: the vectors differ more than the limit, or are not finite.
    """
    worst, least, given = 0.0, 1.0, 0
    for modality in Modality:
        batches = [made_pixels(size, source.image_size, seed=size) for size in BATCHES]
        of_set = (images or {}).get(modality, np.empty((0, 3, *source.image_size), dtype=np.uint8))
        given += len(of_set)
        first = 0
        while first < len(of_set):
            size = BATCHES[len(batches) % len(BATCHES)]
            batches.append(of_set[first : first + size])
            first += size
        for pixels in batches:
            batch = torch.from_numpy(pixels)
            want = source.embed_pixels(batch, modality, feature)
            got = exported.embed_pixels(batch, modality, feature)
            # A NaN is smaller than nothing and larger than nothing.
            if got.shape != want.shape or not torch.isfinite(got).all():
                raise VireidError(
                    f"the {modality.value} entry point puts out {tuple(got.shape)} numbers, or some that are not "
                    f"finite, for {len(batch)} images; nothing was written. Please report this"
                )
            difference = float((got - want).abs().max())
            worst, least = max(worst, difference), min(least, float((got * want).sum(dim=1).min()))
            if limit is not None and not difference <= limit:
                raise VireidError(
                    f"the export must make the vectors of its run, with differences up to {limit:g}, but at the "
                    f"{modality.value} entry point a number of {len(batch)} images differs by {difference:.1e}; "
                    "nothing was written. A run of very few steps can be so sensitive to rounding: train longer, or "
                    "take --no-verify; otherwise please report this"
                )
    return {
        "largest_difference": worst,
        "least_cosine": least,
        "limit": limit,
        "batch_sizes": list(BATCHES),
        "made_images": len(Modality) * sum(BATCHES),
        "images_of_data_set": given,
    }


def check_scores(source: Mapping[str, float], exported: Mapping[str, float]) -> dict[str, Any]:
    """Compare scores, in percent, by their names.

    Returns:
        What ``export.json`` keeps.

    Raises:
        VireidError: a score of the export is lower by more than `LARGEST_FALL` points.
    """
    for name, score in source.items():
        fall = score - exported[name]
        if not fall <= LARGEST_FALL:
            raise VireidError(
                f"{name} may fall by {LARGEST_FALL} points at most, but the run scores {score:.2f} and the export "
                f"{exported[name]:.2f}; nothing was written. Take another precision, or for int8 more images of the "
                "training side (--calibration)"
            )
    return {"run": dict(source), "export": dict(exported), "largest_fall": LARGEST_FALL}
