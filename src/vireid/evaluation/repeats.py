"""Which results are one thing measured again: other seeds of a recipe, or the models of RegDB's trials."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from vireid.evaluation.evaluation import Evaluation
from vireid.types import VireidError

__all__ = ["Measured", "Repeats", "gather"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """One result and what is known of the training behind it.

    Attributes:
        name: short, for one whose method is not known.
        evaluation: the scores and their protocol.
        source: where it lies.
        weights: `vireid.models.fingerprint` of what made the embeddings; empty where it is not known.
        seed: of the training; None where it is not known.
        settings: of the training, without the seed, RegDB's trial and what cannot change a result; None where they are
            not known.
        notes: what must be said of it.
    """

    name: str
    evaluation: Evaluation
    source: str
    weights: str = ""
    seed: int | None = None
    settings: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Repeats:
    """Results that may be averaged; a single one as a rule.

    Attributes:
        name: of the first.
        evaluations: with protocols that agree in everything but RegDB's split.
        source: where they lie.
        differ_in: what sets them apart, in words; empty for one.
        notes: what must be said of them.
    """

    name: str
    evaluations: tuple[Evaluation, ...]
    source: str
    differ_in: str = ""
    notes: tuple[str, ...] = ()


def gather(results: Sequence[Measured], *, average: bool = True) -> list[Repeats]:
    """Put repeated runs together, in the order of their first.

    Results are put together where protocols agree in everything but RegDB's split, trainings in everything but seed and
    split, and numbers of images too. No two of them may have both the same seed and the same split: these are not
    what repeating a run gives, and then each stands for itself.

    Args:
        results: of any data sets and protocols.
        average: False lets each stand for itself.

    Raises:
        VireidError: a result that is there twice, which an average would count twice.
    """
    _refuse_twice(results)
    alike: defaultdict[object, list[Measured]] = defaultdict(list)
    for number, result in enumerate(results):
        alike[_what_is_fixed(result) if average else number].append(result)
    gathered = []
    for group in alike.values():
        apart = {(result.seed, result.evaluation.protocol.split) for result in group}
        gathered += [_together(group)] if len(apart) == len(group) else [_together([result]) for result in group]
    return gathered


def _refuse_twice(results: Sequence[Measured]) -> None:
    for one, other in combinations(results, 2):
        known = one.weights and other.weights
        if one.evaluation.protocol == other.evaluation.protocol and (
            one.weights == other.weights if known else one.evaluation.to_json() == other.evaluation.to_json()
        ):
            raise VireidError(
                f"a result may be given once, but {one.source} and {other.source} have the same protocol and the same "
                f"{'weights' if known else 'scores'}; leave one of them out"
            )


def _what_is_fixed(result: Measured) -> object:
    counts = sorted((trial.queries, trial.gallery, trial.valid) for trial in result.evaluation.trials)
    settings = json.dumps(result.settings, sort_keys=True)
    return replace(result.evaluation.protocol, split=None), tuple(counts), settings


def _together(group: Sequence[Measured]) -> Repeats:
    several = len(group) > 1
    facts = {
        "seeds": sorted({result.seed for result in group if result.seed is not None}),
        "trials": sorted({split for result in group if (split := result.evaluation.protocol.split) is not None}),
    }
    return Repeats(
        name=group[0].name,
        evaluations=tuple(result.evaluation for result in group),
        source=_listed(result.source for result in group),
        differ_in="; ".join(f"{name} {_listed(values)}" for name, values in facts.items() if values) if several else "",
        notes=tuple(dict.fromkeys(note for result in group for note in result.notes)),
    )


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
