"""What the numbers of a sweep depend on: the lines above its table."""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vireid.cli.config import SweepConfig
from vireid.cli.recipes import reconstruction_of
from vireid.cli.sweep_table import published_beside
from vireid.cli.sweeps import Cell
from vireid.models.cost import Cost
from vireid.types import Records

__all__ = ["describe_sweep", "fingerprint_of", "form_of"]


def form_of(config: SweepConfig) -> str:
    """Which form of the recipes a sweep trains."""
    return "small" if config.small else "full"


def fingerprint_of(records: Records) -> str:
    """16 hexadecimal digits of what the table of images says and how large each file is; the pixels are not read."""
    digest = hashlib.sha256()
    for row in range(len(records)):
        facts = (records.paths[row], records.persons[row], records.cameras[row], records.splits[row])
        digest.update(repr((*map(str, facts), records.file(row).stat().st_size)).encode())
    return digest.hexdigest()[:16]


def describe_sweep(
    config: SweepConfig,
    cells: Sequence[Cell],
    records: Records,
    fingerprint: str,
    results: Mapping[str, Sequence[Mapping[str, Any]]],
    costs: Mapping[str, Cost] | None,
) -> dict[str, str]:
    """Everything that the table's numbers depend on, a line each; no path of this machine.

    Args:
        fingerprint: of the records, see `fingerprint_of`.
        results: by cell, what its finished seeds left.
        costs: by cell; None for a table without them.
    """
    finished = [result for several in results.values() for result in several]
    sizes = ", ".join(
        f"{int((records.splits == split).sum())} images to {verb} on"
        for split, verb in (("train", "train"), ("test", "test"))
    )
    lengths = " or ".join(sorted({str(cell.recipe.epochs) for cell in cells}))
    batches = " or ".join(sorted({f"P = {cell.recipe.identities} and K = {cell.recipe.images}" for cell in cells}))
    lines = {
        "data": f"{config.dataset} in `{config.root.resolve().name}`, {sizes}, fingerprint {fingerprint} (of the list "
        "of images and their sizes)",
        "protocol": _each(_protocol(result["evaluation"]["protocol"]) for result in finished),
        "reconstruction": _reconstructions(cells),
        "chance": _each(
            f"Rank-1 {100 * chance['cmc'][0]:.2f}, mAP {100 * chance['map']:.2f}, mINP {100 * chance['minp']:.2f}"
            for chance in (result["chance"] for result in finished)
        ),
        "recipes": f"{form_of(config)} form, {lengths} epoch{'' if lengths == '1' else 's'}, {batches}"
        + (f", weights {Path(config.weights).name}" if config.weights else ""),
        "ours": _ours(config.seeds),
        "published": _published(cells, config.dataset),
        "cost": "" if costs is None else _cost(costs),
        "versions": _each(
            ", ".join(f"{name} {version}" for name, version in result["versions"].items()) for result in finished
        ),
        "hardware": _each(result["hardware"] for result in finished),
        "date": time.strftime("%Y-%m-%d"),
        "command": f"`{_command(config)}`",
    }
    return {name: line for name, line in lines.items() if line}


def _ours(seeds: int) -> str:
    if seeds == 1:
        return "percent, seed 0 alone: no spread is known"
    return f"percent, mean ± sample standard deviation over the seeds 0 to {seeds - 1}"


def _published(cells: Sequence[Cell], dataset: str) -> str:
    rows = [row for row in (published_beside(cell, dataset) for cell in cells) if row]
    if not rows:
        return ""
    notes = [f"{row.method} is {row.kind}" for row in rows if row.kind not in ("plain", "ablation")]
    if any(row.method == "Base" for row in rows):
        notes.append(
            "Base is CAJ's number, image and mirror image averaged at test; the paper does not say of the others"
        )
    sources = "; ".join(sorted({row.source for row in rows}))
    return (
        f"percent, as printed for the real data set and the full recipe ({sources}). "
        "A made world, a small form or other epochs are another task: compare rows there, not columns"
        + "".join(f"; {note}" for note in notes)
    )


def _reconstructions(cells: Sequence[Cell]) -> str:
    rebuilt = {cell.key: reconstruction_of(cell.recipe) for cell in cells}
    return "; ".join(f"{key}: {what}" for key, what in rebuilt.items() if what != "none")


def _cost(costs: Mapping[str, Cost]) -> str:
    devices = " and ".join(sorted({cost.device for cost in costs.values()}))
    return (
        "of embedding one image, batch 1; a multiplication and an addition are two operations; time is the median "
        + (f"on {devices}" if devices else "and is measured when all cells have ended")
    )


def _protocol(protocol: Mapping[str, Any]) -> str:
    return (
        f"{protocol['name']}; {protocol['trial_rule']}; feature {protocol['feature']}, {protocol['distance']} "
        f"distance; checkpoint: {protocol['checkpoint_rule']}; re-ranking: {protocol['reranking']}; augmentation at "
        f"test time: {protocol['test_time_augmentation']}"
    )


def _each(lines: Iterable[str]) -> str:
    """What all share, or each of what they do not."""
    return " / ".join(dict.fromkeys(lines))


def _command(config: SweepConfig) -> str:
    """What was typed, of folders and files the last names only."""
    words = ["vireid", "sweep", config.name, "--root", config.root.resolve().name, "--out", config.out.resolve().name]
    default = SweepConfig(name=config.name, root=config.root, out=config.out)
    for key in ("dataset", "trial", "epochs", "seeds", "jobs", "submit", "accelerator", "workers"):
        if getattr(config, key) != getattr(default, key):
            words += [f"--{key}", str(getattr(config, key))]
    words += ["--weights", Path(config.weights).name] if config.weights else []
    words += ["--part-maps", config.part_maps.name] if config.part_maps else []
    words += ["--cache", config.cache.name] if config.cache else []
    words += ["--submit-options", *config.submit_options] if config.submit_options else []
    words += ["--small"] if config.small else []
    return shlex.join(words)
