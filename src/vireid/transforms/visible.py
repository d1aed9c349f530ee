"""The views of visible images.

Every view takes bytes as they were decoded and gives a new normalised tensor on the same device; each image has its own
draws. A view draws the same numbers from its generator whatever its probabilities are, so that changing one of them
leaves the other draws as they were.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from vireid.transforms.blur import blur
from vireid.transforms.chosen import change_chosen, draw_chosen
from vireid.transforms.color import grayscale
from vireid.transforms.common import move_and_erase
from vireid.transforms.jitter import draw_jitter, jitter
from vireid.transforms.moves import Movement, Moves
from vireid.transforms.pixels import check_pixels

__all__ = ["visible_blurred", "visible_channel", "visible_global", "visible_jittered"]


def visible_global(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    graying: float = 0.5,
    movement: Movement | None = None,
    moves: Moves | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """Vg: gray or colour, padded and cropped, mirrored, normalised, erased.

    Args:
        images: uint8, b x 3 x h x w.
        generator: what to draw from, see `generator`.
        graying: probability of gray; 0 and 1 are the plain and the gray view.
        movement: how images are moved and erased; the default of `Movement` where it is None.
        moves: the geometry, where it was drawn before; then of the movement only the paint counts.

    Raises:
        VireidError: images that are not bytes of three channels, or moves of another number of images.

    Reference:
        MSCMNet, section III-A and the authors' code.
    """
    check_pixels(images)
    gray = draw_chosen(len(images), graying, generator)
    return move_and_erase(
        images,
        generator,
        movement,
        moves,
        recolor=lambda moved: change_chosen(moved, gray, grayscale).float(),
    )


def visible_channel(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    movement: Movement | None = None,
    moves: Moves | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """Vc: padded and cropped, mirrored, normalised, erased, then red, green or blue alone in all three channels.

    Arguments, errors and reference are those of `visible_global`; the channel exchange is CAJ's.
    """
    check_pixels(images)
    channel = torch.randint(3, (len(images),), generator=generator)
    one = move_and_erase(images, generator, movement, moves, channels=channel[:, None])
    return one.repeat(1, 3, 1, 1)


def visible_jittered(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    movement: Movement | None = None,
    moves: Moves | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """Another brightness, contrast, saturation and hue, then padded and cropped, mirrored, normalised, erased.

    Arguments and errors are those of `visible_global`.

    Reference:
        MSCMNet, Fig. 6, which gives no amounts: `draw_jitter`'s are ours, brightness that of the infrared view.
    """
    check_pixels(images)
    recoloured = jitter(images, *draw_jitter(len(images), generator))
    return move_and_erase(recoloured, generator, movement, moves)


def visible_blurred(
    images: Shaped[Tensor, "..."],
    generator: torch.Generator,
    *,
    deviation: tuple[float, float] = (0.1, 2.0),
    movement: Movement | None = None,
    moves: Moves | None = None,
) -> Float[Tensor, "b 3 h w"]:
    """Blurred by a Gaussian, then padded and cropped, mirrored, normalised, erased.

    Arguments and errors are those of `visible_global`.

    Args:
        deviation: smallest and largest standard deviation in pixels; uniform.

    Reference:
        MSCMNet, Fig. 6, which gives no width: the deviations are torchvision's.
    """
    check_pixels(images)
    sigmas = torch.empty(len(images)).uniform_(*deviation, generator=generator)
    return move_and_erase(blur(images, sigmas), generator, movement, moves)
