"""Where a network's mistakes lie: what became of each query, by camera and by identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float64, Int8, Int64

from vireid.evaluation import Distance, Trial, rows_of
from vireid.evaluation.match_ranks import MatchRanks
from vireid.evaluation.rules import TrialLabels
from vireid.evaluation.similarity import Similarity, prepare
from vireid.evaluation.trial_gallery import TrialGallery
from vireid.figures import style
from vireid.types import Embeddings, Records, VireidError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "CameraTable",
    "PersonTable",
    "QueryOutcomes",
    "by_camera",
    "by_person",
    "draw_accuracy_by_camera",
    "draw_accuracy_by_person",
    "query_outcomes",
]

_CELLS = 1 << 22
"""Scores held at once: 16 MiB in single precision."""

_NAMED = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class QueryOutcomes:
    """What became of each valid query in each trial: an entry a search. Rows are those of the table of records.

    Attributes:
        trials: which trial of those given, from 0.
        rows: of the queries.
        ranks: place, from 1, of the first true match in the list that the rule's CMC counts.
        precisions: average precision, 0 to 1.
        found_rows: of the images at rank 1.
        scores: their similarity to the query; for ``cosine`` -1 to 1.
        wrong_persons: identity of the image at rank 1 where it is wrong, else -1; -1 too where nobody knows it.
        right_rows: of the true match that scores highest.
        right_scores: its similarity.
        gallery_cameras: cameras of all galleries, ascending.
        right_in_camera: 1 where the best image of that camera alone is right, 0 where it is wrong, -1 where the query
            has no true match in that camera.
    """

    trials: Int64[np.ndarray, " n"]
    rows: Int64[np.ndarray, " n"]
    ranks: Int64[np.ndarray, " n"]
    precisions: Float64[np.ndarray, " n"]
    found_rows: Int64[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    wrong_persons: Int64[np.ndarray, " n"]
    right_rows: Int64[np.ndarray, " n"]
    right_scores: Float[np.ndarray, " n"]
    gallery_cameras: Int64[np.ndarray, " c"]
    right_in_camera: Int8[np.ndarray, "n c"]

    @property
    def rank1(self) -> float:
        """Rank-1, the mean over trials of the mean over queries, as `vireid.evaluation.evaluate` has it."""
        return _mean_over_trials(self.ranks == 1, self.trials)

    @property
    def map(self) -> float:
        """Mean average precision, likewise."""
        return _mean_over_trials(self.precisions, self.trials)


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


def query_outcomes(
    records: Records, embeddings: Embeddings, trials: Sequence[Trial], *, distance: Distance = "cosine"
) -> QueryOutcomes:
    """Search for each query in each trial as `vireid.evaluation.evaluate` does, and keep what became of it.

    What a query may not see, which list its rank is counted in and who stands first among equals are the evaluation's
    own rules. Queries without a true match are left out, as there.

    Args:
        records: the table that the trials were made from.
        embeddings: features of at least all images of the trials.
        trials: what one of the ``.._trials`` functions made.
        distance: ``cosine`` or ``euclidean``.

    Raises:
        VireidError: no trial, an image without an embedding, no query with a true match, or what the rule refuses.
    """
    if not trials:
        raise VireidError("outcomes of queries need at least one trial, got none")
    used = rows_of(trials)
    features = prepare(embeddings.features, distance, _places(records, embeddings, used))
    cameras = np.unique(np.concatenate([records.cameras[trial.gallery_rows] for trial in trials]))
    parts = [
        part
        for number, trial in enumerate(trials)
        for part in _outcomes(records, features, used, trial, number, cameras, distance)
    ]
    whole = {
        entry.name: np.concatenate([getattr(part, entry.name) for part in parts])
        for entry in fields(QueryOutcomes)
        if entry.name != "gallery_cameras"
    }
    outcomes = QueryOutcomes(**whole, gallery_cameras=cameras)
    missing = [str(trial.number) for number, trial in enumerate(trials) if not (outcomes.trials == number).any()]
    if missing:
        raise VireidError(
            f"no query of trial {', '.join(missing)} has a true match that it may see, so there is nothing to tell of "
            "it; check that identities are numbered alike on both sides and that the rule fits"
        )
    return outcomes


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
def draw_accuracy_by_camera(table: CameraTable, records: Records) -> Figure:
    """Rank-1 as a table of shaded cells, query cameras down and gallery cameras across, the whole gallery last.

    Args:
        table: see `by_camera`.
        records: for the cameras' names.

    Raises:
        VireidError: Matplotlib is not installed.
    """
    rates = np.column_stack([table.rank1, table.overall_rank1]) * 100
    counts = np.column_stack([table.queries, table.overall_queries])
    rows, columns = rates.shape
    figure = style.new_figure(min(style.DOUBLE, max(style.SINGLE, 26 + 15 * columns)), 30 + 11 * rows)
    axes = figure.add_subplot()
    shown = axes.pcolormesh(
        np.arange(columns + 1) - 0.5,
        np.arange(rows + 1) - 0.5,
        np.ma.masked_invalid(rates),
        cmap=style.SEQUENTIAL,
        vmin=0,
        vmax=100,
        edgecolors="white",
        linewidth=1.5,
    )
    for (row, column), rate in np.ndenumerate(rates):
        if np.isnan(rate):
            axes.text(column, row, "none", ha="center", va="center", fontsize=7, color=style.FAINT)
            continue
        ink = "white" if rate < 55 else "black"
        axes.text(column, row, f"{rate:.1f}", ha="center", va="bottom", fontsize=8, fontweight="bold", color=ink)
        axes.text(column, row + 0.06, f"n = {counts[row, column]}", ha="center", va="top", fontsize=6.5, color=ink)
    names = [_camera_name(records, camera) for camera in table.gallery_cameras]
    axes.set_xticks(range(columns), [*names, "all"])
    axes.set_yticks(range(rows), [_camera_name(records, camera) for camera in table.query_cameras])
    axes.axvline(columns - 1.5, color=style.INK, linewidth=1.2)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("camera of the gallery")
    axes.set_ylabel("camera of the query")
    figure.colorbar(
        shown, ax=axes, label="Rank-1 (%)", ticks=[0, 50, 100], fraction=0.06, pad=0.02
    ).outline.set_visible(False)
    return figure


@style.look()
def draw_accuracy_by_person(table: PersonTable, records: Records) -> Figure:
    """Average precision of each identity, sorted, with the hardest named and their numbers of queries.

    Args:
        table: see `by_person`.
        records: for the identities' names.

    Raises:
        VireidError: Matplotlib is not installed.
    """
    rates = table.map[::-1] * 100
    count = len(rates)
    figure = style.new_figure(style.DOUBLE, 62)
    axes, names = figure.subplots(1, 2, width_ratios=(2.4, 1))
    places = np.arange(1, count + 1)
    axes.bar(places, rates, width=0.85 if count < 120 else 1.0, color=style.colour(0), linewidth=0)
    mean = float(rates.mean())
    axes.axhline(mean, color=style.INK, linewidth=1, linestyle=style.LINES[1])
    axes.annotate(
        f"mean of {count} identities: {mean:.1f}",
        (count + 0.5, mean),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=7,
    )
    axes.set_xlim(0.2, count + 0.8)
    axes.set_ylim(0, 100)
    axes.set_xlabel("identity, easiest first")
    axes.set_ylabel("mAP of its queries (%)")
    hardest = slice(0, min(_NAMED, count))
    style.name_panel(axes, "All identities")
    style.name_panel(names, "The hardest")
    places = np.arange(len(table.persons[hardest]))
    names.barh(places, table.map[hardest] * 100, color=style.colour(1), hatch=style.HATCHES[1], edgecolor=style.INK)
    for place, rate, queries in zip(places, table.map[hardest] * 100, table.queries[hardest]):
        names.annotate(
            f"{rate:.1f}, n = {queries}",
            (rate, place),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
    names.set_yticks(
        places, [records.person_names.get(person, str(person)) for person in table.persons[hardest].tolist()]
    )
    names.invert_yaxis()
    names.set_xlim(0, max(1.0, float(table.map[hardest].max()) * 100) * 1.8)
    names.set_xlabel("mAP (%)")
    return figure


def _mean_over_trials(values: np.ndarray, trials: Int64[np.ndarray, " n"]) -> float:
    numbers = np.unique(trials)
    return float(np.mean([values[trials == number].mean() for number in numbers]))


def _camera_name(records: Records, camera: int) -> str:
    return records.camera_names.get(int(camera), str(int(camera)))


def _places(records: Records, embeddings: Embeddings, used: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, " k"]:
    """Row of the features of each used row of the table."""
    rows = {path: row for row, path in enumerate(embeddings.paths.tolist())}
    wanted = records.paths[used].tolist()
    missing = [path for path in wanted if path not in rows]
    if missing or len(rows) < len(embeddings.paths):
        raise VireidError(
            f"every image of the trials needs one embedding, but {len(missing)} of {len(wanted)} have none and "
            f"{len(embeddings.paths) - len(rows)} paths stand there twice"
            + (f", the first without is {missing[0]!r}" if missing else "")
            + "; embed them with paths relative to the root"
        )
    return np.array([rows[path] for path in wanted], dtype=np.int64)


def _outcomes(
    records: Records,
    features: Float[np.ndarray, "k d"],
    used: Int64[np.ndarray, " k"],
    trial: Trial,
    number: int,
    cameras: Int64[np.ndarray, " c"],
    distance: Distance,
) -> list[QueryOutcomes]:
    """One trial, some queries at a time against its whole gallery."""
    labels = TrialLabels(
        query_ids=records.persons[trial.query_rows],
        gallery_ids=records.persons[trial.gallery_rows],
        query_cameras=records.cameras[trial.query_rows],
        gallery_cameras=records.cameras[trial.gallery_rows],
        rule=trial.rule,
    )
    gallery = TrialGallery(labels)
    size = len(trial.gallery_rows)
    compare = Similarity(
        features[np.searchsorted(used, trial.query_rows)], features[np.searchsorted(used, trial.gallery_rows)], distance
    )
    step = max(1, _CELLS // size)
    return [
        _some_outcomes(records, labels, gallery, compare, trial, number, slice(start, start + step), cameras)
        for start in range(0, len(trial.query_rows), step)
    ]


def _some_outcomes(
    records: Records,
    labels: TrialLabels,
    gallery: TrialGallery,
    compare: Similarity,
    trial: Trial,
    number: int,
    rows: slice,
    cameras: Int64[np.ndarray, " c"],
) -> QueryOutcomes:
    size = len(trial.gallery_rows)
    query_rows = trial.query_rows[rows]
    rows = slice(rows.start, rows.start + len(query_rows))
    table = compare(rows, slice(0, size))
    scores = table.numpy()
    own, part = gallery.own_images(rows), gallery.part(slice(0, size), by_identity=False)
    hidden = gallery.hidden(rows, part)
    seen, places = own.rows[own.visible], own.places[own.visible]
    ranks = MatchRanks(
        seen,
        places,
        table[torch.from_numpy(seen), torch.from_numpy(places)],
        queries=len(query_rows),
        identities=torch.from_numpy(gallery.identities) if gallery.identity_count else None,
        identity_count=gallery.identity_count,
    )
    ranks.count(
        table,
        torch.arange(size),
        apart=(torch.from_numpy(own.rows), torch.from_numpy(own.places)),
        hidden=None if hidden is None else (torch.from_numpy(hidden[0]), torch.from_numpy(hidden[1])),
        cells=_CELLS,
    )
    result = ranks.result()
    valid = np.flatnonzero(result.matches)
    shown = scores.copy()
    shown[own.rows[~own.visible], own.places[~own.visible]] = -np.inf
    if hidden is not None:
        shown[np.ix_(*hidden)] = -np.inf
    true = np.full_like(scores, -np.inf)
    true[seen, places] = scores[seen, places]
    # Of equal scores argmax takes the first, and so does the evaluation.
    found, right = shown.argmax(axis=1)[valid], true.argmax(axis=1)[valid]
    asked, there = labels.query_ids[rows][valid], labels.gallery_ids
    by_camera = np.full((len(valid), len(cameras)), -1, dtype=np.int8)
    for column, camera in enumerate(cameras):
        inside = np.flatnonzero(labels.gallery_cameras == camera)
        if len(inside):
            counted = (true[np.ix_(valid, inside)] > -np.inf).any(axis=1)
            best = inside[shown[np.ix_(valid, inside)].argmax(axis=1)]
            by_camera[counted, column] = (there[best] == asked)[counted]
    return QueryOutcomes(
        trials=np.full(len(valid), number),
        rows=query_rows[valid],
        ranks=result.rank[valid],
        precisions=result.precision[valid],
        found_rows=trial.gallery_rows[found],
        scores=scores[valid, found],
        wrong_persons=np.where(there[found] == asked, -1, there[found]),
        right_rows=trial.gallery_rows[right],
        right_scores=scores[valid, right],
        gallery_cameras=cameras,
        right_in_camera=by_camera,
    )
