"""``vireid import``: a published checkpoint becomes a run that every other command takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vireid.cli.config import ImportConfig
from vireid.cli.console import say
from vireid.cli.sharing import refresh_card
from vireid.models import WEIGHTS, Network, save_network
from vireid.models.reference import import_reference
from vireid.types import VireidError, write_atomically

__all__ = ["import_command"]

FACTS = "import.json"

TRAINED_ON = {395: "sysu", 206: "regdb", 713: "llcm"}
"""How many identities each data set trains on."""


def import_command(config: ImportConfig) -> Path:
    """Write weights and facts into ``config.out``; say what was left out, what became of the size, and what comes next.

    Raises:
        VireidError: a place that holds other files, one of height and width without the other, or what
            `import_reference` refuses.
    """
    out = config.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise VireidError(f"an import makes a folder of its own, but {out} holds something already; choose another")
    if (config.height is None) != (config.width is None):
        raise VireidError("an image size is a height and a width; give both --height and --width, or neither")
    size = None if config.height is None or config.width is None else (config.height, config.width)
    network, facts = import_reference(
        config.file, config.kind, image_size=size, dataset=config.dataset, trial=config.trial
    )
    save_network(network, out / WEIGHTS, facts=facts)
    with write_atomically(out / FACTS) as draft:
        draft.write_text(json.dumps(facts, indent=2))
    refresh_card(out)
    _report(network, facts, config)
    return out


def _report(network: Network, facts: dict[str, Any], config: ImportConfig) -> None:
    before, after = (size / 1e6 for size in (facts["source"]["bytes"], (config.out / WEIGHTS).stat().st_size))
    identities = network.head.classifier.out_features
    height, width = network.image_size
    say(f"{config.kind} for images {height} x {width} (height x width), trained on {identities} identities")
    for name, number in facts["published"].items():
        say(f"  the file says {name} {number:g}")
    if facts["dropped"]:
        say("left out, because the published network never uses it:")
    for group in facts["dropped"]:
        say(f"  {group}")
    say(f"{before:.1f} MB before, {after:.1f} MB in {config.out / WEIGHTS}")
    likely = TRAINED_ON.get(identities)
    if config.dataset is None and likely == "regdb":
        say(
            f"{identities} identities are what a trial of RegDB has: if this is one, import it with --dataset regdb "
            "--trial N, so that it is scored on no trial whose people it has seen"
        )
    dataset = config.dataset or likely or "sysu"
    trial = f" --trial {config.trial}" if config.trial is not None else ""
    say(f"next: vireid evaluate --checkpoint {config.out} --dataset {dataset} --root ROOT{trial}")
