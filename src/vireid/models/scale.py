"""Shapes of a trunk's maps, and how one is brought onto the grid of another."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from vireid.types import VireidError

__all__ = ["Scale", "reduce_to_grid"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Shape of the map that one level of a trunk puts out."""

    channels: int
    height: int
    width: int


def reduce_to_grid(shallow: Scale, deep: Scale, tokens: int) -> nn.Conv2d:
    """What brings a shallow map onto the deep grid: stride s, kernel s + 2, padding s / 2; 1x1 where s = 1.

    Args:
        shallow: shape of the map that comes in.
        deep: its grid is the one wanted; the channels do not matter.
        tokens: channels of the map put out.

    Raises:
        VireidError: the shallow grid is not 1, 2, 4, 6, ... times the deep one.
    """
    stride = shallow.height // deep.height
    if (shallow.height, shallow.width) != (stride * deep.height, stride * deep.width) or (stride > 1 and stride % 2):
        raise VireidError(
            f"a shallow grid must be 1, 2, 4, ... times the deep one, but {shallow.height} x {shallow.width} is not "
            f"over {deep.height} x {deep.width}; choose an image size that the trunk's strides divide"
        )
    if stride == 1:
        return nn.Conv2d(shallow.channels, tokens, 1)
    return nn.Conv2d(shallow.channels, tokens, stride + 2, stride=stride, padding=stride // 2)
