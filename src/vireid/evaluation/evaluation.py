"""From embeddings to a result: each trial scored, the mean and the spread over trials."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from vireid.evaluation.chunks import MEMORY, check_memory
from vireid.evaluation.measure import measure
from vireid.evaluation.metrics import score
from vireid.evaluation.per_query import CMC_LENGTH
from vireid.evaluation.protocol import Distance, Protocol
from vireid.evaluation.rerank import K1, K2, WEIGHT, k_reciprocal
from vireid.evaluation.rules import Rule, TrialLabels, check_trial
from vireid.evaluation.similarity import Similarity, prepare
from vireid.evaluation.trial_gallery import by_identity
from vireid.evaluation.trials import Trial, rows_of
from vireid.types import Embeddings, Records, Score, VireidError

__all__ = ["Averages", "Evaluation", "evaluate"]


class Averages(TypedDict):
    """One figure over trials for each rate: ``cmc`` with 20 entries, ``map``, ``minp``."""

    cmc: list[float]
    map: float
    minp: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """A result with everything that it must name.

    Attributes:
        protocol: how it was made.
        trials: the score of each trial.
    """

    protocol: Protocol
    trials: Sequence[Score]

    @property
    def mean(self) -> Averages:
        """Mean over trials, each trial weighing the same."""
        return _averages(self.trials, np.mean)

    @property
    def std(self) -> Averages:
        """Standard deviation over trials (of these trials, divided by their number): 0 where there is one."""
        return _averages(self.trials, np.std)

    def to_json(self) -> dict[str, object]:
        """``protocol``, ``trials``, ``mean`` and ``std`` as plain values; rates are fractions."""
        trials = [trial.to_json() for trial in self.trials]
        return {"protocol": self.protocol.to_json(), "trials": trials, "mean": self.mean, "std": self.std}


def evaluate(
    records: Records,
    embeddings: Embeddings,
    trials: Sequence[Trial],
    protocol: Protocol,
    *,
    rerank: bool = False,
    distance: Distance = "cosine",
    memory: int = MEMORY,
    device: torch.device | str = "cpu",
) -> Evaluation:
    """Score embeddings in every trial, however large the gallery: see `vireid.evaluation.score_features`.

    Embeddings belong to records by path; those of images outside the trials are not looked at. The result's protocol
    says the number of trials, the distance and the re-ranking as they were here, whatever the one given says.

    Args:
        records: the table that the trials were made from.
        embeddings: features of at least all images of the trials.
        trials: what one of the ``.._trials`` functions made.
        protocol: the facts that the result must name.
        rerank: re-rank each trial with `vireid.evaluation.k_reciprocal` at its published parameters.
        distance: ``cosine``, the dot product of L2-normalised features, as published code does; ``euclidean`` on the
            features as given, as the official MATLAB code of SYSU-MM01 does.
        memory: bytes of work space, as in `vireid.evaluation.score_features`. Re-ranking does not keep to it.
        device: where to compute; re-ranking is done on the CPU.

    Raises:
        VireidError: no trial, an image without an embedding, a path with two, a trial too large to re-rank on this
            machine, or what `score` refuses.
    """
    if not trials:
        raise VireidError("an evaluation needs at least one trial, got none")
    for trial in trials:
        check_trial(records.persons[trial.query_rows], records.persons[trial.gallery_rows], trial.rule)
    check_memory(memory)
    if rerank:
        _check_size(trials)
    used = rows_of(trials)
    places = _embedding_rows(records, embeddings, used)

    def features_of(rows: Int64[np.ndarray, " k"]) -> Float32[np.ndarray, "k d"]:
        return prepare(embeddings.features, distance, places[np.searchsorted(used, rows)])

    scores = [
        one
        for group in _by_queries(trials)
        for one in (
            [_score_reranked(records, features_of, trial, memory) for trial in group]
            if rerank
            else _score_together(records, features_of, group, distance, memory, device)
        )
    ]
    reranking = f"k-reciprocal (k1={K1}, k2={K2}, lambda={WEIGHT})" if rerank else "none"
    return Evaluation(
        protocol=replace(protocol, trials=len(trials), distance=distance, reranking=reranking), trials=scores
    )


def _embedding_rows(records: Records, embeddings: Embeddings, used: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, " k"]:
    order = np.argsort(embeddings.paths, kind="stable")
    paths = embeddings.paths[order]
    twice = np.flatnonzero(paths[1:] == paths[:-1])
    if twice.size:
        raise VireidError(f"an image must have one embedding, but {str(paths[twice[0]])!r} has several; embed again")
    wanted = records.paths[used]
    places = np.searchsorted(paths, wanted)
    found = places < len(paths)
    found[found] = paths[places[found]] == wanted[found]
    if not found.all():
        example = f"; the first path among the embeddings is {str(paths[0])!r}" if len(paths) else ""
        raise VireidError(
            f"every image of the trials needs an embedding, but {int((~found).sum())} of {len(wanted)} have none, the "
            f"first {str(wanted[~found][0])!r}; embed them too, with paths relative to the root{example}"
        )
    return order[places].astype(np.int64)


def _by_queries(trials: Sequence[Trial]) -> list[list[Trial]]:
    """Runs of trials with the same queries, in the order given."""
    groups: list[list[Trial]] = []
    for trial in trials:
        if groups and np.array_equal(groups[-1][0].query_rows, trial.query_rows):
            groups[-1].append(trial)
        else:
            groups.append([trial])
    return groups


_FeaturesOf = Callable[[Int64[np.ndarray, " k"]], Float32[np.ndarray, "k d"]]


def _score_together(
    records: Records,
    features_of: _FeaturesOf,
    group: Sequence[Trial],
    distance: Distance,
    memory: int,
    device: torch.device | str,
) -> list[Score]:
    """Compare each query with every gallery image of any trial once; then each trial takes its columns."""
    query = group[0].query_rows
    drawn = np.unique(np.concatenate([trial.gallery_rows for trial in group]))
    order, places = by_identity(records.persons[drawn])
    gallery = drawn[order]
    columns = [places[np.searchsorted(drawn, trial.gallery_rows)] for trial in group]
    return measure(
        Similarity(features_of(query), features_of(gallery), distance, device),
        [TrialLabels(**_labels(records, trial), columns=own) for trial, own in zip(group, columns)],
        gallery=len(gallery),
        memory=memory,
        name=lambda row, column: f"{records.paths[query[row]]} and {records.paths[gallery[column]]}",
    )


def _check_size(trials: Sequence[Trial]) -> None:
    """Refuse to re-rank what would not fit, before the machine runs out of memory."""
    if not hasattr(os, "sysconf"):
        return
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for trial in trials:
        queries, gallery = len(trial.query_rows), len(trial.gallery_rows)
        needed = 4 * queries * gallery
        if needed > there:
            raise VireidError(
                f"re-ranking holds the whole table of scores, {queries:,} queries x {gallery:,} gallery images or "
                f"{needed / 2**30:,.0f} GiB, but this machine has {there / 2**30:,.0f} GiB; leave re-ranking out, or "
                "take fewer queries or a smaller gallery"
            )


def _score_reranked(records: Records, features_of: _FeaturesOf, trial: Trial, memory: int) -> Score:
    scores = k_reciprocal(features_of(trial.query_rows), features_of(trial.gallery_rows))
    return score(scores, **_labels(records, trial), memory=memory)


class _Labels(TypedDict):
    query_ids: Int64[np.ndarray, " q"]
    gallery_ids: Int64[np.ndarray, " g"]
    query_cameras: Int64[np.ndarray, " q"]
    gallery_cameras: Int64[np.ndarray, " g"]
    rule: Rule


def _labels(records: Records, trial: Trial) -> _Labels:
    return {
        "query_ids": records.persons[trial.query_rows],
        "gallery_ids": records.persons[trial.gallery_rows],
        "query_cameras": records.cameras[trial.query_rows],
        "gallery_cameras": records.cameras[trial.gallery_rows],
        "rule": trial.rule,
    }


def _averages(trials: Sequence[Score], figure: Callable[..., Float[np.ndarray, " r"]]) -> Averages:
    rates = np.stack([np.append(trial.cmc, [trial.map, trial.minp]) for trial in trials])
    values = figure(rates, axis=0).tolist()
    return Averages(cmc=values[:CMC_LENGTH], map=values[CMC_LENGTH], minp=values[CMC_LENGTH + 1])
