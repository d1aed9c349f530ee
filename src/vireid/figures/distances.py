"""How far apart images of the same and of different people lie, across the modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64

from vireid.figures import style
from vireid.types import VireidError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PairDistances", "draw_distances", "pair_distances"]

_ROWS = 1024
_BINS = 60
_KINDS = ("same person", "different people")
_MEAN = "mean, "


@dataclass(frozen=True, eq=False, kw_only=True)
class PairDistances:
    """Cosine distances ``1 - cos``, 0 to 2, of infrared and visible images.

    Attributes:
        intra: of pairs of one person; a sample where there are many.
        inter: of pairs of different people; a sample likewise.
        intra_mean, inter_mean: over all pairs, not over the sample.
        intra_count, inter_count: all pairs.
    """

    intra: Float32[np.ndarray, " i"]
    inter: Float32[np.ndarray, " j"]
    intra_mean: float
    inter_mean: float
    intra_count: int
    inter_count: int

    @property
    def delta(self) -> float:
        """How much farther apart different people lie on average: the mean of inter less that of intra."""
        return self.inter_mean - self.intra_mean


def pair_distances(
    features: Float[np.ndarray, "n d"],
    persons: Int[np.ndarray, " _"],
    infrared: Bool[np.ndarray, " _"],
    *,
    limit: int = 200_000,
    seed: int = 0,
) -> PairDistances:
    """Distances ``1 - a . b / (|a| |b|)`` of every infrared image a and visible image b.

    The means are of all pairs, since the sum of many dot products is the dot product of the sums. Distances are kept of
    all pairs, or of ``limit`` drawn ones of each kind.

    Args:
        features: of any length; a row of zeros is as far from all others as a right angle.
        persons: identity of each row; rows below 0 are unknown and left out.
        infrared: True for infrared, False for visible images.
        limit: distances kept of each kind at most.
        seed: of the draw.

    Raises:
        VireidError: NaN or infinity, columns of different lengths, a limit below 1, or no pair of one kind.

    Reference: MSCMNet (arXiv 2311.14395), Fig. 10.

    >>> features, persons = np.float32([[1, 0], [2, 0], [0, 1]]), np.array([4, 4, 5])
    >>> pairs = pair_distances(features, persons, np.array([True, False, False]))
    >>> pairs.intra_mean, pairs.inter_mean, pairs.delta
    (0.0, 1.0, 1.0)
    """
    if not len(features) == len(persons) == len(infrared):
        raise VireidError(
            f"each image needs a feature, an identity and a modality, got {len(features)} features, {len(persons)} "
            f"identities and {len(infrared)} modalities"
        )
    if limit < 1:
        raise VireidError(f"the limit of pairs must be 1 or more, got {limit}")
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise VireidError(
            f"distances need finite features, but {int(bad.sum())} of {len(features)} rows hold NaN or infinity; embed "
            "these images again"
        )
    order = np.argsort(persons, kind="stable")
    night, day = (order[(persons[order] >= 0) & (infrared[order] == side)] for side in (True, False))
    # Where each infrared image's own person stands among the visible ones, which are sorted by person.
    starts, ends = (np.searchsorted(persons[day], persons[night], side=side) for side in ("left", "right"))
    own = ends - starts
    pairs, intra_count = len(night) * len(day), int(own.sum())
    if not 0 < intra_count < pairs:
        raise VireidError(
            "distances across modalities need a person seen by both infrared and visible cameras and two people at "
            f"least, got {len(night)} infrared and {len(day)} visible images with {intra_count} pairs of one person "
            f"and {pairs - intra_count} of different people"
        )
    names = np.unique(persons)
    sums = [_sums(features, rows, np.searchsorted(names, persons[rows]), len(names)) for rows in (night, day)]
    intra_cosine = float((sums[0] * sums[1]).sum())
    all_cosine = float(sums[0].sum(axis=0) @ sums[1].sum(axis=0))
    generator = np.random.default_rng(seed)
    # Of each infrared image, its own person's visible images lie together; others are all before and after them.
    rows, places = _locate(_draw(generator, intra_count, limit), own)
    intra = _distances(features, night[rows], day[starts[rows] + places])
    rows, places = _locate(_draw(generator, pairs - intra_count, limit), len(day) - own)
    inter = _distances(features, night[rows], day[places + np.where(places >= starts[rows], own[rows], 0)])
    return PairDistances(
        intra=intra,
        inter=inter,
        intra_mean=1 - intra_cosine / intra_count,
        inter_mean=1 - (all_cosine - intra_cosine) / (pairs - intra_count),
        intra_count=intra_count,
        inter_count=pairs - intra_count,
    )


@style.look()
def draw_distances(panels: Mapping[str, PairDistances]) -> Figure:
    """A histogram of both kinds for each model, with the means as lines, in words, and their difference δ.

    All panels share their bins and their axes, which begin at 0. The bars of each kind sum to 1, since there are many
    more pairs of different people.

    Args:
        panels: distances by their title, such as ``before`` and ``after``.

    Raises:
        VireidError: no panel, or Matplotlib is not installed.
    """
    if not panels:
        raise VireidError("a figure of distances needs at least one panel, got none")
    across = min(len(panels), 2)
    down = -(-len(panels) // across)
    figure = style.new_figure(style.DOUBLE if across > 1 else style.SINGLE, 6 + 54 * down)
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    every = np.concatenate([values for one in panels.values() for values in (one.intra, one.inter)])
    # Rounding leaves distances a little below 0.
    lowest, highest = max(0.0, float(every.min())), float(every.max())
    edges = np.linspace(lowest, max(highest, lowest + 1e-3), _BINS + 1)
    shares = [
        [np.histogram(values.clip(min=lowest), edges)[0] / len(values) for values in (one.intra, one.inter)]
        for one in panels.values()
    ]
    tallest = float(np.max(shares))
    for axes, (title, pairs), both in zip(grid.flat, panels.items(), shares):
        _draw_panel(axes, pairs, both, edges, tallest)
        style.name_panel(axes, title)
        axes.set_ylim(0, tallest * 1.45)
        axes.set_xlim(0, 1.04 * edges[-1])
        axes.set_xlabel(
            "cosine distance, infrared to visible\n"
            f"{pairs.intra_count:,} pairs of one person, {pairs.inter_count:,} of different people",
            fontsize=7,
        )
    for axes in grid[:, 0]:
        axes.set_ylabel("share of pairs")
    handles, names = grid[0, 0].get_legend_handles_labels()
    key = dict(zip(names, handles))
    # Legends are filled column by column: the mean of a kind stands below its bars.
    order = [name for kind in _KINDS for name in (kind, _MEAN + kind)]
    figure.legend([key[name] for name in order], order, loc="outside lower center", ncols=2)
    return figure


def _draw_panel(
    axes: Axes, pairs: PairDistances, shares: Sequence[np.ndarray], edges: np.ndarray, tallest: float
) -> None:
    top = tallest * 1.13
    means = dict(zip(_KINDS, (pairs.intra_mean, pairs.inter_mean)))
    for number, (kind, mean) in enumerate(means.items()):
        colour = style.colour(number)
        axes.stairs(
            shares[number],
            edges,
            fill=True,
            alpha=0.55,
            facecolor=colour,
            hatch=style.HATCHES[number],
            edgecolor=style.INK if number else colour,
            linewidth=0,
            label=kind,
        )
        axes.stairs(shares[number], edges, color=colour, linewidth=1.0, zorder=3)
        axes.plot(
            [mean, mean],
            [0, top],
            color=style.INK,
            linewidth=1.1,
            linestyle=style.LINES[number],
            zorder=4,
            label=_MEAN + kind,
        )
    low, high = sorted(means.values())
    axes.plot([low, high], [top, top], color=style.INK, linewidth=1.1)
    # On the side with more room.
    side = 1 if low + high < edges[-1] else -1
    words = "\n".join([f"δ = {pairs.delta:.3f}", *(f"{kind} {mean:.3f}" for kind, mean in means.items())])
    axes.annotate(
        words,
        (high if side > 0 else low, tallest * 1.4),
        (4 * side, 0),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="top",
        fontsize=7,
        zorder=5,
    )


def _draw(generator: np.random.Generator, count: int, limit: int) -> Int64[np.ndarray, " k"]:
    """Which of some pairs to keep, ascending."""
    if count <= limit:
        return np.arange(count)
    return np.sort(generator.choice(count, limit, replace=False, shuffle=False))


def _locate(
    pairs: Int64[np.ndarray, " k"], counts: Int64[np.ndarray, " n"]
) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
    """Row of each pair where row after row has some pairs, and its place in the row."""
    ends = np.cumsum(counts)
    rows = np.searchsorted(ends, pairs, side="right")
    return rows, pairs - (ends - counts)[rows]


def _sums(
    features: Float[np.ndarray, "n d"], rows: Int64[np.ndarray, " k"], numbers: Int64[np.ndarray, " k"], count: int
) -> Float64[np.ndarray, "p d"]:
    """Sum of the unit vectors of each person's images."""
    sums = np.zeros((count, features.shape[1]))
    for start in range(0, len(rows), _ROWS):
        some = slice(start, start + _ROWS)
        np.add.at(sums, numbers[some], _unit(features[rows[some]]))
    return sums


def _distances(
    features: Float[np.ndarray, "n d"], left: Int64[np.ndarray, " k"], right: Int64[np.ndarray, " k"]
) -> Float32[np.ndarray, " k"]:
    values = np.empty(len(left), dtype=np.float32)
    for start in range(0, len(left), _ROWS):
        some = slice(start, start + _ROWS)
        values[some] = 1 - np.einsum("nd,nd->n", _unit(features[left[some]]), _unit(features[right[some]]))
    return values


def _unit(vectors: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """Rows of length 1 in double precision, in which the means of millions of pairs keep their digits."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
