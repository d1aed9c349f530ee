"""The ALBs of MIMB by scale: what each brings of an image's places, and which token asks which."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64, UInt8

from vireid.figures.alb_attention import AlbAttention
from vireid.figures.image_sheet import SMALL, ImageSheet, shorten_to_width
from vireid.figures.style import DOUBLE, SEQUENTIAL, look, new_figure
from vireid.types import VireidError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_alb_attention", "draw_token_attention"]

_MARGIN = 1.0
_GAP = 1.0
_BETWEEN = 4.0
_HEAD = 6.5
_CAPTION = 4.0
_FOOT = 5.0


def draw_alb_attention(
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    captions: Sequence[str],
    attentions: Sequence[Sequence[AlbAttention]],
    *,
    across: int = 2,
    width: float = DOUBLE,
) -> Figure:
    """Draw each image, and beside it for every ALB what its scale brings of which place.

    Laid over the image is `AlbAttention.places`: how far the embedding turns when this ALB alone does not see the
    place. In each overlay the largest value has the full colour, and is written beneath it, for scales differ much;
    compare places of one overlay by colour, and scales of one image by these numbers. A line goes round what is above
    half of it, for gray print. A block of self-attention has no scale of its own and is left gray.

    Args:
        images: RGB; with ``across`` 2 the visible and the infrared image of a person, then of the next.
        captions: a line for each image.
        attentions: of each image, from `alb_attention`; all of networks with the same blocks.
        across: images side by side.
        width: of the figure in millimetres.

    Raises:
        VireidError: no images, captions or attentions of another number, blocks that differ, an image that is not RGB
            bytes, or Matplotlib is not installed.
    """
    blocks = _check(len(images), captions, attentions)
    if across < 1:
        raise VireidError(f"at least 1 image stands in a row, got across {across}")
    columns = across * (1 + blocks)
    wide = min(20.0, (width - 2 * _MARGIN - across * blocks * _GAP - (across - 1) * _BETWEEN) / columns)
    high = min(2.5 * wide, wide * max(image.shape[0] / image.shape[1] for image in images))
    rows = -(-len(images) // across)
    step = high + _CAPTION + _HEAD
    sheet = ImageSheet(width, rows * step + _FOOT)
    for number, (image, caption, blocks_of_image) in enumerate(zip(images, captions, attentions)):
        row, column = divmod(number, across)
        left = _MARGIN + column * ((1 + blocks) * (wide + _GAP) - _GAP + _BETWEEN)
        top = _HEAD + row * step
        sheet.write(_in_lines(caption, wide), left + wide / 2, top - 0.7, across="center", upright="bottom")
        sheet.place(image, left, top, wide, high)
        for place, block in enumerate(blocks_of_image, start=1):
            start = left + place * (wide + _GAP)
            values = np.zeros((1, 1), dtype=np.float32) if block.places is None else block.places
            told = "no own scale" if block.places is None else f"up to {block.places.max():#.2g}"
            sheet.write(
                _in_lines(_heading(block), wide), start + wide / 2, top - 0.7, across="center", upright="bottom"
            )
            sheet.place_heat(image, values, start, top, wide, high)
            sheet.write(told, start + wide / 2, top + high + 0.6, across="center")
    shapes = [block.places.shape for block in attentions[0] if block.places is not None]
    grid = " x ".join(map(str, shapes[0])) if shapes else "the"
    sheet.heat_bar(
        _MARGIN,
        rows * step + 1,
        low=f"turn of the embedding (1 - cosine) without one of {grid} blurred places: 0",
        high="the number beneath",
    )
    return sheet.figure


@look()
def draw_token_attention(
    captions: Sequence[str], attentions: Sequence[Sequence[AlbAttention]], *, width: float = DOUBLE
) -> Figure:
    """Draw for each image a row with the attention weights between tokens of every ALB, averaged over heads.

    Tokens are channels, without an order of their own: in each column of the figure they are put into the order of how
    much attention they are given, over all its images, most first; both sides alike. Weights are multiplied by the
    number of tokens, so that 1 is even attention; one scale of colours for the whole figure, from which the highest and
    the lowest half per cent stick out.

    Args:
        captions: a line for each image.
        attentions: of each image, from `alb_attention`; all of networks with the same blocks.
        width: of the figure in millimetres.

    Raises:
        VireidError: no images, captions of another number, blocks that differ, or Matplotlib is not installed.
    """
    blocks = _check(len(captions), captions, attentions)
    figure = new_figure(width, 10 + len(captions) * (width - 20) / blocks)
    grid = figure.subplots(len(captions), blocks, squeeze=False)
    weights = np.concatenate([block.tokens.ravel() * len(block.tokens) for block in itertools.chain(*attentions)])
    # A few weights far from all others would leave the rest one gray.
    low, high = np.percentile(weights, (0.5, 99.5))
    drawn = None
    for column in range(blocks):
        order = _order([row[column] for row in attentions])
        for axes, row, caption in zip(grid[:, column], attentions, captions):
            tokens = row[column].tokens
            ordered = tokens[np.ix_(order, order)] * len(tokens)
            drawn = axes.imshow(ordered, cmap=SEQUENTIAL, vmin=low, vmax=high, interpolation="none")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
            if column == 0:
                axes.set_ylabel(f"{caption}\ntoken that asks")
            if row is attentions[0]:
                axes.set_title(_heading(row[column]))
            if row is attentions[-1]:
                axes.set_xlabel("token that is asked")
    assert drawn is not None
    figure.colorbar(drawn, ax=grid, label="weight x number of tokens", extend="both", fraction=0.03, pad=0.01)
    return figure


def _check(images: int, captions: Sequence[str], attentions: Sequence[Sequence[AlbAttention]]) -> int:
    """Blocks of an image."""
    names = {tuple(block.name for block in blocks) for blocks in attentions}
    if not (images >= 1 and len(captions) == len(attentions) == images and len(names) == 1 and all(names)):
        raise VireidError(
            "attention by scale is drawn of at least 1 image, with a caption and the same blocks for every one, got "
            f"{images} images, {len(captions)} captions and {len(attentions)} attentions of blocks {sorted(names)}"
        )
    return len(attentions[0])


def _order(blocks: Sequence[AlbAttention]) -> Int64[np.ndarray, " t"]:
    given = np.mean([block.tokens.mean(axis=0) for block in blocks], axis=0)
    return np.argsort(-given, kind="stable").astype(np.int64)


def _heading(block: AlbAttention) -> str:
    """Two lines: the scale, and its grid."""
    return block.name.replace(f" {block.shallow.height} x", f"\n{block.shallow.height} x")


def _in_lines(words: str, width: float) -> str:
    return "\n".join(shorten_to_width(line, SMALL, width) for line in words.splitlines()[:2])
