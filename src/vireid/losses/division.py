"""CSCL's division loss, reconstructed: the parts of one image should say different things."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vireid.losses.batch import full_precision
from vireid.types import VireidError

__all__ = ["division_loss"]


def division_loss(part_features: Float[Tensor, "..."]) -> Float[Tensor, ""]:
    r"""A reconstruction: mean squared cosine between the features of two parts of one image:
    :math:`\frac{2}{b p (p-1)} \sum_i \sum_{q < r} \cos^2(f^q_i, f^r_i)`; 0 where there is one part.

    It is 0 where all parts are at right angles, which needs at least as many dimensions as parts, and 1 where they all
    agree. The square leaves nearly divided parts in peace, and opposite features, which say the same thing, count as
    equal ones do. A part whose feature is zero is divided from all others.

    Args:
        part_features: p x b x e, part after part; half precision is computed in float32.

    Raises:
        VireidError: not three axes, or an empty one.

    Reference:
        CSCL (Liu et al., Cross-Modality Semantic Consistency Learning for Visible-Infrared Person Re-Identification,
        TMM 2024), the "division loss" of its abstract, which constrains the part features of SPAM.

    Deviation:
        The equation was not at hand. Assumed: it keeps features and not maps apart (maps share out each cell by their
        softmax already, and the parsing loss places them); it measures cosines, so that it cannot be met by small
        features; it squares them; all pairs of parts count alike.

    >>> division_loss(torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]]))
    tensor(0.5000)
    """
    if part_features.ndim != 3 or part_features.numel() == 0:
        raise VireidError(
            "the division loss needs the features of at least one part, parts x images x dimensions, got "
            f"{tuple(part_features.shape)}"
        )
    directions = F.normalize(full_precision(part_features), dim=2)
    parts = len(directions)
    first, second = torch.triu_indices(parts, parts, offset=1, device=directions.device)
    # products by element: a matrix product could be taken in half precision or TF32
    cosine = (directions[first] * directions[second]).sum(dim=2)
    return cosine.square().sum() / max(cosine.numel(), 1)
