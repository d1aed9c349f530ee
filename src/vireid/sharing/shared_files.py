"""What of a run directory is shared: named one by one, without a path of the machine, with their hashes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vireid.evaluation.stored_results import RESULTS, read_result
from vireid.models import WEIGHTS
from vireid.sharing.card_file import CARD, card_text
from vireid.sharing.described_run import describe_run
from vireid.training.log import LOG
from vireid.training.run_record import CONFIG, CONFIG_FORMAT
from vireid.types import VireidError

__all__ = ["CHECKSUMS", "SharedFile", "is_shared", "shared_files"]

CHECKSUMS = "sha256.json"
"""Name of the file that holds the hashes of the others, but for the card, which its owner may edit on the Hub."""

_NAME = re.compile(
    rf"{re.escape(WEIGHTS)}|{re.escape(CONFIG)}|{re.escape(CARD)}|{re.escape(LOG)}|{re.escape(CHECKSUMS)}"
    rf"|{RESULTS}/[A-Za-z0-9_][A-Za-z0-9_.-]*\.json"
)

_PATHS = {"root", "out", "part_maps", "cache", "weights"}
"""Settings that name places, by the last word of their name."""

_WEIGHTS = "network.weights"
_PLAIN_WEIGHTS = ("imagenet", "none")

A_FILE = "a file"
"""What is shared of ``network.weights`` where the run began from a file: not which, but that ImageNet's were not it."""

# At the beginning of a text or a word: /home/x, ~/x, C:\x, \\host\x, and any folder that timm is to read.
_PLACE = re.compile(r"""local-dir:|(?:^|[\s'"(=])(?:/\w|~\w*/|[A-Za-z]:[\\/]|\\\\\w)""")


@dataclass(frozen=True, kw_only=True)
class SharedFile:
    """A file to share.

    Attributes:
        name: in the repository.
        content: its bytes, or where they lie as they are.
        bytes: how many.
    """

    name: str
    content: bytes | Path
    bytes: int


def is_shared(name: str) -> bool:
    """Whether a repository's file is one of a run; no other is ever fetched or removed.

    >>> [is_shared(name) for name in ("results/a.json", "state.pt", "results/../a.json", "results/.a.json")]
    [True, False, False, False]
    """
    return _NAME.fullmatch(name) is not None


def shared_files(
    run: Path, *, name: str | None = None, license: str | None = None, include_log: bool = False
) -> list[SharedFile]:
    """The files of a finished run that are shared: weights, settings without paths, results of these weights, card.

    Args:
        name: ``namespace/name`` on the Hub, which the card tells.
        license: see `vireid.sharing.write_card`.
        include_log: share the losses of each step, too.

    Raises:
        VireidError: no finished run, a damaged file in it, a card changed by hand, or one of the files names a path of
            this machine.
    """
    run = Path(run)
    # Also refuses a run that has not ended. It hashes the weights, which can be large: once.
    described = describe_run(run)
    weights, record = run / WEIGHTS, described.record
    card = card_text(run, license=license, name=name, described=described)
    fingerprint = described.sha256[:16]
    contents: dict[str, bytes] = {}
    if record.settings:
        settings = without_paths(record.settings)
        document = {
            "format": CONFIG_FORMAT,
            "settings": settings,
            "processes": record.processes,
            "versions": record.versions,
            "code": record.code,
            "data": record.data,
            "hardware": record.hardware,
            "started": record.started,
        }
        contents[CONFIG] = json.dumps(document, indent=2).encode()
    for file in sorted((run / RESULTS).glob("*.json")):
        if is_shared(f"{RESULTS}/{file.name}") and read_result(file).weights.split(" ")[0] == fingerprint:
            contents[f"{RESULTS}/{file.name}"] = file.read_bytes()
    if include_log and (run / LOG).is_file():
        contents[LOG] = (run / LOG).read_bytes()
    hashes = {each: hashlib.sha256(content).hexdigest() for each, content in contents.items()}
    hashes[WEIGHTS] = described.sha256
    contents[CHECKSUMS] = json.dumps(hashes, indent=1, sort_keys=True).encode()
    contents[CARD] = card.encode()
    header = _header(weights)
    _refuse_paths(contents | {WEIGHTS: header}, record.settings)
    _refuse_paths_in_header(header)
    files = [SharedFile(name=each, content=content, bytes=len(content)) for each, content in contents.items()]
    return [SharedFile(name=WEIGHTS, content=weights, bytes=weights.stat().st_size), *files]


def without_paths(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that name places, and without any other that looks like one.

    That a network began from a file is kept, as `A_FILE`: who trains again would else begin from ImageNet unawares.

    >>> without_paths({"epochs": 3, "root": "world", "network.weights": "none", "new": "a/b", "name": "table4/base"})
    {'epochs': 3, 'network.weights': 'none', 'name': 'table4/base'}
    >>> without_paths({"network.weights": "/home/anna/net.pth"})
    {'network.weights': 'a file'}
    """
    kept = {key: value for key, value in settings.items() if not _is_place(key, value)}
    return kept | ({_WEIGHTS: A_FILE} if _WEIGHTS in settings.keys() - kept.keys() else {})


def _is_place(key: str, value: Any) -> bool:
    word = key.rpartition(".")[2]
    if word in _PATHS:
        return not (key == _WEIGHTS and value in _PLAIN_WEIGHTS)
    # A cell of a sweep is named by sweep and cell.
    marks = r"^[/~]|\\|\.\." if word == "name" else r"[/\\~]|\.\."
    return any(re.search(marks, text) for text in _strings(value))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for each in pair for text in _strings(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _strings(each))


def _refuse_paths(contents: Mapping[str, bytes], settings: Mapping[str, Any]) -> None:
    """The places that the run knows may still stand in a text of its owner, or in a backbone's name."""
    places = [(key, text) for key, value in settings.items() if _is_place(key, value) for text in _strings(value)]
    for key, text in places:
        # A short relative name, such as "world", is a word like any other.
        if not re.match(r"(local-dir:)?([/~]|[A-Za-z]:[\\/]).", text):
            continue
        whole = re.compile(rb"(?<![\w./-])" + re.escape(text.encode()) + rb"(?![\w-])")
        for name, content in contents.items():
            if whole.search(content):
                todo = "remove it there" if name == CARD else "leave this file out, or train anew with a model's name"
                raise VireidError(f"{name} must name no path of this machine, but it holds the setting {key}; {todo}")


def _refuse_paths_in_header(header: bytes) -> None:
    """Places that stand in no setting: weights may have been saved by another program, or without their settings."""
    metadata = json.loads(header).get("__metadata__", {})
    documents = [json.loads(value) if key == "vireid" else value for key, value in metadata.items()]
    for text in _strings(documents):
        if _PLACE.search(text):
            raise VireidError(
                f"{WEIGHTS} must name no path of this machine, but what it says of itself holds {text!r}; save the "
                "network again with a model's name and without the path"
            )


def _header(weights: Path) -> bytes:
    """What a file of weights says beside its tensors."""
    with weights.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        return stream.read(size)
