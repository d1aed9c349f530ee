"""Picking the checkpoint on the test set: only when asked for, and named in every result that follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vireid.cli.config import TrainConfig
from vireid.cli.plan import make_plan
from vireid.evaluation import evaluate, rows_of
from vireid.models import Network, load_network, save_network
from vireid.retrieval import embed_records
from vireid.types import VireidError, write_atomically

__all__ = ["BEST", "SCORES", "BestOnTest"]

SCORES = "selection.json"
BEST = "best.safetensors"


class BestOnTest:
    """Called after each epoch: scores the first trial, keeps the weights of the highest Rank-1, the earliest of equals.

    What was scored is kept in the run directory, so a resumed run ends with the same choice.
    """

    def __init__(self, config: TrainConfig, *, facts: dict[str, Any]) -> None:
        self._scores: Path = config.out / SCORES
        self._weights: Path = config.out / BEST
        self._facts = facts
        self._workers = config.workers
        self._plan = make_plan(
            config.dataset, config.root, feature="bn", checkpoint_rule="best on test", trial=config.trial, trials=1
        )

    def __call__(self, epoch: int, network: Network) -> None:
        """Score an epoch's network, which is in evaluation mode."""
        scores = _read_scores(self._scores) if self._scores.exists() else {}
        # Epochs from here on were scored by a run that was killed before it could save its state.
        scores = {key: rank1 for key, rank1 in scores.items() if int(key) < epoch}
        device = next(network.parameters()).device
        embeddings = embed_records(
            network,
            self._plan.records,
            rows_of(self._plan.trials),
            device=device,
            precision="32",
            workers=self._workers,
        )
        rank1 = float(evaluate(self._plan.records, embeddings, self._plan.trials, self._plan.protocol).trials[0].cmc[0])
        if rank1 > max(scores.values(), default=-1.0):
            rule = f"best Rank-1 on test, epoch {epoch + 1}"
            save_network(network, self._weights, facts=self._facts | {"checkpoint_rule": rule})
        scores[str(epoch)] = rank1
        with write_atomically(self._scores) as draft:
            draft.write_text(json.dumps(scores))

    def best(self) -> tuple[Network, dict[str, Any]]:
        """The kept network and the facts to save with it."""
        return load_network(self._weights)


def _read_scores(file: Path) -> dict[str, float]:
    """Rank-1 by the number of the epoch."""
    try:
        scores = json.loads(file.read_text())
        if not all(type(rank1) is float and int(epoch) >= 0 for epoch, rank1 in scores.items()):
            raise ValueError("it must give a rate for each epoch")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise VireidError(f"{file} holds no scores of epochs: {error}; train anew in another folder") from error
    return scores
