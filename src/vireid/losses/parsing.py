"""The parsing loss: predicted part maps against given ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor

from vireid.losses.batch import full_precision
from vireid.losses.values import check_part_maps
from vireid.types import UNKNOWN_PART, VireidError

__all__ = ["parsing_loss"]


def parsing_loss(
    part_maps: Float[Tensor, "..."], given: Integer[Tensor, "..."], *, unknown: int = UNKNOWN_PART
) -> Float[Tensor, ""]:
    r"""Cross-entropy of predicted part maps, in the mean over all pixels whose part is known.

    A cell of the predicted grid covers many given pixels. Each known pixel asks its cell for its own part:
    :math:`-\frac{1}{\sum_{c,k} a_{ck}} \sum_c \sum_k a_{ck} \log \mathrm{softmax}(z_c)_k`, where :math:`a_{ck}` is the
    share of cell c's area that is known to be part k. So a cell on a border is asked for a mixture and not for its
    majority, which would lose parts that are smaller than a cell, and a cell of which little is known counts little.
    Unknown pixels, and images without a map, count nothing; where nothing at all is known the loss is 0 and so is its
    gradient.

    Parts are not balanced: the background, of many pixels, counts most. The predicted maps weigh features, so they are
    to be right in area; balancing would fatten small parts, whose given pixels are the least reliable.

    Args:
        part_maps: b x k x y x x logits, one channel for each part; half precision is computed in float32.
        given: b x h x w, part of each pixel, 0 to k - 1, or `unknown`; any size, brought to the grid by area.
        unknown: value of a pixel whose part nobody knows; an image without a map is full of it.

    Raises:
        VireidError: maps that are not one for each image, a value that is neither a part nor `unknown`, or an
            `unknown` that is a part. Values on another device than the CPU are to be checked before, by
            `check_part_maps`.

    Reference:
        CSCL (Liu et al., Cross-Modality Semantic Consistency Learning for Visible-Infrared Person Re-Identification,
        TMM 2024), the "parsing loss" of its abstract: a reconstruction.

    Deviation:
        The equation was not at hand. Assumed: cross-entropy over all parts with the background among them; means over
        pixels; targets by area; no balance of parts.

    >>> part_maps = torch.zeros(1, 2, 1, 1)
    >>> parsing_loss(part_maps, torch.tensor([[[0, 1], [255, 255]]], dtype=torch.uint8))  # log(2)
    tensor(0.6931)
    """
    if part_maps.ndim != 4 or given.ndim != 3 or len(part_maps) != len(given) or 0 in (*part_maps.shape, *given.shape):
        raise VireidError(
            "the parsing loss needs part maps of logits, images x parts x rows x columns, and a given map for each "
            f"image, images x rows x columns, got {tuple(part_maps.shape)} and {tuple(given.shape)}"
        )
    _, parts, rows, columns = part_maps.shape
    check_part_maps(given, parts, unknown=unknown)
    given = given.int()  # in bytes, part 256 would be part 0
    logits = full_precision(part_maps)
    area = torch.stack(
        [F.adaptive_avg_pool2d((given == part).to(logits.dtype), (rows, columns)) for part in range(parts)], dim=1
    )
    surprise = torch.where(area > 0, -area * logits.log_softmax(dim=1), 0)
    known = area.sum()
    return surprise.sum() / torch.where(known > 0, known, 1)
