"""The card of a run directory: written by us between two marks, and never over what its owner wrote."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from vireid.sharing.card import card_body
from vireid.sharing.card_metadata import OURS, card_metadata
from vireid.sharing.described_run import DescribedRun, describe_run
from vireid.types import VireidError, check_own_places, write_atomically

__all__ = ["CARD", "card_text", "write_card"]

CARD = "README.md"
"""Name of the card in a run directory."""

_BEGIN = "<!-- vireid {}: written by vireid card up to the next mark; what you add outside the marks is kept -->"
_END = "<!-- vireid: end -->"
_PART = re.compile(r"<!-- vireid ([0-9a-f]{16}): [^\n]*-->\n(.*)\n<!-- vireid: end -->", re.DOTALL)

_OWN = "\n\n<!-- Your own words go here: who is in the training data, under which terms, whom to ask. -->\n"


def write_card(run: Path, *, license: str | None = None, overwrite: bool = False) -> Path:
    """Write the card of a finished run, or write its own part of it anew.

    Text outside the marks, the licence and other metadata of the owner are kept.

    Args:
        license: a licence as the Hub names it, such as ``mit``; None keeps the one that is there, if any.
        overwrite: replace a part that was changed by hand, or a file that is no card of ours.

    Returns:
        The file.

    Raises:
        VireidError: a card that was changed by hand between the marks or is a link out of the run, no finished run, or
            a damaged file in it.
    """
    file = Path(run) / CARD
    check_own_places(Path(run), [CARD])
    text = card_text(run, license=license, overwrite=overwrite)
    with write_atomically(file) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")
    return file


def card_text(
    run: Path,
    *,
    license: str | None = None,
    name: str | None = None,
    overwrite: bool = False,
    described: DescribedRun | None = None,
) -> str:
    """What `write_card` writes; nothing is written.

    Args:
        name: ``namespace/name`` on the Hub, for the lines that say how to get the model.
        described: what `describe_run` made of the run, if it was asked already: it reads and hashes the weights.

    Raises:
        VireidError: see `write_card`.
    """
    described = describe_run(run) if described is None else described
    file = Path(run) / CARD
    metadata, around = _before(file, overwrite=overwrite)
    data = card_metadata(described, license=license, before=metadata)
    body = card_body(described, name=name, license=data.get("license")).rstrip("\n")
    top = data.to_yaml()
    mark = _BEGIN.format(_digest(body, ModelCard(f"---\n{top}\n---\n").data.to_dict()))
    return f"---\n{top}\n---\n{around[0]}{mark}\n{body}\n{_END}{around[1]}"


def _before(file: Path, *, overwrite: bool) -> tuple[dict[str, Any], tuple[str, str]]:
    """Metadata of the card so far, and the owner's text before and behind our part."""
    if not file.exists():
        return {}, ("", _OWN)
    try:
        content = file.read_text(encoding="utf-8-sig")
        # What begins with no metadata gets empty ones: huggingface_hub warns of none on standard error.
        card = ModelCard(content if REGEX_YAML_BLOCK.search(content) else f"---\n{{}}\n---\n{content}")
        metadata, text = card.data.to_dict(), card.text.replace("\r\n", "\n")
        part = _PART.search(text)
        changed = part is not None and part[1] != _digest(part[2], metadata)
        card.data.to_yaml()  # what can be read can be too deep to be written again
    # Its first lines go through YAML, huggingface_hub and JSON, which fail in many ways on what they do not expect.
    except Exception as error:
        if overwrite:
            return {}, ("", _OWN)
        said = " ".join(str(error).split())
        raise VireidError(
            f"{file} is not a card that can be read ({type(error).__name__}: {said}); mend its first lines, or write "
            "it anew with vireid card --overwrite"
        ) from error
    if part is None:
        if overwrite:
            return metadata, ("", _OWN)
        raise VireidError(
            f"{file} is not a card that vireid wrote, and was left as it is; move it away, or write over it with "
            "vireid card --overwrite"
        )
    if changed and not overwrite:
        raise VireidError(
            f"{file} was changed by hand between its marks, or in its results, and was left as it is; put your words "
            "behind the last mark, or lose them with vireid card --overwrite"
        )
    return metadata, (text[: part.start()], text[part.end() :])


def _digest(body: str, metadata: dict[str, Any]) -> str:
    """Sixteen digits that change when what we wrote is changed by hand."""
    ours = {key: metadata.get(key) for key in OURS}
    return hashlib.sha256(f"{json.dumps(ours, sort_keys=True)}\n{body}".encode()).hexdigest()[:16]
