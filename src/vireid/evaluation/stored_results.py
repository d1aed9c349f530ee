"""Results that stay with their run: one file for each protocol, in ``results/`` of the run directory."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import vireid
from vireid.evaluation.evaluation import Evaluation
from vireid.evaluation.per_query import CMC_LENGTH
from vireid.evaluation.protocol import Protocol
from vireid.types import Score, VireidError, check_own_places, write_atomically

__all__ = ["RESULTS", "StoredResult", "read_results", "store_result"]

FORMAT = 1
"""Version of the file form; a file that names none is of the first."""

RESULTS = "results"
"""Name of the folder of results in a run directory."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredResult:
    """A result with the weights that it belongs to.

    Attributes:
        evaluation: the scores and their protocol.
        weights: `vireid.models.fingerprint` of what made the embeddings.
        measured: ISO 8601.
        version: of this library.
    """

    evaluation: Evaluation
    weights: str
    measured: str
    version: str


def store_result(run: Path, evaluation: Evaluation, *, weights: str) -> Path:
    """Keep a result with its run; one of the same protocol takes the place of an older one.

    Args:
        run: the run directory.
        weights: `vireid.models.fingerprint` of what made the embeddings.

    Returns:
        The file.

    Raises:
        VireidError: the file cannot be written, or a link would carry it out of the run.
    """
    file = run / RESULTS / f"{_name(evaluation.protocol)}.json"
    check_own_places(run, [RESULTS, f"{RESULTS}/{file.name}"])
    document = {
        "format": FORMAT,
        "weights": weights,
        "measured": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "version": vireid.__version__,
        **evaluation.to_json(),
    }
    with write_atomically(file) as draft:
        draft.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return file


def read_results(run: Path) -> list[StoredResult]:
    """The results in a run directory, by the names of their files; none where nothing was measured.

    Raises:
        VireidError: a file that is no result.
    """
    return [read_result(file) for file in sorted((run / RESULTS).glob("*.json"))]


def read_result(file: Path) -> StoredResult:
    """A result from its file, or from what ``vireid evaluate --json`` wrote, which names no weights.

    Raises:
        VireidError: no such file, one that is no result, or one of another version of the form.
    """
    try:
        if file.exists() and not file.is_file():
            raise ValueError("it is no regular file")
        document = json.loads(file.read_text(encoding="utf-8"))
        if document.get("format", FORMAT) != FORMAT:
            raise VireidError(
                f"{file} is a result of format {document['format']!r}, this version of vireid reads format {FORMAT}; "
                "read it with the version that wrote it, or measure again"
            )
        evaluation = Evaluation(
            protocol=_protocol(document["protocol"]), trials=[_score(trial) for trial in document["trials"]]
        )
        if not evaluation.trials:
            raise ValueError("it holds no trial")
        return StoredResult(
            evaluation=evaluation,
            weights=str(document.get("weights", "")),
            measured=str(document.get("measured", "")),
            version=str(document.get("version", "")),
        )
    except (OSError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise VireidError(
            f"{file} is not a result of vireid evaluate ({type(error).__name__}: {error}); remove it or measure again"
        ) from error


def _name(protocol: Protocol) -> str:
    """The protocol's name, and eight digits that differ wherever any fact of it does."""
    words = re.sub(r"[^a-z0-9]+", "-", protocol.name.lower()).strip("-")
    named = asdict(protocol)
    if not protocol.made_world:
        # As before there was this fact, so that a result measured again takes the place of an older one.
        del named["made_world"]
    facts = json.dumps(named, sort_keys=True)
    return f"{words}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


def _protocol(document: dict[str, Any]) -> Protocol:
    known = Protocol.__dataclass_fields__
    return Protocol(**{name: value for name, value in document.items() if name in known})


def _score(document: dict[str, Any]) -> Score:
    rates = np.asarray(document["cmc"], dtype=np.float64)
    figures = {name: float(document[name]) for name in ("map", "minp")}
    counts = {name: int(document[name]) for name in ("valid", "queries", "gallery")}
    if len(rates) != CMC_LENGTH:
        raise ValueError(f"the CMC has {len(rates)} entries, not {CMC_LENGTH}")
    every = np.array([*rates, *figures.values()])
    if not ((every >= 0) & (every <= 1)).all():
        raise ValueError("a rate is no fraction from 0 to 1")
    return Score(cmc=rates, map=figures["map"], minp=figures["minp"], **counts)
