"""The views of a training by their names, and the one of its test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from vireid.transforms.common import View
from vireid.transforms.deen import DEEN_AREA, DEEN_FILL, deen_view
from vireid.transforms.erase import AREA
from vireid.transforms.infrared import infrared_any_channel, infrared_channel, infrared_global
from vireid.transforms.moves import Moves, draw_moves
from vireid.transforms.normalize import normalize
from vireid.transforms.pixels import check_pixels
from vireid.transforms.visible import visible_blurred, visible_channel, visible_global, visible_jittered
from vireid.types import VireidError

__all__ = ["SecondVisible", "Style", "evaluation_view", "make_drawing", "make_views"]

Style = Literal["mscmnet", "agw", "caj", "deen"]
"""Whose augmentation."""

SecondVisible = Literal["channel-exchange", "gray", "jitter", "blur", "none"]
"""What makes the second visible view: MSCMNet's Fig. 6."""

_plain = partial(visible_global, graying=0.0)

_STYLES: Mapping[str, tuple[Callable[..., Tensor], ...]] = {
    "mscmnet": (visible_global, infrared_global, infrared_channel),
    "agw": (_plain, _plain, _plain),
    "caj": (_plain, infrared_any_channel, infrared_any_channel),
    "deen": (deen_view, deen_view, deen_view),
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
    deen        `deen_view`                              `deen_view`; the same
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
    if padding < 0 or not 0 <= erasing <= 1:
        raise VireidError(
            f"padding must be at least 0 pixels and erasing a probability, got padding {padding}, erasing {erasing}"
        )
    second = _SECOND_VISIBLE[second_visible]
    if style == "deen":
        second = partial(second, area=DEEN_AREA, fill=DEEN_FILL)
    first, infrared, infrared_second = _STYLES[style]
    views = {
        "visible_global": first,
        "visible_channel": second,
        "infrared_global": infrared,
        "infrared_channel": infrared_second,
    }
    return {name: partial(view, padding=padding, erasing=erasing) for name, view in views.items()}


def make_drawing(
    *, style: Style = "mscmnet", padding: int = 10, erasing: float = 0.5
) -> Callable[[int, int, int, torch.Generator], Moves]:
    """What draws the moves that the views of `make_views` with these arguments would draw for themselves.

    >>> draw = make_drawing(style="caj", padding=4)
    >>> len(draw(3, 64, 32, torch.Generator().manual_seed(0)))
    3
    """
    area = DEEN_AREA if style == "deen" else AREA
    return partial(draw_moves, padding=padding, erasing=erasing, area=area)


def evaluation_view(images: Shaped[Tensor, "..."]) -> Float[Tensor, "b 3 h w"]:
    """The view of retrieval: normalised, nothing else.

    Args:
        images: uint8, b x 3 x h x w.

    Raises:
        VireidError: images that are not bytes of three channels.
    """
    check_pixels(images)
    return normalize(images)
