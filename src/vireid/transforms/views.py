"""The views of a training by their names, and the one of its test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, get_args

from jaxtyping import Float, Shaped
from torch import Tensor

from vireid.transforms.common import View
from vireid.transforms.infrared import infrared_any_channel, infrared_channel, infrared_global
from vireid.transforms.moves import Movement
from vireid.transforms.normalize import IMAGENET_MEAN, normalize
from vireid.transforms.pixels import check_pixels
from vireid.transforms.visible import visible_blurred, visible_channel, visible_global, visible_jittered
from vireid.types import VireidError

__all__ = ["SecondVisible", "Style", "evaluation_view", "make_movement", "make_views"]

Style = Literal["mscmnet", "agw", "caj", "deen"]
"""Whose augmentation."""

SecondVisible = Literal["channel-exchange", "gray", "jitter", "blur", "none"]
"""What makes the second visible view: MSCMNet's Fig. 6."""

DEEN_AREA = (0.2, 0.8)
"""Smallest and largest share of an image that DEEN erases on SYSU-MM01.

Its paint is ImageNet's mean, on *normalised* images, where the mean would be 0: as bytes not the mean (124, 116, 104),
but a lighter gray, about (152, 142, 127).
"""

_plain = partial(visible_global, graying=0.0)

_STYLES: Mapping[str, tuple[Callable[..., Tensor], ...]] = {
    "mscmnet": (visible_global, infrared_global, infrared_channel),
    "agw": (_plain, _plain, _plain),
    "caj": (_plain, infrared_any_channel, infrared_any_channel),
    "deen": (visible_global, visible_global, visible_global),
}

_SECOND_VISIBLE: Mapping[str, Callable[..., Tensor]] = {
    "channel-exchange": visible_channel,
    "gray": partial(visible_global, graying=1.0),
    "jitter": visible_jittered,
    "blur": visible_blurred,
    "none": _plain,
}


def make_views(
    *,
    style: Style = "mscmnet",
    second_visible: SecondVisible = "channel-exchange",
    padding: int = 10,
    erasing: float = 0.5,
) -> dict[str, View]:
    """The four views by name, each with a keyword ``moves`` for a geometry that was drawn before, see `draw_moves`.

    ==========  =======================================  ==============================================
    style       visible_global                           infrared_global; infrared_channel
    ==========  =======================================  ==============================================
    mscmnet     `visible_global`                         `infrared_global`; `infrared_channel`
    agw         moved and erased, colour as it is        moved and erased; the same
    caj         moved and erased, colour as it is        `infrared_any_channel`; the same
    deen        `visible_global`, much erased            the same; the same
    ==========  =======================================  ==============================================

    In every style visible_channel is the second visible view: moved and erased as the first, after all of which one
    channel goes to all three (channel-exchange), or before all of which, on bytes, the image is turned gray, jittered
    or blurred, or nothing (none).

    Args:
        style: whose augmentation. AGW's is without erasing: give ``erasing=0``.
        second_visible: see above.
        padding: black pixels on each side before the crop.
        erasing: probability that a rectangle of an image is erased.

    Raises:
        VireidError: another style or second view, a negative padding, or erasing outside [0, 1].

    >>> sorted(make_views(padding=4))
    ['infrared_channel', 'infrared_global', 'visible_channel', 'visible_global']
    """
    if style not in get_args(Style):
        raise VireidError(f"the style of augmentation must be one of {', '.join(get_args(Style))}, got {style!r}")
    if second_visible not in get_args(SecondVisible):
        raise VireidError(
            f"the second visible view must be one of {', '.join(get_args(SecondVisible))}, got {second_visible!r}"
        )
    movement = make_movement(style=style, padding=padding, erasing=erasing)
    first, infrared, infrared_second = _STYLES[style]
    views = {
        "visible_global": first,
        "visible_channel": _SECOND_VISIBLE[second_visible],
        "infrared_global": infrared,
        "infrared_channel": infrared_second,
    }
    return {name: partial(view, movement=movement) for name, view in views.items()}


def make_movement(*, style: Style = "mscmnet", padding: int = 10, erasing: float = 0.5) -> Movement:
    """How the views of `make_views` with these arguments move and erase; see there.

    Reference:
        DEEN (Zhang and Wang, Diverse Embedding Expansion Network, CVPR 2023), the authors' code for SYSU-MM01: area and
        paint of the style ``deen``. On RegDB and LLCM its area is the usual one.
    """
    if style == "deen":
        return Movement(padding=padding, erasing=erasing, area=DEEN_AREA, fill=IMAGENET_MEAN)
    return Movement(padding=padding, erasing=erasing)


def evaluation_view(images: Shaped[Tensor, "..."]) -> Float[Tensor, "b 3 h w"]:
    """The view of retrieval: normalised, nothing else.

    Args:
        images: uint8, b x 3 x h x w.

    Raises:
        VireidError: images that are not bytes of three channels.
    """
    check_pixels(images)
    return normalize(images)
