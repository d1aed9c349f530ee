"""``vireid evaluate``: score a run or anybody's features by the exact protocol of a data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rich.table import Table

from vireid.cli.config import EvaluateConfig
from vireid.cli.console import console, progress_bar
from vireid.cli.device import pick_device
from vireid.cli.plan import Plan, make_plan
from vireid.evaluation import Averages, Evaluation, evaluate, refuse_other_trial
from vireid.models import load_network
from vireid.retrieval import embed_records
from vireid.types import Embeddings, VireidError, write_atomically

__all__ = ["RANKS", "evaluate_command", "rates_row"]

RANKS = (1, 5, 10, 20)


def evaluate_command(config: EvaluateConfig) -> Evaluation:
    """Score, print the table with everything that it must name, and write JSON when asked.

    Raises:
        VireidError: neither or both of checkpoint and features, a RegDB model on another trial, what the parts refuse.
    """
    if (config.checkpoint is None) == (config.features is None):
        raise VireidError(
            "evaluate scores either a run (--checkpoint RUN) or features (--features F.npz); give one of them"
        )
    plan, embeddings = _from_features(config) if config.features else _from_run(config)
    result = evaluate(plan.records, embeddings, plan.trials, plan.protocol, rerank=config.rerank)
    console.print(_table(result))
    for key, value in result.protocol.to_json().items():
        if value is not None:
            console.print(f"  {key.replace('_', ' ')}: {value}")
    if config.json is not None:
        with write_atomically(config.json) as draft:
            draft.write_text(json.dumps(result.to_json(), indent=1))
        console.print(f"written to {config.json}")
    return result


def rates_row(mean: Averages, std: Averages | None = None) -> list[str]:
    """Rank-1/5/10/20, mAP and mINP in percent, with their spread where there is one."""
    if std is None:
        return [f"{100 * rate:.2f}" for rate in _rates(mean)]
    return [f"{100 * rate:.2f} ± {100 * spread:.2f}" for rate, spread in zip(_rates(mean), _rates(std))]


def _rates(averages: Averages) -> list[float]:
    return [*(averages["cmc"][rank - 1] for rank in RANKS), averages["map"], averages["minp"]]


def _table(result: Evaluation) -> Table:
    table = Table(title=result.protocol.name, title_justify="left")
    for name in [*(f"Rank-{rank}" for rank in RANKS), "mAP", "mINP", "valid queries"]:
        table.add_column(name, justify="right")
    first = result.trials[0]
    std = result.std if len(result.trials) > 1 else None
    table.add_row(*rates_row(result.mean, std), f"{first.valid} of {first.queries}")
    return table


def _from_features(config: EvaluateConfig) -> tuple[Plan, Embeddings]:
    assert config.features is not None
    embeddings = Embeddings.load(config.features)
    plan = _plan(config, feature=config.features.name, rule="not known: features from a file", paths=embeddings.paths)
    return plan, embeddings


def _from_run(config: EvaluateConfig) -> tuple[Plan, Embeddings]:
    assert config.checkpoint is not None
    network, facts = load_network(config.checkpoint)
    if config.dataset == "regdb" and facts.get("dataset") == "regdb":
        refuse_other_trial(facts["trial"], config.trial)
    plan = _plan(config, feature=config.feature, rule=facts["checkpoint_rule"])
    used = np.unique(np.concatenate([rows for trial in plan.trials for rows in (trial.query_rows, trial.gallery_rows)]))
    with progress_bar("embedding") as progress:
        embeddings = embed_records(
            network,
            plan.records,
            used,
            feature=config.feature,
            device=pick_device(config.accelerator),
            workers=config.workers,
            progress=progress,
        )
    return plan, embeddings


def _plan(config: EvaluateConfig, *, feature: str, rule: str, paths: np.ndarray | None = None) -> Plan:
    return make_plan(
        config.dataset,
        Path(config.root),
        feature=feature,
        checkpoint_rule=rule,
        mode=config.mode,
        shots=config.shots,
        draw=config.draw,
        direction=config.direction,
        evaluator=config.evaluator,
        trial=config.trial,
        trials=config.trials,
        paths=None if paths is None else paths.tolist(),
    )
