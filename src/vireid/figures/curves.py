"""Curves: matches among the first ranks, and losses during a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float64

from vireid.figures import style
from vireid.types import VireidError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_cmc", "draw_losses", "smooth"]

_RANKS = 20
_MARKED = (0, 4, 9, 19)
_TERM = "loss/"
_FAR = 2.5
"""Times the 90th percentile of a term: what is above stands apart from its bulk."""


@style.look()
def draw_cmc(curves: Mapping[str, Float[np.ndarray, " k"] | Sequence[float]]) -> Figure:
    """Share of queries with a true match among the first 1 to 20 ranks, a line a model.

    Args:
        curves: cumulative matching characteristic of each model, fractions 0 to 1 that never fall, by its name.

    Raises:
        VireidError: no curve, or one that is empty, is no fraction or falls; Matplotlib is not installed.
    """
    if not curves:
        raise VireidError("a figure of matching curves needs at least one curve, got none")
    figure = style.new_figure(style.SINGLE, 54 + 4 * len(curves))
    axes = figure.add_subplot()
    for number, (name, curve) in enumerate(curves.items()):
        rates = np.asarray(curve, dtype=np.float64)[:_RANKS]
        if rates.ndim != 1 or not len(rates) or not ((rates >= 0) & (rates <= 1)).all() or (np.diff(rates) < 0).any():
            raise VireidError(
                f"a matching curve is a row of fractions from 0 to 1 that never fall, but that of {name!r} is not: "
                f"{np.array2string(rates, precision=3, threshold=8)}; give Score.cmc"
            )
        axes.plot(
            np.arange(1, len(rates) + 1),
            rates * 100,
            color=style.colour(number),
            linestyle=style.line(number),
            marker=style.MARKERS[(number + number // len(style.COLOURS)) % len(style.MARKERS)],
            markevery=[place for place in _MARKED if place < len(rates)],
            label=f"{style.shorten_to_letters(name, 28)}, Rank-1 {rates[0] * 100:.1f}",
        )
    axes.set_xlim(0.5, _RANKS + 0.5)
    axes.set_xticks([1, 5, 10, 15, 20])
    axes.set_ylim(0, 100)
    axes.grid(visible=True)
    axes.set_xlabel("rank")
    axes.set_ylabel("queries with a match (%)")
    figure.legend(loc="outside lower center")
    return figure


@style.look()
def draw_losses(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Every term of the loss over epochs, smoothed over faint raw values, with the learning rate beneath.

    Panels share their axes. Values that are not finite leave a gap. Where a few smoothed values lie far above the bulk,
    such as a term's first steps, the scale is logarithmic; with values of 0 or below it is linear and follows the bulk.
    Where the axis cuts values off, that is said.

    Args:
        runs: the log's steps of each run (`vireid.training.RunRecord.steps`), by the run's name; a run without steps
            is not drawn.

    Raises:
        VireidError: no run with a step, or none with a finite loss; Matplotlib is not installed.
    """
    logged = {name: steps for name, steps in runs.items() if steps}
    if not logged:
        raise VireidError(
            "loss curves need a run with a log of its steps, but none of "
            f"{', '.join(runs) or 'no runs'} has one; give a run directory that vireid train made"
        )
    count = len(logged)
    figure = style.new_figure(style.SINGLE * min(count, 2) + 8 * (count > 1), 80)
    grid = figure.subplots(2, count, squeeze=False, sharex=True, sharey="row", height_ratios=(3, 1))
    terms = sorted({key for steps in logged.values() for step in steps for key in step if key.startswith(_TERM)})
    raw, smooth_ones, handles = [], [], {}
    for (loss_axes, rate_axes), (name, steps) in zip(grid.T, logged.items()):
        epochs = _epochs(steps)
        for number, term in enumerate(terms):
            values = np.array([step.get(term, np.nan) for step in steps], dtype=np.float64)
            values[~np.isfinite(values)] = np.nan
            if np.isnan(values).all():
                continue
            loss_axes.plot(epochs, values, color=style.colour(number), alpha=0.25, linewidth=0.4)
            smoothed = smooth(values)
            raw.append(values[np.isfinite(values)])
            smooth_ones.append(smoothed[np.isfinite(smoothed)])
            (handles[term],) = loss_axes.plot(
                epochs,
                smoothed,
                color=style.colour(number),
                linestyle=style.line(number),
                label=term.removeprefix(_TERM).replace("_", " "),
            )
        style.name_panel(loss_axes, name, 40 if count < 3 else 80 // count)
        loss_axes.grid(visible=True)
        rate_axes.plot(epochs, [step.get("learning_rate", np.nan) for step in steps], color=style.INK, linewidth=1)
        rate_axes.grid(visible=True)
        rate_axes.set_xlabel("epoch")
    if not handles:
        raise VireidError(
            f"loss curves need finite values of '{_TERM}...', but the logs of {', '.join(logged)} hold none; look at "
            "the log.jsonl of the run"
        )
    cut = _scale_losses(grid[0, 0], raw, smooth_ones)
    grid[1, 0].set_ylabel("learning rate\nbut for head")
    grid[1, 0].set_ylim(bottom=0)
    figure.legend(
        handles=list(handles.values()),
        loc="outside lower center",
        ncols=3 if count > 1 else 2,
        title=cut,
        title_fontsize=7,
    )
    return figure


def _scale_losses(
    axes: Axes, raw: Sequence[Float64[np.ndarray, " _"]], smoothed: Sequence[Float64[np.ndarray, " _"]]
) -> str | None:
    """Set the axis of all terms by what most of them need; what of the values it leaves out, in words."""
    highest, lowest = max(float(values.max()) for values in raw), min(float(values.min()) for values in raw)
    top = max(max(float(line.max()), float(np.percentile(values, 99))) for line, values in zip(smoothed, raw))
    bulk = max(_FAR * float(np.percentile(line, 90)) for line in smoothed)
    axes.set_ylabel("loss")
    if top <= bulk or lowest <= 0:
        top = 1.08 * min(top, bulk) if bulk > 0 else 1.08 * top
        axes.set_ylim(0, top)
        return f"values above the axis are cut off; the highest is {highest:.3g}" if highest > top else None
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    bottom, top = 0.85 * min(float(line.min()) for line in smoothed), 1.15 * top
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("loss (log scale)")
    if highest <= top and lowest >= bottom:
        return None
    return f"values beyond the axis are cut off; they reach from {lowest:.3g} to {highest:.3g}"


def smooth(values: Float[np.ndarray, " n"], share: float = 0.03) -> Float64[np.ndarray, " n"]:
    """Mean of the values around each one, over a window of a share of all, cut short at both ends; NaN is left out.

    >>> smooth(np.array([0.0, 3.0, 6.0, 30.0]), share=0.75)
    array([ 1.5,  3. , 13. , 18. ])
    """
    half = max(1, round(len(values) * share)) // 2
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    places = np.arange(len(values))
    first, last = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    number = counts[last] - counts[first]
    return np.where(number > 0, (sums[last] - sums[first]) / np.maximum(number, 1), np.nan)


def _epochs(steps: Sequence[Mapping[str, Any]]) -> Float64[np.ndarray, " n"]:
    """Where each step stands, in epochs done."""
    epochs = np.array([step["epoch"] for step in steps], dtype=np.int64)
    numbers, starts, counts = np.unique(epochs, return_index=True, return_counts=True)
    at = np.searchsorted(numbers, epochs)
    # An epoch that is still going on is measured by the longest one.
    return epochs + (np.arange(len(epochs)) - starts[at]) / max(int(counts.max()), 1)
