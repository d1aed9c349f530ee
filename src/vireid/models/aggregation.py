"""DEEN's multi-stage feature aggregation: a map takes up what the level before it shows, by channel and by position."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vireid.models.scale import Scale
from vireid.types import VireidError

__all__ = ["ChannelAggregation", "CrossScaleAggregation", "PositionAggregation"]


class CrossScaleAggregation(nn.Module):
    """Channel aggregation, then position aggregation of the same shallow map, each with a residual on the deep one.

    Both end in a BatchNorm that starts at zero, so that a new module changes nothing at first. Both are products
    without a softmax, to which `scaled_dot_product_attention` does not apply.

    Args:
        deep: shape of the map that a stage puts out, which is also the shape put out here.
        shallow: shape of the level before that stage; its grid is a whole multiple of the deep one.
        paired: see `PositionAggregation`.

    Raises:
        VireidError: the shallow grid is not a whole multiple of the deep one, or a grid that cannot be paired.

    Reference: Zhang and Wang, Diverse Embedding Expansion Network (CVPR 2023), multi-stage feature aggregation.
    Deviation: the released code knows the ratios 1 and 2 of a ResNet; here it is the ratio of the two grids.
    """

    def __init__(self, *, deep: Scale, shallow: Scale, paired: bool = True) -> None:
        super().__init__()
        ratio = _ratio(deep, shallow)
        if paired:
            _check_pairs(deep, shallow)
        self.channel = ChannelAggregation(deep.channels, shallow.channels, ratio=ratio)
        self.position = PositionAggregation(deep.channels, shallow.channels, paired=paired)

    def forward(self, deep: Float[Tensor, "b c h w"], shallow: Float[Tensor, "b s y x"]) -> Float[Tensor, "b c h w"]:
        """The deep map with what it took up."""
        return self.position(self.channel(deep, shallow), shallow)


class ChannelAggregation(nn.Module):
    """Let the channels of a deep map choose among those of a shallow one (CNL).

    With theta of the deep map (s x N), phi of the shallow map on the deep grid (s x N), g of the shallow map (s x M)::

        out = deep + norm(project(theta phi^T / s  g))

    Args:
        deep: channels of the deep map.
        shallow: channels of the shallow map, s.
        ratio: of the shallow grid to the deep one, height and width; the stride of phi and project.
    """

    def __init__(self, deep: int, shallow: int, *, ratio: tuple[int, int]) -> None:
        super().__init__()
        self.theta = nn.Conv2d(deep, shallow, 1)
        self.phi = nn.Conv2d(shallow, shallow, 1, stride=ratio)
        self.g = nn.Conv2d(shallow, shallow, 1)
        self.project = nn.Conv2d(shallow, deep, 1, stride=ratio)
        self.norm = _silent_norm(deep)

    def forward(self, deep: Float[Tensor, "b c h w"], shallow: Float[Tensor, "b s y x"]) -> Float[Tensor, "b c h w"]:
        """A map of the deep one's shape."""
        theta, phi, g = self.theta(deep).flatten(2), self.phi(shallow).flatten(2), self.g(shallow)
        # Divided before the sum over positions, which could leave the range of half precision.
        affinity = torch.bmm(theta / theta.shape[1], phi.transpose(1, 2))
        chosen = torch.bmm(affinity, g.flatten(2)).unflatten(2, g.shape[2:])
        return deep + self.norm(self.project(chosen))


class PositionAggregation(nn.Module):
    """Let every position of a deep map look at every position of a shallow one (PNL).

    With theta of the deep map (N x s/2), phi and g of the shallow one (M x s/2)::

        out = deep + norm(project(theta phi^T / M  g))

    Args:
        deep: channels of the deep map.
        shallow: channels of the shallow map, s.
        paired: the released form, in which a token is not a position but two of them, half a map apart (position n and
            n + N/2 in row order), with the numbers of both: N/2 x s and M/2 x s. False is the paper's form.
    """

    def __init__(self, deep: int, shallow: int, *, paired: bool = True) -> None:
        super().__init__()
        inner = max(1, shallow // 2)
        self.paired = paired
        self.theta = nn.Conv2d(deep, inner, 1)
        self.phi = nn.Conv2d(shallow, inner, 1)
        self.g = nn.Conv2d(shallow, inner, 1)
        self.project = nn.Conv2d(inner, deep, 1)
        self.norm = _silent_norm(deep)

    def forward(self, deep: Float[Tensor, "b c h w"], shallow: Float[Tensor, "b s y x"]) -> Float[Tensor, "b c h w"]:
        """A map of the deep one's shape."""
        theta, phi, g = (self._tokens(maps) for maps in (self.theta(deep), self.phi(shallow), self.g(shallow)))
        # Associative, as in the non-local block: no matrix of positions by positions is made.
        context = torch.bmm(g, (phi / phi.shape[2]).transpose(1, 2))
        seen = torch.bmm(context, theta).view(deep.shape[0], -1, *deep.shape[2:])
        return deep + self.norm(self.project(seen))

    def _tokens(self, maps: Tensor) -> Tensor:
        """Numbers of a token x tokens."""
        # shape[0], not len: that would fix the number of images where the graph is exported.
        return maps.reshape(maps.shape[0], 2 * maps.shape[1], -1) if self.paired else maps.flatten(2)


def _silent_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    nn.init.zeros_(norm.weight)
    nn.init.zeros_(norm.bias)
    return norm


def _ratio(deep: Scale, shallow: Scale) -> tuple[int, int]:
    ratio = (shallow.height // deep.height, shallow.width // deep.width)
    if (shallow.height, shallow.width) != (ratio[0] * deep.height, ratio[1] * deep.width) or 0 in ratio:
        raise VireidError(
            f"aggregation needs a shallow grid that is a whole multiple of the deep one, but {shallow.height} x "
            f"{shallow.width} is not one of {deep.height} x {deep.width}; choose an image size that the trunk's "
            "strides divide"
        )
    return ratio


def _check_pairs(deep: Scale, shallow: Scale) -> None:
    for scale in (deep, shallow):
        if scale.height * scale.width % 2:
            raise VireidError(
                f"aggregation in the released form pairs positions, but a grid of {scale.height} x {scale.width} has "
                "an odd number of them; choose another image size, or the paper's form (paired False)"
            )
