"""``vireid evaluate``: score a run or anybody's features by the exact protocol of a data set."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from vireid.cli.config import EvaluateConfig
from vireid.cli.console import console, progress_bar, say
from vireid.cli.device import pick_device
from vireid.cli.plan import Plan, make_plan
from vireid.evaluation import Averages, Evaluation, evaluate, refuse_other_trial, rows_of
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
    _refuse_foreign_flags(config)
    if config.features and config.mirror:
        raise VireidError("--mirror averages the embeddings of a run; features from a file are taken as they are")
    plan, embeddings = _from_features(config) if config.features else _from_run(config)
    result = evaluate(plan.records, embeddings, plan.trials, plan.protocol, rerank=config.rerank)
    _show(result)
    if config.json is not None:
        with write_atomically(config.json) as draft:
            draft.write_text(json.dumps(result.to_json(), indent=1))
        say(f"written to {config.json}")
    return result


def _refuse_foreign_flags(config: EvaluateConfig) -> None:
    belongs = {
        "mode": ("sysu",),
        "shots": ("sysu",),
        "draw": ("sysu",),
        "evaluator": ("llcm",),
        "trial": ("regdb",),
        "trials": ("sysu", "llcm"),
    }
    for entry in dataclasses.fields(config):
        owners = belongs.get(entry.name, (config.dataset,))
        if config.dataset not in owners and getattr(config, entry.name) != entry.default:
            raise VireidError(
                f"--{entry.name} belongs to {' and '.join(owners)}, not to {config.dataset}; leave it out"
            )


def rates_row(averages: Averages) -> list[str]:
    """Rank-1/5/10/20, mAP and mINP in percent."""
    rates = [*(averages["cmc"][rank - 1] for rank in RANKS), averages["map"], averages["minp"]]
    return [f"{100 * rate:.2f}" for rate in rates]


def _show(result: Evaluation) -> None:
    """The table, and below it what the numbers are."""
    count = len(result.trials)
    say(f"{result.protocol.name}, percent", style="bold")
    table = Table()
    for name in ["", *(f"Rank-{rank}" for rank in RANKS), "mAP", "mINP"]:
        table.add_column(name, justify="right" if name else "left")
    if count > 1:
        table.add_row(f"mean of {count} trials", *rates_row(result.mean))
        table.add_row("standard deviation", *rates_row(result.std))
    else:
        table.add_row("1 trial", *rates_row(result.mean))
    console.print(table)
    protocol, first = result.protocol, result.trials[0]
    valid = sorted({trial.valid for trial in result.trials})
    for name, fact in {
        "queries": f"{' to '.join(str(few) for few in (valid[0], valid[-1])[: len(valid)])} of {first.queries} have a "
        f"match and count, in a gallery of {first.gallery}",
        "protocol": (f"trial {protocol.split}: " if protocol.split else "") + protocol.trial_rule,
        "method": protocol.method
        + ("" if protocol.reconstruction == "none" else f"; reconstruction: {protocol.reconstruction}"),
        "feature": f"{protocol.feature}, {protocol.distance} distance",
        "checkpoint": protocol.checkpoint_rule,
        "re-ranking": protocol.reranking,
        "augmentation": f"{protocol.test_time_augmentation} at test time",
    }.items():
        say(f"  {name:<14}{fact}", indent=" " * 14)


def _from_features(config: EvaluateConfig) -> tuple[Plan, Embeddings]:
    assert config.features is not None
    embeddings = Embeddings.load(config.features)
    if not len(embeddings.paths):
        raise VireidError(f"{config.features} holds no embeddings; embed the test images of {config.root} first")
    facts = {"checkpoint_rule": "not known: features from a file"}
    plan = _plan(config, feature=config.features.name, facts=facts, paths=embeddings.paths)
    return plan, embeddings


def _from_run(config: EvaluateConfig) -> tuple[Plan, Embeddings]:
    assert config.checkpoint is not None
    network, facts = load_network(config.checkpoint)
    if config.dataset == "regdb" and facts.get("dataset") == "regdb":
        refuse_other_trial(facts["trial"], config.trial)
    plan = _plan(config, feature=config.feature, facts=facts)
    with progress_bar("embedding") as progress:
        embeddings = embed_records(
            network,
            plan.records,
            rows_of(plan.trials),
            feature=config.feature,
            device=pick_device(config.accelerator),
            workers=config.workers,
            mirror=config.mirror,
            progress=progress,
        )
    return plan, embeddings


def _plan(config: EvaluateConfig, *, feature: str, facts: dict[str, Any], paths: np.ndarray | None = None) -> Plan:
    return make_plan(
        config.dataset,
        Path(config.root),
        feature=feature,
        checkpoint_rule=facts["checkpoint_rule"],
        method=facts.get("recipe", "not known"),
        reconstruction=facts.get("reconstruction", "none"),
        mirror=config.mirror,
        mode=config.mode,
        shots=config.shots,
        draw=config.draw,
        direction=config.direction,
        evaluator=config.evaluator,
        trial=config.trial,
        trials=config.trials,
        paths=None if paths is None else paths.tolist(),
    )
