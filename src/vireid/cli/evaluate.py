"""``vireid evaluate``: score a run or anybody's features by the exact protocol of a data set."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from vireid.cli.config import EvaluateConfig
from vireid.cli.console import console, quiet_unless_first, say
from vireid.cli.device import accelerator_for, pick_device
from vireid.cli.embedding import embed_by_all
from vireid.cli.plan import Plan, make_plan
from vireid.cli.sharing import refresh_card
from vireid.evaluation import Averages, Evaluation, evaluate, refuse_other_trial, rows_of, store_result
from vireid.evaluation.stored_results import RESULTS
from vireid.exports import load_model
from vireid.models import WEIGHTS, EmbeddingModel, fingerprint
from vireid.retrieval.embedder import computing_type
from vireid.training import join_processes, processes_of_job
from vireid.types import Embeddings, VireidError, check_own_places, write_atomically

__all__ = ["RANKS", "evaluate_command", "measure", "rates_row"]

RANKS = (1, 5, 10, 20)


# What belongs to the embedding of a run.
OF_A_RUN = ("mirror", "precision", "batch_size", "cache")


def evaluate_command(config: EvaluateConfig) -> Evaluation | None:
    """Score, print, keep the result with its run, and write JSON when asked.

    Started by torchrun or srun, all processes embed and the first scores, prints and writes; the others return None.

    Raises:
        VireidError: see `measure`, a file that cannot be written, or results that a link would carry out of the run.
    """
    run = config.checkpoint if config.checkpoint is not None and (config.checkpoint / WEIGHTS).is_file() else None
    if run is not None:
        # Before the time that a measurement may take.
        check_own_places(run, [RESULTS])
    result = measure(config)
    if result is None:
        return None
    if run is not None:
        kept = store_result(run, result, weights=fingerprint(run, config.feature))
        refresh_card(run)
        say(f"kept in {kept}")
    if config.json is not None:
        with write_atomically(config.json) as draft:
            draft.write_text(json.dumps(result.to_json(), indent=1))
        say(f"written to {config.json}")
    return result


def measure(config: EvaluateConfig) -> Evaluation | None:
    """Score and print the table with everything that it must name; None in all processes of a job but the first.

    Raises:
        VireidError: neither or both of checkpoint and features, a RegDB model on another trial, what the parts refuse.
    """
    if (config.checkpoint is None) == (config.features is None):
        raise VireidError(
            "evaluate scores either a run (--checkpoint RUN) or features (--features F.npz); give one of them"
        )
    _refuse_foreign_flags(config)
    if config.score_memory < 1:
        raise VireidError(f"scoring needs at least 1 MiB of work space, got --score-memory {config.score_memory}")
    first = processes_of_job().first
    quiet_unless_first(first)
    if config.features and not first:
        return None
    plan, embeddings = _from_features(config) if config.features else _from_run(config)
    if embeddings is None:
        return None
    result = evaluate(
        plan.records,
        embeddings,
        plan.trials,
        plan.protocol,
        rerank=config.rerank,
        memory=config.score_memory << 20,
        device=pick_device(config.score_accelerator),
    )
    _show(result)
    return result


def _refuse_foreign_flags(config: EvaluateConfig) -> None:
    defaults = {entry.name: entry.default for entry in dataclasses.fields(config)}
    for name in OF_A_RUN if config.features else ():
        if getattr(config, name) != defaults[name]:
            raise VireidError(
                f"--{name.replace('_', '-')} is for the embeddings of a run (--checkpoint); features from a file are "
                "taken as they are"
            )
    belongs = {
        "mode": ("sysu",),
        "shots": ("sysu",),
        "draw": ("sysu",),
        "evaluator": ("llcm",),
        "trial": ("regdb",),
        "trials": ("sysu", "llcm"),
    }
    for name, owners in belongs.items():
        if config.dataset not in owners and getattr(config, name) != defaults[name]:
            raise VireidError(f"--{name} belongs to {' and '.join(owners)}, not to {config.dataset}; leave it out")


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
    images = {"images": "a made world (vireid synth): not the data set's"} if protocol.made_world else {}
    for name, fact in {
        **images,
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


def _from_run(config: EvaluateConfig) -> tuple[Plan, Embeddings | None]:
    assert config.checkpoint is not None
    network, facts = load_model(config.checkpoint)
    if config.dataset == "regdb" and facts.get("dataset") == "regdb":
        refuse_other_trial(facts.get("trial"), config.trial)
    fabric = join_processes(accelerator_for(config.checkpoint, config.accelerator))
    plan = _plan(config, feature=config.feature + _computed(config, fabric.device, network, facts), facts=facts)
    return plan, embed_by_all(config, fabric, network, plan.records, rows_of(plan.trials), mirror=config.mirror)


def _computed(config: EvaluateConfig, device: torch.device, network: EmbeddingModel, facts: dict[str, Any]) -> str:
    """What a result must say beside the feature: of an export its kind, of half precision which."""
    if "export" in facts:
        return f", {facts['export']}"
    kind = computing_type(network, config.precision, device)
    return "" if kind is None else f" computed in {str(kind).removeprefix('torch.')}"


def _plan(config: EvaluateConfig, *, feature: str, facts: dict[str, Any], paths: np.ndarray | None = None) -> Plan:
    return make_plan(
        config.dataset,
        Path(config.root),
        feature=feature,
        checkpoint_rule=facts.get("checkpoint_rule") or "not known",
        method=facts.get("recipe") or "not known",
        reconstruction=facts.get("reconstruction") or "none",
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
