"""What became of each query: where its person stands, and who stands first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Float64, Int8, Int64

from vireid.evaluation import Distance, Trial, rows_of
from vireid.evaluation.match_ranks import MatchRanks
from vireid.evaluation.rules import TrialLabels
from vireid.evaluation.similarity import Similarity, prepare
from vireid.evaluation.trial_gallery import TrialGallery
from vireid.types import Embeddings, Records, VireidError

__all__ = ["QueryOutcomes", "query_outcomes"]

_CELLS = 1 << 22
"""Scores held at once: 16 MiB in single precision."""


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


def query_outcomes(
    records: Records, embeddings: Embeddings, trials: Sequence[Trial], *, distance: Distance = "cosine"
) -> QueryOutcomes:
    """Search for each query in each trial as `vireid.evaluation.evaluate` does, and keep what became of it.

    What a query may not see, which list its rank is counted in and who stands first among equals are the evaluation's
    own rules. Queries without a true match are left out, as there. Scores are the same but for their last digit, which
    may order images otherwise that score alike to seven digits. Nothing is re-ranked.

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


def _mean_over_trials(values: np.ndarray, trials: Int64[np.ndarray, " n"]) -> float:
    numbers = np.unique(trials)
    return float(np.mean([values[trials == number].mean() for number in numbers]))


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
