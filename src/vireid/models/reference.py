"""Networks out of the checkpoint files that the reference repositories publish."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vireid.models.building import build_network
from vireid.models.fitting import fit_weights
from vireid.models.network import Network
from vireid.models.reference_file import numbers_of, read_reference_file, tensors_of
from vireid.models.reference_keys import reference_key, resembles, unused_keys
from vireid.models.small_build import MAX_PIXELS
from vireid.models.streams import DUAL_STREAMS, QUADRUPLE_STREAMS, TRIPLE_STREAMS
from vireid.types import VireidError, sha256_of

__all__ = ["KINDS", "import_reference"]

CHECKPOINT_RULE = "published checkpoint; its authors keep the best epoch on the test set"

GRID = 16
"""Pixels of an image to one position of the third stage, in height and in width."""

SHOWN = 5

_PLAIN: dict[str, dict[str, Any]] = {
    "mscmnet": {"streams": QUADRUPLE_STREAMS, "mimb": True, "mimb_variant": "released"},
    "agw": {"streams": DUAL_STREAMS, "mimb": False, "image_size": (288, 144)},
    "caj": {"streams": TRIPLE_STREAMS, "mimb": False, "image_size": (288, 144)},
    "deen": {
        "streams": DUAL_STREAMS,
        "mimb": False,
        "nonlocal_blocks": (0, 0, 0, 0),
        "power": 1.0,
        "aggregation": True,
        "expansion_branches": 2,
        "image_size": (384, 144),
    },
}
"""By kind the keywords of `build_network` that no tensor tells."""

KINDS = tuple(_PLAIN)
"""What can be imported."""


def import_reference(
    path: Path,
    kind: str,
    *,
    image_size: tuple[int, int] | None = None,
    dataset: str | None = None,
    trial: int | None = None,
) -> tuple[Network, dict[str, Any]]:
    """The network of a published checkpoint, in evaluation mode on the CPU, and the facts to save with it.

    The file is ``{"net": state_dict, ...}`` as torch.save writes it. Code in it is never run. Tensors that the
    reference holds without using them are left out by an explicit list, and the facts name them; every other tensor
    must fit.

    Args:
        path: the file.
        kind: the network that it holds, ``mscmnet``, ``agw``, ``caj`` or ``deen``; CAJ's is AGW's with a second view
            in training.
        image_size: height and width that it was trained at; the published one unless told. MSCMNet's is told by its
            tensors where height is twice the width.
        dataset: what it was trained on, where that is known: ``sysu``, ``regdb``, ``llcm``.
        trial: of RegDB, where a network must not be tested on another one.

    Returns:
        The network and: recipe (the kind), dataset, trial, checkpoint_rule, source (name, SHA-256, bytes and tensors of
        the file), published (the numbers beside the weights: epoch, Rank-k and so on, as fractions where the authors
        wrote such), dropped (groups of unused tensors with count and size).

    Raises:
        VireidError: a file that is not whole or holds code, no ``net``, another kind of network, or tensors that are
            missing, unexpected or of another shape.

    Deviation: DEEN's released test adds the similarities of three pooled and three BN features, each the sum of an
    image's and its mirror's (once all alike, once weighted 0.1 and 0.9); `Network.embed` gives the mean over the three
    sets of one feature, without the mirror.
    """
    path = Path(path)
    if kind not in KINDS:
        raise VireidError(f"the kind of a published checkpoint must be one of {KINDS}, got {kind!r}")
    if (dataset == "regdb") != (trial is not None) or trial not in (None, *range(1, 11)):
        raise VireidError(
            "a network of RegDB belongs to one of its ten trials and is tested on no other, and no other data set has "
            f"such trials; got dataset {dataset} and trial {trial}"
        )
    content = read_reference_file(path)
    tensors = tensors_of(content, path)
    _check_kind(tensors, kind, path)
    arguments: dict[str, Any] = _PLAIN[kind] | {"identities": _shape(tensors, "classifier.weight", path)[0]}
    if kind == "deen":
        _refuse_regdb_form(tensors, path)
    else:
        arguments["nonlocal_channels"] = _nonlocal_channels(tensors, path)
    if kind == "mscmnet":
        width = _shape(tensors, "layerATT0.ln_1.weight", path)[0]
        arguments["image_size"] = image_size = _mscmnet_size(width, image_size, path)
    if image_size is not None:
        arguments["image_size"] = image_size
    network = build_network(**arguments, weights="none")
    dropped = _load(network, tensors, path)
    facts = {
        "recipe": kind,
        "dataset": dataset,
        "trial": trial,
        "checkpoint_rule": CHECKPOINT_RULE,
        "source": {
            "file": path.name,
            "sha256": sha256_of(path),
            "bytes": path.stat().st_size,
            "tensors": len(tensors),
        },
        "published": numbers_of(content),
        "dropped": dropped,
    }
    return network.eval(), facts


def _check_kind(tensors: Mapping[str, Tensor], kind: str, path: Path) -> None:
    found = resembles(tensors)
    if found == ("agw" if kind == "caj" else kind):
        return
    if found is None:
        raise VireidError(
            f"{path} is not a checkpoint of {kind}, nor of any other kind known here ({', '.join(KINDS)}); "
            f"its tensors are named {sorted(tensors)[:SHOWN]} and so on"
        )
    name = "agw or caj" if found == "agw" else found
    raise VireidError(f"{path} is not a checkpoint of {kind}: by its tensors it is one of {name}; import it as that")


def _shape(tensors: Mapping[str, Tensor], key: str, path: Path) -> tuple[int, ...]:
    if key not in tensors or not tensors[key].ndim:
        raise VireidError(f"{path} lacks {key}, without which its network cannot be built; take a whole checkpoint")
    return tuple(tensors[key].shape)


def _refuse_regdb_form(tensors: Mapping[str, Tensor], path: Path) -> None:
    dimension = _shape(tensors, "bottleneck.weight", path)[0]
    if dimension == 1024:
        raise VireidError(
            f"{path} holds DEEN's form for RegDB, which ends after stage 3 (1024 numbers); only its form for SYSU-MM01 "
            "and LLCM (2048 numbers) can be imported"
        )


def _nonlocal_channels(tensors: Mapping[str, Tensor], path: Path) -> int | None:
    inner = tuple(_shape(tensors, f"NL_{stage}.0.theta.weight", path)[0] for stage in (2, 3))
    if inner == (256, 512):
        return None
    if inner[0] != inner[1]:
        raise VireidError(
            f"non-local blocks have half of a stage's channels inside, or the same number in every stage, but those of "
            f"{path} have {inner}"
        )
    return inner[0]


def _mscmnet_size(width: int, image_size: tuple[int, int] | None, path: Path) -> tuple[int, int]:
    """MSCMNet's tokens are as wide as the third stage has positions."""
    if width > MAX_PIXELS // GRID**2:
        raise VireidError(
            f"images may have at most {MAX_PIXELS} pixels, but the network in {path} was trained where stage 3 has "
            f"{width} positions; take a whole checkpoint"
        )
    if image_size is not None:
        height, across = (math.ceil(side / GRID) for side in image_size)
        if height * across != width:
            raise VireidError(
                f"the network in {path} was trained where stage 3 has {width} positions, but an image of "
                f"{image_size[0]} x {image_size[1]} has {height} x {across} there; give the size of its training"
            )
        return image_size
    side = math.isqrt(width // 2)
    if 2 * side * side != width:
        raise VireidError(
            f"the network in {path} was trained where stage 3 has {width} positions, which are not twice as high as "
            "wide; say at which image size (height and width)"
        )
    return 2 * side * GRID, side * GRID


def _load(network: Network, tensors: Mapping[str, Tensor], path: Path) -> list[str]:
    """Fill the network; the answer names what was left out."""
    theirs = {ours: reference_key(ours) for ours in network.state_dict()}
    unused = unused_keys(theirs.values())
    used = set(theirs.values())
    faults = []
    # Files older than BatchNorm's counter do not hold it.
    missing = [key for key in used if key not in tensors and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in tensors if key not in used and key not in unused]
    for fault, keys in (("lacks", missing), ("has the unexpected", unexpected)):
        if keys:
            faults.append(f"{fault} {sorted(keys)[:SHOWN]} ({len(keys)} in all)")
    if not faults:
        misfits = fit_weights(network, {ours: tensors[key] for ours, key in theirs.items() if key in tensors})
        faults = [f"does not fit: {misfits}"] if misfits else []
    if faults:
        raise VireidError(f"{path} {' and '.join(faults)}; it is not the published network")
    groups: dict[str, list[Tensor]] = {}
    for key in tensors:
        if key in unused:
            groups.setdefault(unused[key], []).append(tensors[key])
    return [f"{group} ({_count(held)})" for group, held in groups.items()]


def _count(tensors: list[Tensor]) -> str:
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 1e6
    return f"{len(tensors)} tensor{'s' if len(tensors) > 1 else ''}, {size:.1f} MB"
