"""How far apart images of the same and of different people lie, across the modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from vireid.figures import style
from vireid.types import VireidError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PairDistances", "draw_distances", "pair_distances"]

_ROWS = 256
_BINS = 60


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
    persons: Int[np.ndarray, " n"],
    infrared: Bool[np.ndarray, " n"],
    *,
    limit: int = 200_000,
    seed: int = 0,
) -> PairDistances:
    """Distances ``1 - a . b / (|a| |b|)`` of every infrared image a and visible image b.

    The means are exact: those of all pairs are the product of the sums of unit vectors, and those of one person's pairs
    likewise. Distances are kept of all pairs, or of ``limit`` drawn ones of each kind.

    Args:
        features: of any length above 0.
        persons: identity of each row; rows below 0 are unknown and left out.
        infrared: True for infrared, False for visible images.
        limit: distances kept of each kind at most.
        seed: of the draw.

    Raises:
        VireidError: NaN or infinity, columns of different lengths, a limit below 1, or no pair of one kind.

    Reference: MSCMNet (arXiv 2309.13532), Fig. 10.

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
    known = persons >= 0
    unit = features.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    order = np.argsort(persons, kind="stable")
    night, day = (order[known[order] & (infrared[order] == side)] for side in (True, False))
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
    sums = np.vstack([np.zeros(unit.shape[1]), np.cumsum(unit[day], axis=0)])
    intra_cosine = float(np.einsum("nd,nd->", unit[night], sums[ends] - sums[starts]))
    all_cosine = float(unit[night].sum(axis=0) @ sums[-1])
    generator = np.random.default_rng(seed)
    # The k-th pair of a kind: a person's own images lie together, all others are what is left before and after them.
    places = np.sort(_draw(generator, intra_count, limit))
    rows = np.searchsorted(np.cumsum(own), places, side="right")
    columns = starts[rows] + places - (np.cumsum(own) - own)[rows]
    intra = _distances(unit, night[rows], day[columns])
    others = len(day) - own
    places = np.sort(_draw(generator, pairs - intra_count, limit))
    rows = np.searchsorted(np.cumsum(others), places, side="right")
    columns = places - (np.cumsum(others) - others)[rows]
    columns = columns + np.where(columns >= starts[rows], own[rows], 0)
    inter = _distances(unit, night[rows], day[columns])
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
    """A histogram of both kinds for each model, with the means as lines and their difference delta.

    All panels share their axes and their bins. Each kind's bars sum to 1, since there are many more pairs of different
    people.

    Args:
        panels: distances by their title, such as ``before`` and ``after``.

    Raises:
        VireidError: no panel, or Matplotlib is not installed.
    """
    if not panels:
        raise VireidError("a figure of distances needs at least one panel, got none")
    wide = len(panels) > 1
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    figure = style.new_figure(style.DOUBLE if wide else style.SINGLE, 60 * down)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    every = np.concatenate([np.concatenate([one.intra, one.inter]) for one in panels.values()])
    edges = np.linspace(float(every.min()), max(float(every.max()), float(every.min()) + 1e-3), _BINS + 1)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    tallest = 0.0
    for axes, (title, pairs) in zip(grid.flat, panels.items()):
        kinds = (
            ("same person", pairs.intra, pairs.intra_mean, pairs.intra_count),
            ("different people", pairs.inter, pairs.inter_mean, pairs.inter_count),
        )
        for number, (kind, values, mean, count) in enumerate(kinds):
            shares = np.histogram(values, edges)[0] / len(values)
            tallest = max(tallest, float(shares.max()))
            axes.stairs(
                shares,
                edges,
                fill=True,
                alpha=0.55,
                facecolor=style.colour(number),
                hatch=style.HATCHES[number],
                edgecolor=style.INK if number else style.colour(number),
                linewidth=0,
                label=f"{kind} ({count:,} pairs)",
            )
            axes.stairs(shares, edges, color=style.colour(number), linewidth=1.0)
            axes.axvline(mean, color=style.INK, linewidth=1.1, linestyle=style.LINES[number])
        style.name_panel(axes, title)
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    for axes, pairs in zip(grid.flat, panels.values()):
        axes.set_ylim(0, tallest * 1.75)
        axes.set_xlim(edges[0], edges[-1])
        _name_means(axes, pairs, tallest * 1.12)
    for axes in grid[-1]:
        axes.set_xlabel("cosine distance, infrared to visible")
    for axes in grid[:, 0]:
        axes.set_ylabel("share of pairs")
    return figure


def _name_means(axes: Axes, pairs: PairDistances, height: float) -> None:
    low, high = sorted((pairs.intra_mean, pairs.inter_mean))
    axes.annotate("", (high, height), (low, height), arrowprops={"arrowstyle": "<->", "linewidth": 0.8})
    axes.text(
        (low + high) / 2,
        height * 1.02,
        f"δ = {pairs.delta:.3f}",
        ha="center",
        va="bottom",
        fontsize=8,
        fontweight="bold",
    )
    for mean, side in ((low, "right"), (high, "left")):
        axes.annotate(
            f"{mean:.3f}",
            (mean, height),
            xytext=(-3 if side == "right" else 3, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=7,
        )


def _draw(generator: np.random.Generator, count: int, limit: int) -> np.ndarray:
    if count <= limit:
        return np.arange(count)
    return generator.choice(count, limit, replace=False, shuffle=False)


def _distances(
    unit: Float[np.ndarray, "n d"], left: Int[np.ndarray, " k"], right: Int[np.ndarray, " k"]
) -> Float32[np.ndarray, " k"]:
    values = np.empty(len(left), dtype=np.float32)
    for start in range(0, len(left), _ROWS):
        some = slice(start, start + _ROWS)
        values[some] = 1 - np.einsum("nd,nd->n", unit[left[some]], unit[right[some]])
    return values
