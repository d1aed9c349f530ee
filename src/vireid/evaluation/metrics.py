"""Rank-k, mAP and mINP of a score matrix under each protocol's rule: pure and vectorised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64

from vireid.evaluation.order import LOWEST_KEY, descending_keys
from vireid.types import Score, VireidError

__all__ = ["CMC_LENGTH", "PerQuery", "Rule", "dropped", "measure", "rows_at_once", "score", "summarise"]

Rule = Literal["sysu", "regdb", "llcm", "llcm-full", "folder"]
"""Which gallery images a query may not see, and which list its rank is counted in."""

CMC_LENGTH = 20
DISTINCT_RULES = ("sysu", "llcm", "llcm-full")
"""Rules whose CMC counts distinct identities; the others count images."""

_CELLS_AT_ONCE = 1 << 20

Labels = Int[np.ndarray, " _"] | Int[torch.Tensor, " _"] | Sequence[int]


def score(
    scores_qg: Float[np.ndarray, "q g"] | Float[torch.Tensor, "q g"],
    *,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels,
    gallery_cameras: Labels,
    rule: Rule | str,
) -> Score:
    """Rank-1 to Rank-20, mAP and mINP of one trial.

    With ``r_1 < ... < r_M`` the ranks of a query's M true matches among the gallery images that it may see,
    ``AP = 1/M sum_j j / r_j`` and ``INP = M / r_M``. CMC entry k - 1 is the share of queries whose first true match is
    among the first k images (``regdb``, ``folder``) or the first k distinct identities, each standing where it first
    appears (``sysu``, ``llcm``, ``llcm-full``). Queries with no true match left are dropped from every average.

    What a query may not see: ``sysu`` - a query of camera 3 sees no image of camera 2, whatever its identity (they
    look at the same place); ``llcm`` and ``folder`` - no image of its own identity from its own camera; ``regdb`` and
    ``llcm-full`` - nothing is hidden.

    Images with equal scores keep the gallery's order, so a result never depends on how a sort breaks ties.

    Args:
        scores_qg: similarity, higher is more similar; a NumPy array or a tensor on any device, of any float type.
        query_ids: identity of each query, 0 or higher.
        gallery_ids: identity of each gallery image. Under ``regdb`` and ``folder`` a negative identity is an unknown
            person, who matches nobody.
        query_cameras: camera of each query.
        gallery_cameras: camera of each gallery image.
        rule: ``sysu``, ``regdb``, ``llcm``, ``llcm-full`` or ``folder``.

    Raises:
        VireidError: NaN among the scores, no query, an empty gallery, labels of another length, a negative identity
            where it has no meaning, an unknown rule, or no query with a true match left.

    Reference: Wu et al., "RGB-Infrared Cross-Modality Person Re-Identification", ICCV 2017 (SYSU-MM01 rule);
        Ye et al., "Deep Learning for Person Re-identification: A Survey and Outlook", TPAMI 2022 (mINP).

    >>> result = score(
    ...     np.array([[0.9, 0.8, 0.1], [0.2, 0.3, 0.1]]), query_ids=[7, 7], gallery_ids=[4, 7, 7],
    ...     query_cameras=[3, 6], gallery_cameras=[1, 2, 4], rule="sysu")
    >>> float(result.cmc[0]), float(result.cmc[1]), result.map, result.minp
    (0.5, 1.0, 0.6666..., 0.5833...)
    """
    if rule not in get_args(Rule):
        raise VireidError(f"the rule must be one of {', '.join(get_args(Rule))}, got {rule!r}")
    if not isinstance(scores_qg, torch.Tensor):
        scores_qg = np.asarray(scores_qg)
    if scores_qg.ndim != 2:
        raise VireidError(f"scores must be queries x gallery, got an array of shape {tuple(scores_qg.shape)}")
    queries, gallery = scores_qg.shape
    labels = {
        "query_ids": _labels(query_ids, queries, "query_ids"),
        "gallery_ids": _labels(gallery_ids, gallery, "gallery_ids"),
        "query_cameras": _labels(query_cameras, queries, "query_cameras"),
        "gallery_cameras": _labels(gallery_cameras, gallery, "gallery_cameras"),
    }
    check_trial(labels["query_ids"], labels["gallery_ids"], rule)
    parts = []
    step = rows_at_once(gallery)
    for start in range(0, queries, step):
        rows = slice(start, start + step)
        parts.append(
            measure(
                _array(scores_qg[rows]),
                query_ids=labels["query_ids"][rows],
                gallery_ids=labels["gallery_ids"],
                query_cameras=labels["query_cameras"][rows],
                gallery_cameras=labels["gallery_cameras"],
                rule=rule,
            )
        )
    return summarise(parts, gallery=gallery)


@dataclass(frozen=True, eq=False, kw_only=True)
class PerQuery:
    """What each query of a chunk contributes; the rates are 0 where it has no true match left.

    Attributes:
        matches: true matches that the query may see.
        rank: place, from 1, of the first true match in the list that the rule's CMC counts.
        precision: average precision.
        penalty: inverse negative penalty.
    """

    matches: Int64[np.ndarray, " q"]
    rank: Int64[np.ndarray, " q"]
    precision: Float[np.ndarray, " q"]
    penalty: Float[np.ndarray, " q"]


def measure(
    scores: Float[np.ndarray, "q g"],
    *,
    query_ids: Int64[np.ndarray, " q"],
    gallery_ids: Int64[np.ndarray, " g"],
    query_cameras: Int64[np.ndarray, " q"],
    gallery_cameras: Int64[np.ndarray, " g"],
    rule: str,
) -> PerQuery:
    """Measure some queries against the whole gallery, all at once; `score` says what is measured.

    Raises:
        VireidError: NaN among the scores.
    """
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise VireidError(
            f"scores must be numbers, but {int(np.isnan(scores).sum())} are NaN, the first in row {row}, column "
            f"{column} of its chunk; look for NaN or infinity in the features"
        )
    queries, gallery = scores.shape
    groups = None
    places = None
    if rule in DISTINCT_RULES:
        # Columns grouped by identity make the best score of each identity one reduction.
        if (gallery_ids[1:] < gallery_ids[:-1]).any():
            places = np.argsort(gallery_ids, kind="stable")
            scores, gallery_ids, gallery_cameras = scores[:, places], gallery_ids[places], gallery_cameras[places]
        groups = np.flatnonzero(np.diff(gallery_ids, prepend=gallery_ids[0] - 1))
    keys = descending_keys(scores, places)
    keys |= query_ids[:, None] == gallery_ids
    hidden = dropped(query_ids, gallery_ids, query_cameras, gallery_cameras, rule)
    if hidden is not None:
        keys[hidden] = LOWEST_KEY
    best = None if groups is None else np.maximum.reduceat(keys, groups, axis=1)

    # Ascending: the last column is rank 1, and dropped images lie before all others.
    keys.sort(axis=1)
    rows, columns = np.nonzero(keys & 1)
    ranks = gallery - columns
    matches = np.bincount(rows, minlength=queries)
    valid = matches > 0
    ends = np.cumsum(matches)
    found = ends[rows] - np.arange(len(rows))
    precision = np.bincount(rows, weights=found / ranks, minlength=queries) / np.maximum(matches, 1)
    rank = np.zeros(queries, dtype=np.int64)
    penalty = np.zeros(queries)
    last_of_row = ends[valid] - 1
    first_of_row = (ends - matches)[valid]
    penalty[valid] = matches[valid] / ranks[first_of_row]
    if best is None:
        rank[valid] = ranks[last_of_row]
    else:
        own = np.full(queries, LOWEST_KEY)
        own[valid] = keys[rows[last_of_row], columns[last_of_row]]
        rank[valid] = 1 + (best > own[:, None]).sum(axis=1)[valid]
    return PerQuery(matches=matches.astype(np.int64), rank=rank, precision=precision, penalty=penalty)


def dropped(
    query_ids: Int64[np.ndarray, " q"],
    gallery_ids: Int64[np.ndarray, " g"],
    query_cameras: Int64[np.ndarray, " q"],
    gallery_cameras: Int64[np.ndarray, " g"],
    rule: str,
) -> Bool[np.ndarray, "q g"] | None:
    """True where a query may not see a gallery image; None where the rule drops nothing."""
    if rule == "sysu":
        return (query_cameras == 3)[:, None] & (gallery_cameras == 2)
    if rule in ("llcm", "folder"):
        return (query_ids[:, None] == gallery_ids) & (query_cameras[:, None] == gallery_cameras)
    return None


def summarise(parts: Sequence[PerQuery], *, gallery: int) -> Score:
    """Average what chunks of one trial measured.

    Raises:
        VireidError: no query has a true match left.
    """
    whole = {entry.name: np.concatenate([getattr(part, entry.name) for part in parts]) for entry in fields(PerQuery)}
    valid = whole["matches"] > 0
    count = int(valid.sum())
    if not count:
        raise VireidError(
            f"none of the {len(valid)} queries has a true match in the gallery of {gallery} images, so there is "
            "nothing to average; check that identities are numbered alike on both sides and that the rule fits"
        )
    hits = np.bincount(np.minimum(whole["rank"][valid], CMC_LENGTH + 1), minlength=CMC_LENGTH + 2)
    return Score(
        cmc=np.cumsum(hits[1 : CMC_LENGTH + 1]) / count,
        map=float(whole["precision"][valid].mean()),
        minp=float(whole["penalty"][valid].mean()),
        valid=count,
        queries=len(valid),
        gallery=gallery,
    )


def rows_at_once(gallery: int) -> int:
    """How many queries to measure at once against a gallery of this size: a few tens of MiB of work space."""
    return max(1, _CELLS_AT_ONCE // max(gallery, 1))


def check_trial(query_ids: Int64[np.ndarray, " q"], gallery_ids: Int64[np.ndarray, " g"], rule: str) -> None:
    """Refuse what no rule can score.

    Raises:
        VireidError: no query, an empty gallery, or a negative identity where it has no meaning.
    """
    if not len(query_ids) or not len(gallery_ids):
        raise VireidError(
            f"scoring needs at least one query and one gallery image, got {len(query_ids)} queries and "
            f"{len(gallery_ids)} gallery images"
        )
    if (query_ids < 0).any():
        raise VireidError(
            f"a query needs a known identity (0 or higher), but {int((query_ids < 0).sum())} are negative; leave "
            "them out"
        )
    if rule in DISTINCT_RULES and (gallery_ids < 0).any():
        raise VireidError(
            f"the rule {rule!r} counts distinct identities, so each must be known (0 or higher), but "
            f"{int((gallery_ids < 0).sum())} gallery identities are negative; leave them out or use the rule 'folder'"
        )


def _labels(values: Labels, expected: int, name: str) -> Int64[np.ndarray, " _"]:
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.shape != (expected,) or (expected and array.dtype.kind not in "iu"):
        side = "row" if name.startswith("query") else "column"
        raise VireidError(
            f"{name} must be one integer for each {side} of the scores, so {expected}, got {array.dtype} of shape "
            f"{array.shape}"
        )
    return array.astype(np.int64)


def _array(chunk: np.ndarray | torch.Tensor) -> np.ndarray:
    if isinstance(chunk, torch.Tensor):
        chunk = chunk.detach()
        return (chunk if chunk.dtype in (torch.float32, torch.float64) else chunk.float()).cpu().numpy()
    return chunk
