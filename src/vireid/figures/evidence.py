"""Which places of two images make their match: what the similarity loses without each, laid over the images."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from vireid.figures.picture import as_network_sees, check_image
from vireid.models import EmbeddingModel, Feature
from vireid.types import Modality, VireidError

__all__ = ["Evidence", "MatchLosses", "explain_match", "images_without", "match_losses", "overlay_evidence"]

GRID = (6, 3)
"""Rows and columns: about a head, a pair of shoes, a half of a coat a place."""

_BLUR = 0.15
_STRONGEST = 0.75
_AT_ONCE = 8


@dataclass(frozen=True, eq=False, slots=True)
class MatchLosses:
    """What the cosine similarity of two images loses without each place.

    Attributes:
        query: of the places of the query, top row first; below 0 where the images are more alike without the place.
        result: the same for the other image.
        score: cosine similarity of the whole images, -1 to 1.
    """

    query: Float32[np.ndarray, "rows columns"]
    result: Float32[np.ndarray, "rows columns"]
    score: float


@dataclass(frozen=True, eq=False, slots=True)
class Evidence:
    """Two images with the places marked that make their match.

    Attributes:
        query, result: RGB, as large as the images that were given.
        score: cosine similarity, -1 to 1.
    """

    query: UInt8[np.ndarray, "h1 w1 3"]
    result: UInt8[np.ndarray, "h2 w2 3"]
    score: float


def explain_match(
    network: EmbeddingModel,
    query_image: UInt8[np.ndarray, "h1 w1 3"],
    query_modality: Modality,
    result_image: UInt8[np.ndarray, "h2 w2 3"],
    result_modality: Modality,
    *,
    grid: tuple[int, int] = GRID,
    feature: Feature = "bn",
) -> Evidence:
    """Mark in both images the places that make their match; see `match_losses` and `overlay_evidence`.

    Args:
        network: in evaluation mode. It is left as it was, and other threads may use it meanwhile.
        query_image: RGB of any size; it is resized for the network as embedding does.
        query_modality: through whose stems the query goes.
        result_image: the same of the image that was found.
        result_modality: of it.
        grid: rows and columns of places; each costs one more image to embed.
        feature: the one that is searched with.

    Raises:
        VireidError: see `match_losses`.
    """
    losses = match_losses(
        network, query_image, query_modality, result_image, result_modality, grid=grid, feature=feature
    )
    return Evidence(
        query=overlay_evidence(query_image, losses.query),
        result=overlay_evidence(result_image, losses.result),
        score=losses.score,
    )


def match_losses(
    network: EmbeddingModel,
    query_image: UInt8[np.ndarray, "h1 w1 3"],
    query_modality: Modality,
    result_image: UInt8[np.ndarray, "h2 w2 3"],
    result_modality: Modality,
    *,
    grid: tuple[int, int] = GRID,
    feature: Feature = "bn",
) -> MatchLosses:
    """Blur one place of an image after the other and see what the cosine similarity S to the other image loses.

    ``loss[x] = S(q, r) - S(q without x, r)``, and the same with the places of r. Nothing of the network is looked into,
    so this holds whatever it is made of. It embeds 2 (rows columns + 1) images, 38 by default: on one core 0.2 s with
    the demo's network at 96 x 48, and 13 s with MSCMNet's ResNet-50 at 384 x 192.

    Args:
        network, query_image, query_modality, result_image, result_modality, grid, feature: see `explain_match`.

    Raises:
        VireidError: a network in training mode, an image that is not RGB bytes, a grid without places or finer than the
            network's images, or what the network refuses.

    Reference: Zeiler and Fergus, ECCV 2014 (occlusion). That it marks the places that matter more truly than gradients
        of deep maps (`vireid.figures.match_shares`, Grad-CAM) is measured in
        ``benchmarks/evidence_2-core-cpu_2026-11-21.md``.
    Deviation: places are blurred (sigma 0.15 of the height), not painted gray, which would be a new edge to see.
    """
    query = _embed_without(network, query_image, query_modality, grid, feature)
    result = _embed_without(network, result_image, result_modality, grid, feature)
    score = float(query[0] @ result[0])
    return MatchLosses(
        query=(score - query[1:] @ result[0]).reshape(grid),
        result=(score - result[1:] @ query[0]).reshape(grid),
        score=score,
    )


def overlay_evidence(
    image: UInt8[np.ndarray, "h w 3"], evidence: Float32[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Lay numbers over their image: the larger, the brighter and the less transparent; 0 and less leave it gray.

    The colours (inferno) grow evenly brighter, so that they are told apart without seeing red and green, and in print.
    The largest number of an image has the full colour whatever its value: compare places, not pictures.

    Args:
        image: RGB of any size.
        evidence: of any grid over the whole image.

    Raises:
        VireidError: an image that is not RGB bytes.
    """
    check_image(image)
    height, width = image.shape[:2]
    positive = evidence.clip(min=0)
    heat = cv2.resize(positive / max(float(positive.max()), 1e-12), (width, height), interpolation=cv2.INTER_CUBIC)
    heat = np.asarray(heat, dtype=np.float32).clip(0, 1)[..., None]
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    codes = (heat * 255).round().astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(codes, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    opacity = _STRONGEST * heat
    return ((1 - opacity) * gray + opacity * colours).round().astype(np.uint8)


def images_without(
    network: EmbeddingModel, image: UInt8[np.ndarray, "h w 3"], grid: tuple[int, int]
) -> UInt8[Tensor, "n 3 y x"]:
    """The whole image in the network's size, then the image with each place blurred, top row first.

    Raises:
        VireidError: an image that is not RGB bytes, a grid without places or finer than the network's images.
    """
    if min(grid) < 1 or grid[0] > network.image_size[0] or grid[1] > network.image_size[1]:
        raise VireidError(
            f"a grid has at least 1 row and 1 column and at most one a pixel of {network.image_size}, got {grid}"
        )
    whole = as_network_sees(network, image)
    pixels = whole.permute(1, 2, 0).numpy()
    blurred = torch.from_numpy(cv2.GaussianBlur(pixels, (0, 0), _BLUR * len(pixels))).permute(2, 0, 1)
    images: list[Tensor] = [whole]
    for rows in np.array_split(np.arange(whole.shape[1]), grid[0]):
        for columns in np.array_split(np.arange(whole.shape[2]), grid[1]):
            place = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            without = whole.clone()
            without[place] = blurred[place]
            images.append(without)
    return torch.stack(images)


@torch.inference_mode()
def _embed_without(
    network: EmbeddingModel,
    image: UInt8[np.ndarray, "h w 3"],
    modality: Modality,
    grid: tuple[int, int],
    feature: Feature,
) -> Float32[np.ndarray, "n d"]:
    """Vectors of the whole image, then of the image without each place."""
    images = images_without(network, image, grid)
    vectors = [network.embed_pixels(chunk.to(network.device), modality, feature) for chunk in images.split(_AT_ONCE)]
    return torch.cat(vectors).cpu().numpy()
