"""From a map to one vector."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

__all__ = ["generalized_mean"]


def generalized_mean(maps: Float[Tensor, "b c h w"], *, power: float, eps: float = 1e-12) -> Float[Tensor, "b c"]:
    """Pool each channel by its generalised mean, ``(mean(x^p) + eps)^(1/p)``; p = 1 is the average.

    Computed in float32 whatever comes in, since a cube leaves the range of half precision early.

    Args:
        maps: values below 0 count as 0, for a root of a negative mean is not a number.
        power: p > 0; 3 in AGW and MSCMNet.
        eps: keeps the gradient of an all-zero channel finite.

    Reference: Radenovic et al., TPAMI 2018; as used by AGW (TPAMI 2021), where p = 3 is fixed.
    """
    positive = maps.float().clamp(min=0)
    # Powers are taken of numbers up to 1, so that large ones do not leave the range; the result is the same.
    scale = positive.detach().amax(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (positive / scale).pow(power).mean(dim=(2, 3))
    scale = scale[:, :, 0, 0]
    return (mean + eps / scale.pow(power)).pow(1.0 / power) * scale
