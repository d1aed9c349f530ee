"""Where a network's mistakes lie: accuracy by camera and by identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

from vireid.figures import style
from vireid.figures.outcomes import QueryOutcomes
from vireid.types import Records, VireidError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = [
    "CameraTable",
    "PersonTable",
    "by_camera",
    "by_person",
    "draw_accuracy_by_camera",
    "draw_accuracy_by_person",
]

_NAMED = 8
_DARK = 0.45
"""In this lower part of the shades cells are so dark that white reads better on them."""

_STEP = 5
_BESIDE = 7
"""Columns of a table that still stands beside another."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CameraTable:
    """Rank-1 by camera, over all searches of all trials. Rates are fractions, NaN where nothing was searched.

    Attributes:
        query_cameras, gallery_cameras: ascending.
        rank1: of queries of a camera where the gallery is that of another camera alone; a query counts where its
            person is in that gallery.
        queries: different query images behind each rate.
        overall_rank1: of queries of a camera against the whole gallery.
        overall_queries: different query images of each camera.
    """

    query_cameras: Int64[np.ndarray, " r"]
    gallery_cameras: Int64[np.ndarray, " c"]
    rank1: Float64[np.ndarray, "r c"]
    queries: Int64[np.ndarray, "r c"]
    overall_rank1: Float64[np.ndarray, " r"]
    overall_queries: Int64[np.ndarray, " r"]


@dataclass(frozen=True, eq=False, kw_only=True)
class PersonTable:
    """Accuracy by identity, hardest first, over all searches of all trials. Rates are fractions.

    Attributes:
        persons: identities.
        map: mean average precision of each one's queries.
        rank1: of them.
        queries: different query images of each.
    """

    persons: Int64[np.ndarray, " p"]
    map: Float64[np.ndarray, " p"]
    rank1: Float64[np.ndarray, " p"]
    queries: Int64[np.ndarray, " p"]


def by_camera(outcomes: QueryOutcomes, records: Records) -> CameraTable:
    """Rank-1 of each camera's queries, against the whole gallery and against each camera's images alone."""
    asked = records.cameras[outcomes.rows]
    query_cameras = np.unique(asked)
    shape = len(query_cameras), len(outcomes.gallery_cameras)
    rank1, queries = np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    overall, counts = np.zeros(shape[0]), np.zeros(shape[0], dtype=np.int64)
    for row, camera in enumerate(query_cameras):
        own = asked == camera
        overall[row] = (outcomes.ranks[own] == 1).mean()
        counts[row] = len(np.unique(outcomes.rows[own]))
        for column in range(shape[1]):
            right = outcomes.right_in_camera[:, column]
            counted = own & (right >= 0)
            if counted.any():
                rank1[row, column] = right[counted].mean()
                queries[row, column] = len(np.unique(outcomes.rows[counted]))
    return CameraTable(
        query_cameras=query_cameras,
        gallery_cameras=outcomes.gallery_cameras,
        rank1=rank1,
        queries=queries,
        overall_rank1=overall,
        overall_queries=counts,
    )


def by_person(outcomes: QueryOutcomes, records: Records) -> PersonTable:
    """Accuracy of each identity's queries, hardest first; of equal ones, the lower identity first."""
    persons, own = np.unique(records.persons[outcomes.rows], return_inverse=True)
    searches = np.bincount(own)
    precision = np.bincount(own, weights=outcomes.precisions) / searches
    rank1 = np.bincount(own, weights=outcomes.ranks == 1) / searches
    distinct = np.unique(outcomes.rows)
    queries = np.bincount(np.searchsorted(persons, records.persons[distinct]), minlength=len(persons))
    order = np.lexsort((persons, precision))
    return PersonTable(
        persons=persons[order], map=precision[order], rank1=rank1[order], queries=queries[order].astype(np.int64)
    )


@style.look()
def draw_accuracy_by_camera(tables: Mapping[str, CameraTable], records: Records) -> Figure:
    """Rank-1 as tables of shaded cells, query cameras down and gallery cameras across, the whole gallery last.

    Shades are the same in all tables. They reach from the lowest to the highest rate, to the next 5 %, which the bar
    beside them says.

    Args:
        tables: see `by_camera`, by the models' names.
        records: for the cameras' names.

    Raises:
        VireidError: no table, or Matplotlib is not installed.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    if not tables:
        raise VireidError("a figure of accuracy by camera needs at least one table, got none")
    rates = {name: np.column_stack([table.rank1, table.overall_rank1]) * 100 for name, table in tables.items()}
    low, high = _shaded_range(np.concatenate([each.ravel() for each in rates.values()]))
    shades = ScalarMappable(Normalize(low, high), style.SEQUENTIAL)
    rows, columns = max(each.shape[0] for each in rates.values()), max(each.shape[1] for each in rates.values())
    across = min(len(tables), 2 if columns <= _BESIDE else 1)
    down = -(-len(tables) // across)
    width = style.DOUBLE if across > 1 else min(style.DOUBLE, max(style.SINGLE, 30 + 14 * columns))
    figure = style.new_figure(width, max(48, 28 + 11 * rows) * down)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(tables) :]:
        axes.set_axis_off()
    for axes, (name, table) in zip(grid.flat, tables.items()):
        _draw_cells(axes, table, rates[name], shades, low + _DARK * (high - low), records)
        style.name_panel(axes, name)
    bar = figure.colorbar(
        shades,
        ax=list(grid.flat),
        label=f"Rank-1 (%)\nshades from {low:.0f} to {high:.0f}",
        ticks=[low, (low + high) / 2, high],
        format="%g",
        fraction=0.06,
        pad=0.02,
    )
    bar.outline.set_visible(False)
    return figure


def _shaded_range(rates: Float64[np.ndarray, " n"]) -> tuple[float, float]:
    """From the lowest to the highest rate, to the next step, and no narrower than chance alone makes them differ.

    >>> _shaded_range(np.array([12.0, np.nan, 31.0])), _shaded_range(np.array([99.0])), _shaded_range(np.array([0.0]))
    ((10.0, 35.0), (90.0, 100.0), (0.0, 10.0))
    """
    low = min(float(np.floor(np.nanmin(rates) / _STEP) * _STEP), 100.0 - 2 * _STEP)
    return low, max(float(np.ceil(np.nanmax(rates) / _STEP) * _STEP), low + 2 * _STEP)


def _draw_cells(
    axes: Axes,
    table: CameraTable,
    rates: Float64[np.ndarray, "r c"],
    shades: ScalarMappable,
    dark: float,
    records: Records,
) -> None:
    """Cells of a lower rate than ``dark`` bear white words."""
    from matplotlib.patches import Rectangle

    counts = np.column_stack([table.queries, table.overall_queries])
    rows, columns = rates.shape
    # The whole gallery stands a little apart.
    places = np.append(np.arange(columns - 1), columns - 1 + 0.25)
    for (row, column), rate in np.ndenumerate(rates):
        x, empty = float(places[column]), np.isnan(rate)
        axes.add_patch(
            Rectangle(
                (x - 0.48, row - 0.48),
                0.96,
                0.96,
                facecolor="none" if empty else shades.to_rgba(rate),
                edgecolor="#cccccc" if empty else "none",
            )
        )
        ink = style.FAINT if empty else "white" if rate < dark else "black"
        if empty:
            axes.text(x, row, "none", ha="center", va="center", fontsize=7, color=ink)
            continue
        axes.text(x, row, f"{rate:.1f}", ha="center", va="bottom", fontsize=8, fontweight="bold", color=ink)
        axes.text(x, row + 0.06, f"n = {counts[row, column]}", ha="center", va="top", fontsize=6.5, color=ink)
    names = [_camera_name(records, camera) for camera in table.gallery_cameras.tolist()]
    axes.set_xticks(places, [*names, "all"])
    axes.set_yticks(range(rows), [_camera_name(records, camera) for camera in table.query_cameras.tolist()])
    axes.set_xlim(-0.5, places[-1] + 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("camera of the gallery")
    axes.set_ylabel("camera of the query")


@style.look()
def draw_accuracy_by_person(tables: Mapping[str, PersonTable], records: Records) -> Figure:
    """Average precision of each identity, sorted, with the hardest named and their numbers of queries.

    Bars are the last model's, which also sorts them and says who is hardest, among those below its mean; marks on the
    bars are what the models before it reach for the same identity.

    Args:
        tables: see `by_person`, by the models' names; all of the same identities.
        records: for the identities' names.

    Raises:
        VireidError: no table, tables of different identities, or Matplotlib is not installed.
    """
    if not tables:
        raise VireidError("a figure of accuracy by identity needs at least one table, got none")
    (*_, label), (*earlier, table) = tables, tables.values()
    if any(not np.array_equal(np.sort(other.persons), np.sort(table.persons)) for other in earlier):
        raise VireidError("models are compared by the same identities, but their tables have others; ask both the same")
    rates, count = table.map[::-1] * 100, len(table.persons)
    figure = style.new_figure(style.DOUBLE, 60 if not earlier else 66)
    axes, hardest = figure.subplots(1, 2, width_ratios=(2.4, 1))
    mean = float(rates.mean())
    named = min(_NAMED, int((table.map * 100 < mean).sum()))
    places = np.arange(1, count + 1)
    colours = [style.colour(0)] * (count - named) + [style.colour(1)] * named
    axes.bar(places, rates, width=0.85 if count < 120 else 1.0, color=colours, linewidth=0, label=label)
    marks = {name: _in_order_of(table, other) * 100 for name, other in zip(tables, earlier)}
    for number, (name, values) in enumerate(marks.items()):
        axes.plot(places, values[::-1], label=name, **_mark(number))
    axes.axhline(mean, color=style.INK, linewidth=1, linestyle=style.LINES[1])
    axes.text(
        0.99,
        mean + 1.5,
        f"mean of {count} identities: {mean:.1f}",
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="bottom",
        fontsize=7,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        zorder=2.5,
    )
    axes.set_xlim(0.2, count + 0.8)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(0, 105)
    axes.set_xlabel("identity, easiest first")
    axes.set_ylabel("mAP of its queries (%)")
    style.name_panel(axes, "All identities")
    if earlier:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    if not named:
        hardest.set_axis_off()
        hardest.text(0.5, 0.5, "no identity is below the mean", ha="center", va="center", fontsize=7)
        return figure
    style.name_panel(hardest, "The hardest")
    worst, places = table.map[:named] * 100, np.arange(named)
    hardest.barh(places, worst, color=style.colour(1), height=0.75)
    for number, values in enumerate(marks.values()):
        hardest.plot(values[:named], places, **_mark(number))
    for place, rate, queries in zip(places, worst, table.queries):
        hardest.text(
            1.0,
            place,
            f"{rate:.1f}, n = {queries}",
            transform=hardest.get_yaxis_transform(),
            ha="right",
            va="center",
            fontsize=7,
        )
    names = [records.person_names.get(person, str(person)) for person in table.persons[:named].tolist()]
    hardest.set_yticks(places, [style.shorten_to_letters(name, 16) for name in names])
    hardest.invert_yaxis()
    farthest = max(float(values[:named].max()) for values in (worst, *marks.values()))
    # Room for the words at the right.
    hardest.set_xlim(0, max(1.0, farthest) * 1.7)
    hardest.set_xlabel("mAP (%), n query images" if not earlier else "mAP (%); numbers: of the bars,\nn query images")
    return figure


def _in_order_of(table: PersonTable, other: PersonTable) -> Float64[np.ndarray, " p"]:
    """Another model's precision of each identity, as the first table orders them."""
    order = np.argsort(other.persons)
    return other.map[order[np.searchsorted(other.persons, table.persons, sorter=order)]]


def _mark(number: int) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": style.MARKERS[number % len(style.MARKERS)],
        "markersize": 3.2,
        "markerfacecolor": "white",
        "markeredgecolor": style.INK,
        "markeredgewidth": 0.6,
        "zorder": 3,
    }


def _camera_name(records: Records, camera: int) -> str:
    return style.shorten_to_letters(records.camera_names.get(camera, str(camera)), 9)
