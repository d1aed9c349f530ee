"""Colour jitter: another brightness, contrast, saturation and hue for each image."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

__all__ = ["draw_jitter", "jitter"]


def draw_jitter(
    count: int,
    generator: torch.Generator,
    *,
    brightness: float = 0.5,
    contrast: float = 0.5,
    saturation: float = 0.5,
    hue: float = 0.1,
) -> tuple[Float[Tensor, "count 4"], Int[Tensor, "count 4"]]:
    """Amounts of the four changes for each image, and the order in which it gets them.

    Args:
        count: images.
        generator: what to draw from.
        brightness, contrast, saturation: the factor is uniform over 1 - this to 1 + this, 0 to 1.
        hue: the shift is uniform over - this to this, in turns of the colour circle, 0 to 0.5.
    """
    spread = torch.tensor([brightness, contrast, saturation, hue])
    centre = torch.tensor([1.0, 1.0, 1.0, 0.0])
    amounts = centre + spread * torch.empty(count, 4).uniform_(-1, 1, generator=generator)
    order = torch.rand(count, 4, generator=generator).argsort(dim=1)
    return amounts, order


def jitter(
    images: UInt8[Tensor, "b 3 h w"], amounts: Float[Tensor, "b 4"], order: Int[Tensor, "b 4"]
) -> UInt8[Tensor, "b 3 h w"]:
    """Change brightness, contrast, saturation and hue of each image, each clipped to bytes, as torchvision does.

    Args:
        images: bytes.
        amounts: three factors of at least 0, and a shift of hue from -0.5 to 0.5.
        order: which change comes first, second ..: 0 brightness, 1 contrast, 2 saturation, 3 hue. On the CPU.

    Deviation:
        torchvision goes from RGB to HSV and back in other steps, so a level may
        differ by 1 after saturation or hue, which later changes may stretch.
    """
    levels = images.float()
    own = amounts.to(images.device, non_blocking=True)
    # of each place in the order, the images that get the same change there get it together
    for place in range(len(_CHANGES)):
        for number, change in enumerate(_CHANGES):
            rows = (order[:, place] == number).nonzero()[:, 0].to(images.device, non_blocking=True)
            amount = own[:, number].index_select(0, rows)[:, None, None, None]
            changed = change(levels.index_select(0, rows), amount)
            levels.index_copy_(0, rows, changed.clamp_(0, 255).trunc_())
    return levels.byte()


# Each takes levels that it may write, whole numbers 0 to 255 as floats, and gives levels that are to be clipped.


def _brightness(levels: Tensor, factors: Tensor) -> Tensor:
    return levels.mul_(factors)


def _contrast(levels: Tensor, factors: Tensor) -> Tensor:
    mean = _gray(levels).mean(dim=(1, 2, 3), keepdim=True).mul_(1 - factors)
    return levels.mul_(factors).add_(mean)


def _saturation(levels: Tensor, factors: Tensor) -> Tensor:
    gray = _gray(levels).mul_(1 - factors)
    return levels.mul_(factors).add_(gray)


def _hue(levels: Tensor, shifts: Tensor) -> Tensor:
    """Turn the circle of colours: a channel is lowest near its complement there, and highest far from it."""
    red, green, blue = levels.unbind(1)
    highest = torch.maximum(torch.maximum(red, green), blue)
    spread = highest - torch.minimum(torch.minimum(red, green), blue)
    # in sixths of a turn from red; of a gray, whose spread is 0, any will do
    hue = torch.where(
        highest == red,
        green - blue,
        torch.where(highest == green, (blue - red).add_(spread, alpha=2), (red - green).add_(spread, alpha=4)),
    )
    hue = hue.div_(spread.clamp(min=1))[:, None].add_(6 * shifts)
    # from cyan, magenta and yellow, which lie at 3, 5 and 7 of 6
    away = hue - torch.arange(3, 9, 2, device=levels.device)[:, None, None]
    away.sub_((away / 6).round_(), alpha=6).abs_()
    depth = away.neg_().add_(2).clamp_(0, 1)
    # a fraction just below a level counts as that level, as where torchvision makes bytes of 0 to 1
    return torch.addcmul(highest[:, None], spread[:, None], depth, value=-1).mul_(255.999 / 255)


def _gray(levels: Tensor) -> Tensor:
    red, green, blue = levels.unbind(1)
    return (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).floor_()[:, None]


_CHANGES = (_brightness, _contrast, _saturation, _hue)
