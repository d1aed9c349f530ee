"""What each protocol's rule hides, how it counts ranks, and the labels that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64

from vireid.types import VireidError

__all__ = ["DISTINCT_RULES", "Labels", "Rule", "TrialLabels", "blind_cameras", "check_trial", "dropped", "read_labels"]

Rule = Literal["sysu", "regdb", "llcm", "llcm-full", "folder"]
"""Which gallery images a query may not see, and which list its rank is counted in."""

DISTINCT_RULES = ("sysu", "llcm", "llcm-full")
"""Rules whose CMC counts distinct identities; the others count images."""

Labels = Int[np.ndarray, " _"] | Int[torch.Tensor, " _"] | Sequence[int]


def dropped(
    query_ids: Int64[np.ndarray, " k"],
    gallery_ids: Int64[np.ndarray, " k"],
    query_cameras: Int64[np.ndarray, " k"],
    gallery_cameras: Int64[np.ndarray, " k"],
    rule: Rule | str,
) -> Bool[np.ndarray, " k"] | None:
    """True where a query may not see a gallery image, element by element; None where the rule drops nothing.

    >>> dropped(np.array([7, 7]), np.array([7, 7]), np.array([1, 2]), np.array([1, 1]), "folder")
    array([ True, False])
    """
    blind = blind_cameras(query_cameras, gallery_cameras, rule)
    if blind is not None:
        return blind[0] & blind[1]
    if rule in ("llcm", "folder"):
        return (query_ids == gallery_ids) & (query_cameras == gallery_cameras)
    return None


def blind_cameras(
    query_cameras: Int64[np.ndarray, " q"], gallery_cameras: Int64[np.ndarray, " g"], rule: Rule | str
) -> tuple[Bool[np.ndarray, " q"], Bool[np.ndarray, " g"]] | None:
    """Queries who do not see some images whatever their identity, and these images; None where the rule has none."""
    return (query_cameras == 3, gallery_cameras == 2) if rule == "sysu" else None


@dataclass(frozen=True, eq=False, kw_only=True)
class TrialLabels:
    """Whom the queries and the gallery of one trial show, and where.

    Attributes:
        columns: which columns of a wider table of scores are this trial's gallery, in the gallery's own order; None
            where the gallery is the whole table.

    Raises:
        VireidError: no query, an empty gallery, or a negative identity where it has no meaning.
    """

    query_ids: Int64[np.ndarray, " q"]
    gallery_ids: Int64[np.ndarray, " g"]
    query_cameras: Int64[np.ndarray, " q"]
    gallery_cameras: Int64[np.ndarray, " g"]
    rule: str
    columns: Int64[np.ndarray, " g"] | None = None

    def __post_init__(self) -> None:
        check_trial(self.query_ids, self.gallery_ids, self.rule)


def check_trial(query_ids: Int64[np.ndarray, " q"], gallery_ids: Int64[np.ndarray, " g"], rule: Rule | str) -> None:
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
            f"a query needs a known identity (0 or higher), but {int((query_ids < 0).sum())} are negative; "
            "leave them out"
        )
    if rule in DISTINCT_RULES and (gallery_ids < 0).any():
        raise VireidError(
            f"the rule {rule!r} counts distinct identities, so each must be known (0 or higher), but "
            f"{int((gallery_ids < 0).sum())} gallery identities are negative; leave them out or use the rule "
            "'folder'"
        )


def read_labels(
    queries: int,
    gallery: int,
    *,
    query_ids: Labels,
    gallery_ids: Labels,
    query_cameras: Labels,
    gallery_cameras: Labels,
    rule: Rule | str,
) -> TrialLabels:
    """Labels from anywhere, checked against the scores or features that they belong to.

    Raises:
        VireidError: an unknown rule, labels of another length or of no integer type, or what `TrialLabels` refuses.
    """
    if rule not in get_args(Rule):
        raise VireidError(f"the rule must be one of {', '.join(get_args(Rule))}, got {rule!r}")
    return TrialLabels(
        query_ids=_integers(query_ids, queries, "query_ids", "row"),
        gallery_ids=_integers(gallery_ids, gallery, "gallery_ids", "column"),
        query_cameras=_integers(query_cameras, queries, "query_cameras", "row"),
        gallery_cameras=_integers(gallery_cameras, gallery, "gallery_cameras", "column"),
        rule=rule,
    )


def _integers(values: Labels, expected: int, name: str, side: str) -> Int64[np.ndarray, " _"]:
    try:
        array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    except (TypeError, ValueError) as error:
        raise VireidError(
            f"{name} must be one integer for each {side} of the scores, so {expected}, but they make no array: {error}"
        ) from error
    if array.shape != (expected,) or (expected and array.dtype.kind not in "iu"):
        raise VireidError(
            f"{name} must be one integer for each {side} of the scores, so {expected}, got {array.dtype} of shape "
            f"{array.shape}"
        )
    return array.astype(np.int64)
