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
    return maps.float().clamp(min=0).pow(power).mean(dim=(2, 3)).add(eps).pow(1.0 / power)
