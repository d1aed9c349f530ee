"""The four views of MSCMNet's training and the one of its test.

Every view takes bytes as they were decoded and gives a new normalised tensor on the same device; each image has its own
draws. A view draws the same numbers from its generator whatever its probabilities are, so that changing one of them
leaves the other draws as they were. `functools.partial` or `make_views` sets the keywords.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from vireid.transforms.channels import exchange_channels, scale_channels
from vireid.transforms.chosen import change_chosen, draw_chosen
from vireid.transforms.color import brighten, grayscale, luma
from vireid.transforms.crop import draw_offsets, pad_and_crop
from vireid.transforms.erase import draw_boxes, erase
from vireid.transforms.flip import flip
from vireid.transforms.normalize import normalize
from vireid.transforms.pixels import check_pixels
from vireid.types import VireidError

__all__ = [
    "View",
    "evaluation_view",
    "infrared_channel",
    "infrared_global",
    "make_views",
    "visible_channel",
    "visible_global",
]

View = Callable[[Tensor, torch.Generator], Tensor]
"""From uint8 images b x 3 x h x w and a source of draws to normalised float images of that shape."""


def make_views(*, padding: int = 10, erasing: float = 0.5) -> dict[str, View]:
    """The four views by name, with what they have in common set.

    Args:
        padding: black pixels on each side before the crop.
        erasing: probability that a rectangle of an image is erased.

    Raises:
        VireidError: a negative padding, or erasing outside [0, 1].

    >>> sorted(make_views(padding=4))
    ['infrared_channel', 'infrared_global', 'visible_channel', 'visible_global']
    """
    if padding < 0 or not 0 <= erasing <= 1:
        raise VireidError(
            f"padding must be at least 0 pixels and erasing a probability, got padding {padding}, erasing {erasing}"
        )
    views = (visible_global, visible_channel, infrared_global, infrared_channel)
    return {view.__name__: partial(view, padding=padding, erasing=erasing) for view in views}


def visible_global(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    padding: int = 10,
    erasing: float = 0.5,
    flipping: float = 0.5,
    graying: float = 0.5,
) -> Float[Tensor, "b 3 h w"]:
    """Vg: gray or colour, padded and cropped, mirrored, normalised, erased.

    Args:
        images: uint8, b x 3 x h x w.
        generator: what to draw from, see `generator`.
        padding: black pixels on each side before the crop.
        erasing, flipping, graying: probability of each.

    Raises:
        VireidError: images that are not bytes of three channels.

    Reference:
        MSCMNet, section III-A and the authors' code.
    """
    check_pixels(images)
    gray = draw_chosen(len(images), graying, generator)
    return _common(change_chosen(images, gray, grayscale), generator, padding, erasing, flipping)


def visible_channel(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    padding: int = 10,
    erasing: float = 0.5,
    flipping: float = 0.5,
) -> Float[Tensor, "b 3 h w"]:
    """Vc: padded and cropped, mirrored, normalised, erased, then red, green or blue alone in all three channels.

    Arguments, errors and reference are those of `visible_global`; the channel exchange is CAJ's.
    """
    check_pixels(images)
    channel = torch.randint(3, (len(images),), generator=generator)
    return exchange_channels(_common(images, generator, padding, erasing, flipping), channel)


def infrared_global(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    padding: int = 10,
    erasing: float = 0.5,
    flipping: float = 0.5,
    second_channel: float = 0.5,
    graying: float = 0.5,
) -> Float[Tensor, "b 3 h w"]:
    """Tg: padded and cropped, mirrored, normalised, erased, then one channel or gray in all three, or as it is.

    Args:
        images: uint8, b x 3 x h x w.
        generator: what to draw from, see `generator`.
        padding: black pixels on each side before the crop.
        erasing, flipping: probability of each.
        second_channel: probability that the second channel is copied to all three.
        graying: probability of gray where it was not.

    Raises:
        VireidError: images that are not bytes of three channels.

    Reference:
        MSCMNet, section III-A and the authors' code.
    """
    check_pixels(images)
    second = draw_chosen(len(images), second_channel, generator)
    gray = draw_chosen(len(images), graying, generator)
    out = _common(images, generator, padding, erasing, flipping)
    out = change_chosen(out, gray & ~second, luma)
    return change_chosen(out, second, lambda some: some[:, 1:2].expand_as(some))


def infrared_channel(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    padding: int = 10,
    erasing: float = 0.5,
    flipping: float = 0.5,
    brightness: float = 0.5,
    scaling: float = 0.5,
) -> Float[Tensor, "b 3 h w"]:
    """Tc: brighter or darker, padded and cropped, mirrored, normalised, erased, then each channel scaled by its own.

    Args:
        images: uint8, b x 3 x h x w.
        generator: what to draw from, see `generator`.
        padding: black pixels on each side before the crop.
        erasing, flipping: probability of each.
        brightness: the factor is uniform over 1 - brightness to 1 + brightness.
        scaling: probability that the three channels are multiplied by 2 U(0.01, 0.5), a draw each.

    Raises:
        VireidError: images that are not bytes of three channels.

    Reference:
        MSCMNet's infrared channel expansion, section III-A and the authors' code.
    """
    check_pixels(images)
    factors = torch.empty(len(images)).uniform_(1 - brightness, 1 + brightness, generator=generator)
    scaled = draw_chosen(len(images), scaling, generator)
    scales = 2 * torch.empty(len(images), 3).uniform_(0.01, 0.5, generator=generator)
    out = _common(brighten(images, factors), generator, padding, erasing, flipping)
    return scale_channels(out, torch.where(scaled[:, None], scales, 1.0))


def evaluation_view(images: Shaped[Tensor, "..."]) -> Float[Tensor, "b 3 h w"]:
    """The view of retrieval: normalised, nothing else.

    Args:
        images: uint8, b x 3 x h x w.

    Raises:
        VireidError: images that are not bytes of three channels.
    """
    check_pixels(images)
    return normalize(images)


def _common(
    images: Shaped[Tensor, "b 3 h w"], generator: torch.Generator, padding: int, erasing: float, flipping: float
) -> Float[Tensor, "b 3 h w"]:
    """What all training views share: crop, mirror, normalise, erase."""
    count, _, height, width = images.shape
    top, left = draw_offsets(count, padding, generator)
    mirrored = draw_chosen(count, flipping, generator)
    boxes = draw_boxes(count, height, width, erasing, generator)
    # on bytes, as long as that is possible: a quarter of the memory to move
    moved = change_chosen(pad_and_crop(images, top, left, padding), mirrored, flip)
    return erase(normalize(moved), boxes)
