"""What each query contributes to a result, and the averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int64

from vireid.types import Score, VireidError

__all__ = ["CMC_LENGTH", "PerQuery", "summarise"]

CMC_LENGTH = 20


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
