"""The views of infrared images; what `visible` says of its views holds here."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from vireid.transforms.chosen import change_chosen, draw_chosen
from vireid.transforms.color import brighten, luma
from vireid.transforms.common import move_and_erase
from vireid.transforms.moves import Movement, Moves
from vireid.transforms.pixels import check_pixels

__all__ = ["infrared_any_channel", "infrared_channel", "infrared_global"]


def infrared_global(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    second_channel: float = 0.5,
    graying: float = 0.5,
    movement: Movement | None = None,
    moves: Moves | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """Tg: padded and cropped, mirrored, normalised, erased, then one channel or gray in all three, or as it is.

    Args:
        images: uint8, b x 3 x h x w.
        generator: what to draw from, see `generator`.
        second_channel: probability that the second channel is copied to all three.
        graying: probability of gray where it was not.
        movement: how images are moved and erased; the default of `Movement` where it is None.
        moves: the geometry, where it was drawn before; then of the movement only the paint counts.

    Raises:
        VireidError: images that are not bytes of three channels, or moves of another number of images.

    Reference:
        MSCMNet, section III-A and the authors' code.
    """
    check_pixels(images)
    second = draw_chosen(len(images), second_channel, generator)
    gray = draw_chosen(len(images), graying, generator)
    channels = torch.where(second[:, None], 1, torch.arange(3))
    out = move_and_erase(images, generator, movement, moves, channels=channels)
    return change_chosen(out, gray & ~second, luma, in_place=True)


def infrared_channel(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    brightness: float = 0.5,
    scaling: float = 0.5,
    movement: Movement | None = None,
    moves: Moves | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """Tc: brighter or darker, padded and cropped, mirrored, normalised, erased, then each channel scaled by its own.

    Args:
        images: uint8, b x 3 x h x w.
        generator: what to draw from, see `generator`.
        brightness: the factor is uniform over 1 - brightness to 1 + brightness.
        scaling: probability that the three channels are multiplied by 2 U(0.01, 0.5), a draw each.
        movement, moves: as in `infrared_global`.

    Raises:
        VireidError: images that are not bytes of three channels, or moves of another number of images.

    Reference:
        MSCMNet's infrared channel expansion, section III-A and the authors' code.
    """
    check_pixels(images)
    factors = torch.empty(len(images)).uniform_(1 - brightness, 1 + brightness, generator=generator)
    scaled = draw_chosen(len(images), scaling, generator)
    scales = 2 * torch.empty(len(images), 3).uniform_(0.01, 0.5, generator=generator)
    out = move_and_erase(images, generator, movement, moves, recolor=lambda moved: brighten(moved, factors))
    scales = torch.where(scaled[:, None], scales, 1.0).to(images.device, non_blocking=True)
    return out.mul_(scales[:, :, None, None])


def infrared_any_channel(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    exchanging: float = 0.75,
    graying: float = 0.5,
    movement: Movement | None = None,
    moves: Moves | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """CAJ's: padded and cropped, mirrored, normalised, erased, then any one channel or gray in all three, or as it is.

    Args:
        images: uint8, b x 3 x h x w.
        generator: what to draw from, see `generator`.
        exchanging: probability that one of the three channels, each as likely, is copied to all.
        graying: probability of gray where none was.
        movement, moves: as in `infrared_global`.

    Raises:
        VireidError: images that are not bytes of three channels, or moves of another number of images.

    Reference:
        CAJ (Ye et al., Channel Augmented Joint Learning for Visible-Infrared Recognition, ICCV 2021), authors' code.
    """
    check_pixels(images)
    exchanged = draw_chosen(len(images), exchanging, generator)
    channel = torch.randint(3, (len(images),), generator=generator)
    gray = draw_chosen(len(images), graying, generator)
    channels = torch.where(exchanged[:, None], channel[:, None], torch.arange(3))
    out = move_and_erase(images, generator, movement, moves, channels=channels)
    return change_chosen(out, gray & ~exchanged, luma, in_place=True)
