"""From a map to one vector, and what poolings with parts put out beside it."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from vireid.types import VireidError

__all__ = ["GlobalPooling", "Pooled", "generalized_mean"]


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


class Pooled(NamedTuple):
    """What a pooling makes of the last map of a trunk.

    Attributes:
        features: the person as a whole.
        parts: features of p parts, each trained on identities of its own accord; None where there are no parts.
        part_maps: logits of which part each position shows; None where no parts are predicted.
    """

    features: Float[Tensor, "b d"]
    parts: Float[Tensor, "p b e"] | None = None
    part_maps: Float[Tensor, "b k h w"] | None = None


class GlobalPooling(nn.Module):
    """`generalized_mean` over the whole map: the pooling of every method without parts.

    Args:
        channels: of the map.
        power: see `generalized_mean`.

    Raises:
        VireidError: a power that is not above 0.
    """

    part_count = 0
    part_dimension = 0

    def __init__(self, channels: int, *, power: float) -> None:
        super().__init__()
        if not power > 0:
            raise VireidError(f"a pooling power must be above 0, got {power}")
        self.dimension = channels
        self.power = power

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Pooled:
        """One vector an image."""
        return Pooled(generalized_mean(maps, power=self.power))
