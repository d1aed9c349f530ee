"""The text of a model card: what a stranger must know of a run before using it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2

from vireid.evaluation import StoredResult
from vireid.evaluation.standing import TABLES
from vireid.sharing.described_run import DescribedRun
from vireid.sharing.papers import papers_of
from vireid.types import printable

__all__ = ["LAYOUTS", "card_body", "plain", "title_of"]

TEMPLATE = "card.md.jinja"
NOT_KNOWN = "not known"
FILE_OF_OWNER = "a file of the owner's"

LAYOUTS = {**TABLES, "folder": "a folder of one's own"}

OFFICIAL_IDENTITIES = {"sysu": 395, "regdb": 206, "llcm": 713}
"""How many people each public data set trains on."""

RANKS = (1, 10, 20)


def card_body(run: DescribedRun, *, name: str | None, license: str | None) -> str:
    """The card below its metadata, in Markdown. Facts that the run does not tell are said to be not known.

    Args:
        name: ``namespace/name`` on the Hub, None for a directory.
        license: what the owner of the weights chose; None claims none.
    """
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=plain
    )
    template = resources.files("vireid.sharing").joinpath(TEMPLATE).read_text(encoding="utf-8")
    facts = _identity(run) | _data(run) | _results(run) | _training(run)
    return environment.from_string(template).render(facts, name=name, license=license) + "\n"


def title_of(run: DescribedRun) -> str:
    """What a card calls the model."""
    recipe, dataset = plain(run.facts.get("recipe", "a network")), run.facts.get("dataset")
    return f"{recipe}, trained in the layout of {LAYOUTS[dataset]}" if dataset in LAYOUTS else recipe


def plain(value: Any) -> str:
    r"""A value as words of one line that Markdown, HTML and the card's own marks take no notice of.

    >>> plain("a | b\n<!-- c `d`"), plain(None)
    ('a / b !-- c d', 'not known')
    """
    if value is None:
        return NOT_KNOWN
    # Half a character, which JSON can name, is none that a file can hold.
    words = str(value).encode("utf-8", "replace").decode()
    return printable(re.sub(r"\s+", " ", re.sub(r"[`<>\[\]*]", " ", words.replace("|", "/"))).strip())


def _identity(run: DescribedRun) -> dict[str, Any]:
    network, facts = run.network, run.facts
    size = network.get("image_size")
    height, width = size if isinstance(size, Sequence) and len(size) == 2 else (None, None)
    recipe = facts.get("recipe")
    source, published = facts.get("source"), facts.get("published")
    return {
        "title": title_of(run),
        "recipe": recipe,
        "papers": papers_of(str(recipe), network),
        "reconstruction": facts.get("reconstruction", "none"),
        "checkpoint_rule": facts.get("checkpoint_rule"),
        "best_on_test": "best" in str(facts.get("checkpoint_rule")),
        "backbone": network.get("backbone"),
        "start": _start(run),
        "height": height,
        "width": width,
        "small": "-small" in str(recipe),
        "dimension": run.dimension,
        "parameters": f"{run.parameters:,}",
        "megabytes": f"{run.weights_bytes / 1e6:.1f}",
        "sha256": run.sha256,
        "source": f"{source.get('file')}, SHA-256 {source.get('sha256')}" if isinstance(source, Mapping) else "",
        "published": _pairs(published),
    }


def _start(run: DescribedRun) -> str | None:
    """Where the backbone began; the path of a file is of no use to others, and not theirs to know."""
    weights = run.record.settings.get("network.weights")
    known = {None: None, "imagenet": "timm's ImageNet weights", "none": "random weights"}
    return known.get(weights, FILE_OF_OWNER) if isinstance(weights, str | None) else FILE_OF_OWNER


def _data(run: DescribedRun) -> dict[str, Any]:
    dataset, identities = run.facts.get("dataset"), run.network.get("identities")
    official = OFFICIAL_IDENTITIES.get(str(dataset))
    return {
        "dataset": dataset if dataset in LAYOUTS else None,
        "layout": LAYOUTS.get(str(dataset)),
        "identities": identities,
        "official": official,
        "official_size": identities is not None and identities == official,
        "trial": run.facts.get("trial") if dataset == "regdb" else None,
        "seed": run.facts.get("seed"),
    }


def _results(run: DescribedRun) -> dict[str, Any]:
    trained_on = run.facts.get("dataset")
    return {"results": [_row(result, trained_on) for result in run.results], "stale": run.stale}


def _row(result: StoredResult, trained_on: object) -> dict[str, Any]:
    """Rates in percent, and every fact that a result must name."""
    evaluation, protocol = result.evaluation, result.evaluation.protocol
    mean, std, first = evaluation.mean, evaluation.std, evaluation.trials[0]
    pairs = [*((mean["cmc"][rank - 1], std["cmc"][rank - 1]) for rank in RANKS)]
    pairs += [(mean["map"], std["map"]), (mean["minp"], std["minp"])]
    several = len(evaluation.trials) > 1
    valid = sorted({trial.valid for trial in evaluation.trials})
    apart = [word for word in (protocol.reranking, protocol.test_time_augmentation) if word != "none"]
    return {
        "label": ", ".join(
            [protocol.name, protocol.feature, *apart, *(["a made world"] if protocol.made_world else [])]
        ),
        "trials": len(evaluation.trials),
        "rates": [f"{100 * rate:.2f}" + (f" ± {100 * spread:.2f}" if several else "") for rate, spread in pairs],
        "facts": [
            f"{' to '.join(str(count) for count in dict.fromkeys((valid[0], valid[-1])))} of {first.queries} queries "
            f"have a match and count, in a gallery of {first.gallery}",
            (f"trial {protocol.split}: " if protocol.split else "") + protocol.trial_rule_of(trained_on),
            f"method {protocol.method}, reconstruction {protocol.reconstruction}",
            f"feature {protocol.feature}, {protocol.distance} distance",
            f"checkpoint: {protocol.checkpoint_rule}",
            f"re-ranking: {protocol.reranking}",
            f"augmentation at test time: {protocol.test_time_augmentation}",
            f"measured {result.measured or NOT_KNOWN} with vireid {result.version or NOT_KNOWN}",
        ],
    }


def _training(run: DescribedRun) -> dict[str, Any]:
    record = run.record
    settings, hardware, steps = record.settings, record.hardware, record.steps
    people, images = settings.get("identities"), settings.get("images")
    seconds = steps[-1].get("seconds") if steps else None
    memory = f", {hardware['memory_gib']} GiB of memory" if hardware.get("memory_gib") else ""
    processor = f"{hardware['processor']}, {hardware.get('cores')} cores{memory}" if "processor" in hardware else None
    return {
        "epochs": settings.get("epochs"),
        "step": f"{people} identities, {images} images of each and modality" if people and images else None,
        "precision": settings.get("precision"),
        "steps": len(steps) or None,
        "duration": f"{seconds:,.0f} s" if isinstance(seconds, int | float) else None,
        "processor": processor,
        "accelerators": (", ".join(map(str, hardware["accelerators"])) or "none")
        if "accelerators" in hardware
        else None,
        "started": record.started or None,
        "versions": _pairs(record.versions) or None,
    }


def _pairs(values: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) if isinstance(values, Mapping) else ""
