"""What a random ranking scores: the bottom of every table, exactly and without a draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

from vireid.evaluation.evaluation import Averages
from vireid.evaluation.per_query import CMC_LENGTH
from vireid.evaluation.rules import DISTINCT_RULES, check_trial, dropped
from vireid.evaluation.trials import Trial
from vireid.types import Records, VireidError

__all__ = ["chance"]


def chance(records: Records, trials: Sequence[Trial]) -> Averages:
    """Expected rates of a uniformly random order of each query's gallery, mean over queries and trials.

    For a query with M matches among the K images that it may see: the first match is behind the first k images with
    probability ``C(K - M, k) / C(K, k)``; ``E[AP] = (H_K + (M - 1) / (K - 1) (K - H_K)) / K`` with the harmonic number
    H_K; ``E[INP] = sum_l (M / l) C(l - 1, M - 1) / C(K, M)``.

    In a list of distinct identities, let each image draw a uniform time and stand in the order of the times. At
    ``x = 1 - time`` an identity of w images is seen with probability ``1 - x^w``, and ``P(rank <= k)`` is
    ``int_0^1 M x^(M - 1) P(fewer than k others seen) dx``: of a polynomial, so that Gauss-Legendre nodes are exact.

    Args:
        records: the table that the trials were made from.
        trials: what one of the ``.._trials`` functions made.

    Raises:
        VireidError: no trial, or a trial in which no query has a true match.
    """
    if not trials:
        raise VireidError("chance needs at least one trial, got none")
    # Trials that differ in the images drawn alone have the same expectation: one table for all.
    known: _Known = {}
    rates = np.mean([_trial(records, trial, known) for trial in trials], axis=0).tolist()
    return Averages(cmc=rates[:CMC_LENGTH], map=rates[CMC_LENGTH], minp=rates[CMC_LENGTH + 1])


_Known = dict[tuple[int, ...], np.ndarray]


def _trial(records: Records, trial: Trial, known: _Known) -> Float[np.ndarray, " r"]:
    """CMC, mAP and mINP of one trial; queries in the same position share the work."""
    gallery_ids, gallery_cameras = records.persons[trial.gallery_rows], records.cameras[trial.gallery_rows]
    all_ids, all_cameras = records.persons[trial.query_rows], records.cameras[trial.query_rows]
    check_trial(all_ids, gallery_ids, trial.rule)
    kinds, counts = np.unique(np.stack([all_ids, all_cameras], axis=1), axis=0, return_counts=True)
    total = np.zeros(CMC_LENGTH + 2)
    valid = 0
    for (person, camera), count in zip(kinds, counts):
        kept = np.ones(len(gallery_ids), dtype=bool)
        hidden = dropped(
            np.full_like(gallery_ids, person),
            gallery_ids,
            np.full_like(gallery_cameras, camera),
            gallery_cameras,
            trial.rule,
        )
        if hidden is not None:
            kept = ~hidden
        matches = int((gallery_ids[kept] == person).sum())
        if not matches:
            continue
        visible = int(kept.sum())
        others = np.sort(np.unique(gallery_ids[kept & (gallery_ids != person)], return_counts=True)[1])
        distinct = trial.rule in DISTINCT_RULES
        position = (int(distinct), matches, visible, *(others.tolist() if distinct else ()))
        if position not in known:
            cmc = _distinct_cmc(matches, others) if distinct else _image_cmc(matches, visible)
            known[position] = np.append(cmc, _precision_and_penalty(matches, visible))
        total += count * known[position]
        valid += int(count)
    if not valid:
        raise VireidError("no query of the trial has a true match in its gallery, so chance has nothing to average")
    return total / valid


def _image_cmc(matches: int, kept: int) -> Float[np.ndarray, " r"]:
    places = np.arange(CMC_LENGTH)
    # Chance that the next image is no match either, given that none before it was.
    missed = np.maximum(kept - matches - places, 0) / np.maximum(kept - places, 1)
    return 1 - np.cumprod(missed)


def _distinct_cmc(matches: int, others: Int64[np.ndarray, " n"]) -> Float[np.ndarray, " r"]:
    degree = matches - 1 + int(others.sum())
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    nodes, weights = (nodes + 1) / 2, weights / 2
    # seen[:, r]: probability that exactly r other identities are seen by then; more than the CMC needs are let go.
    seen = np.zeros((len(nodes), CMC_LENGTH))
    seen[:, 0] = 1
    for images in others:
        unseen = (nodes**images)[:, None]
        before = seen[:, :-1] * (1 - unseen)
        seen *= unseen
        seen[:, 1:] += before
    # Of fewer people than ranks the sum ends at 1, which rounding may pass by a few parts in 10^15.
    return np.minimum(np.cumsum((weights * matches * nodes ** (matches - 1)) @ seen), 1.0)


def _precision_and_penalty(matches: int, kept: int) -> Float[np.ndarray, " 2"]:
    harmonic = (1 / np.arange(1, kept + 1)).sum()
    precision = (harmonic + (matches - 1) / max(kept - 1, 1) * (kept - harmonic)) / kept
    # The last match stands at l with probability C(l - 1, M - 1) / C(K, M), a product of ratios from l = K downwards.
    last = np.arange(kept, matches - 1, -1)
    ratios = (last[1:] - matches + 1) / last[1:]
    probability = matches / kept * np.concatenate([[1.0], np.cumprod(ratios)])
    return np.array([precision, (probability * matches / last).sum()])
