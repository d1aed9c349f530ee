"""Everything that a card may say of a run, read from its directory; what is not written there is not known."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors

from vireid.evaluation import StoredResult, read_results
from vireid.models import WEIGHTS
from vireid.training import RunRecord, read_run
from vireid.types import VireidError, sha256_of

__all__ = ["DescribedRun", "describe_run"]

CLASSIFIER = "head.classifier.weight"
"""In the weights: identities x numbers of a vector."""

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Last words of what a BatchNorm counts and no optimiser changes: in the file, but no parameters."""

_WORDS = ("recipe", "dataset", "checkpoint_rule", "reconstruction")
_DEEPEST = 20


@dataclass(frozen=True, eq=False, kw_only=True)
class DescribedRun:
    """A run directory as a card sees it.

    Attributes:
        network: the keywords of `vireid.models.build_network`.
        facts: what was saved with the weights, such as recipe, data set and checkpoint rule.
        parameters: how many numbers were trained; the statistics of BatchNorm are in the file, too, and not counted.
        dimension: numbers in a vector; None where the weights do not tell.
        weights_bytes: size of their file.
        sha256: of the file of weights.
        record: settings, versions, hardware and steps of the training.
        results: those of these very weights; of the data set that they were trained on first.
        stale: how many results in the directory are of other weights, or do not say of which.
    """

    network: Mapping[str, Any]
    facts: Mapping[str, Any]
    parameters: int
    dimension: int | None
    weights_bytes: int
    sha256: str
    record: RunRecord
    results: list[StoredResult]
    stale: int


def describe_run(run: Path) -> DescribedRun:
    """Read a finished run; the network is not built.

    Raises:
        VireidError: no finished run there, or a file of it that is damaged.
    """
    run = Path(run)
    file = run / WEIGHTS
    if not run.is_dir() or not file.is_file():
        raise VireidError(f"a card and sharing need a finished run directory, but {run} has no {WEIGHTS}; name one")
    try:
        with safetensors.safe_open(file, framework="np") as content:
            document = json.loads((content.metadata() or {}).get("vireid", "null"))
            shapes = {key: content.get_slice(key).get_shape() for key in content.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise VireidError(f"{file} is not a whole file of weights: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("network"), dict):
        raise VireidError(f"{file} holds weights of another library: it does not say how to build its network")
    facts = _checked_facts(document, file)
    sha256 = sha256_of(file)
    results = [_checked(result, run) for result in read_results(run)]
    # A fingerprint is the first digits of the weights' hash, then the feature.
    fresh = [result for result in results if result.weights.split(" ")[0] == sha256[:16]]
    # Those of the data set that it was trained on first, else by the names of their files.
    fresh.sort(key=lambda result: result.evaluation.protocol.data_set != facts.get("dataset"))
    return DescribedRun(
        network=document["network"],
        facts=facts,
        parameters=sum(math.prod(shape) for name, shape in shapes.items() if name.rpartition(".")[2] not in STATISTICS),
        dimension=(shapes.get(CLASSIFIER) or [None])[-1],
        weights_bytes=file.stat().st_size,
        sha256=sha256,
        record=read_run(run),
        results=fresh,
        stale=len(results) - len(fresh),
    )


def _checked_facts(document: dict[str, Any], file: Path) -> dict[str, Any]:
    facts = document.get("facts") or {}
    if not isinstance(facts, dict):
        raise VireidError(f"the facts in {file} must be an object, got {type(facts).__name__}; save the network again")
    for name in _WORDS:
        if not isinstance(facts.get(name), str | None):
            raise VireidError(
                f"the facts in {file} must give the {name} as words, got {type(facts[name]).__name__}; save the "
                "network again"
            )
    layer: list[Any] = [document]
    for _ in range(_DEEPEST):
        layer = [
            inner
            for value in layer
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    if layer:
        raise VireidError(f"what {file} says of itself is nested more than {_DEEPEST} deep; save the network again")
    return facts


def _checked(result: StoredResult, run: Path) -> StoredResult:
    """A result whose protocol says what it must in words that a card can print."""
    protocol = result.evaluation.protocol
    try:
        words = [protocol.name, protocol.trial_rule, protocol.feature, protocol.method, protocol.checkpoint_rule]
        words += [protocol.reconstruction, protocol.distance, protocol.reranking, protocol.test_time_augmentation]
        # What is no word is not told by a type alone: a data set that nobody knows is a KeyError.
        known = all(isinstance(word, str) for word in words) and isinstance(protocol.trials, int)
    except (LookupError, TypeError, ValueError, AttributeError):
        known = False
    if not known:
        raise VireidError(
            f"a result in {run} has a protocol that is not told in words; remove it from its results, or measure again"
        )
    return result
