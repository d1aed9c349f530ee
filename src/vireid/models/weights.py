"""Weights on disk that say how to build their network, and what they were trained on."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import timm
import torch

from vireid.models.building import build_network
from vireid.models.embedding_model import Feature
from vireid.models.facts import check_facts
from vireid.models.finite import first_not_finite
from vireid.models.fitting import fit_weights
from vireid.models.network import Network
from vireid.models.small_build import MAX_PIXELS, SmallBuild
from vireid.models.streams import Stream
from vireid.types import Modality, VireidError, sha256_of, write_atomically

__all__ = ["WEIGHTS", "fingerprint", "load_network", "save_network", "weights_file"]

FORMAT = 1
"""Version of the file form; a file of another version is refused by name."""

# What timm.create_model does with these is no part of a network: it would read other files, or the hub.
_OF_TIMM = {
    name for name, kind in inspect.signature(timm.create_model).parameters.items() if kind.kind != kind.VAR_KEYWORD
}

WEIGHTS = "weights.safetensors"
"""Name of the weights in a run directory."""


def save_network(network: Network, file: Path, *, facts: dict[str, Any]) -> None:
    """Write weights with what is needed to build their network and to judge its results.

    Args:
        network: as `build_network` made it.
        facts: anything plain that belongs to the weights, such as data set, trial and checkpoint rule.

    Raises:
        VireidError: a network that does not know its `build_network` keywords, a weight that is not finite, or a file
            that cannot be written.
    """
    if not network.arguments:
        raise VireidError("only a network that build_network made can be saved: its file says how to build it again")
    # Where the weights came from is no part of them, and may be a path of the machine that they were trained on.
    building = {key: value for key, value in network.arguments.items() if key != "weights"}
    document = {"format": FORMAT, "network": building, "facts": facts}
    metadata = {"vireid": json.dumps(document, default=_plain)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    if name := first_not_finite(tensors):
        raise VireidError(
            f"only finite weights can be saved, but {name!r} holds NaN or infinity; train again with a lower learning "
            "rate, or take another checkpoint"
        )
    with write_atomically(file) as draft:
        try:
            safetensors.torch.save_file(tensors, draft, metadata=metadata)
        except safetensors.SafetensorError as error:
            raise OSError(str(error)) from error


def load_network(run: Path) -> tuple[Network, dict[str, Any]]:
    """The network of a run directory or a weights file, in evaluation mode on the CPU, and the facts saved with it.

    Raises:
        VireidError: nothing there, not weights of this library, of another version, or tensors that do not fit.
    """
    file = weights_file(Path(run))
    try:
        with safetensors.safe_open(file, framework="pt") as content:
            document = json.loads((content.metadata() or {}).get("vireid", "null"))
            shapes = {name: content.get_slice(name).get_shape() for name in content.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise VireidError(f"{file} is not a whole file of weights: {error}") from error
    if document is None:
        raise VireidError(f"{file} holds weights of another library: it does not say how to build its network")
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise VireidError(
            f"{file} has format {found!r}, this version of the library reads {FORMAT}; load it with the version that "
            "saved it, or train again"
        )
    facts = check_facts(document.get("facts", {}), file)
    network = _build_checked(document.get("network"), shapes, file)
    result = fit_weights(network, safetensors.torch.load_file(file))
    if result:
        raise VireidError(f"the weights in {file} do not fit the network that they name: {result}")
    return network.eval(), facts


def weights_file(run: Path) -> Path:
    """Where the weights of a run lie; a path to a file of weights is taken as it is.

    Raises:
        VireidError: no run there, or one that has not ended.
    """
    file = run / WEIGHTS if run.is_dir() else run
    if not file.is_file():
        begun = (run / "config.json").is_file()
        hint = "the run has not ended: continue it with train --resume" if begun else "name a run or a weights file"
        raise VireidError(f"there are no weights at {file}; {hint}")
    return file


def fingerprint(run: Path, feature: Feature) -> str:
    """What made some embeddings: 16 hexadecimal digits of the weights' SHA-256, and the feature.

    Raises:
        VireidError: see `weights_file`.
    """
    return f"{sha256_of(weights_file(run))[:16]} {feature}"


def _build_checked(arguments: Any, shapes: Mapping[str, Sequence[int]], file: Path) -> Network:
    """The network that a file names, built only once it is known to be as large as the file's tensors."""
    try:
        # On the device meta a tensor has a shape and no memory: what the file asks for costs nothing yet.
        with SmallBuild([math.prod(shape) for shape in shapes.values()]), torch.device("meta"):
            sketch = _build(arguments)
            result = fit_weights(sketch, {name: torch.empty(tuple(shape)) for name, shape in shapes.items()})
        if not result:
            return _build(arguments)
    except VireidError as error:
        raise VireidError(f"{file} names a network that cannot be built: {error}") from error
    # The words of a file go through timm and torch, which fail in many ways on what they do not expect.
    except Exception as error:
        raise VireidError(
            f"{file} does not say how to build its network in this version's words ({type(error).__name__}: {error}); "
            "load it with the version that saved it, or train again"
        ) from error
    raise VireidError(f"the weights in {file} do not fit the network that they name: {result}")


def _build(arguments: dict[str, Any]) -> Network:
    foreign = _OF_TIMM & set(arguments.get("backbone_options") or {})
    if foreign:
        raise ValueError(f"options of a backbone may not name files or weights, but {sorted(foreign)} do")
    height, width = arguments["image_size"]
    if not 0 < height * width <= MAX_PIXELS:
        raise ValueError(f"images may have at most {MAX_PIXELS} pixels, got {height} x {width}")
    streams = [Stream(Modality(stream["modality"]), stream["view"], stream["stem"]) for stream in arguments["streams"]]
    keywords: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()
    }
    return build_network(**(keywords | {"streams": tuple(streams), "weights": "none"}))


def _plain(value: Any) -> Any:
    if isinstance(value, Modality):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: getattr(value, entry.name) for entry in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} is not plain")
