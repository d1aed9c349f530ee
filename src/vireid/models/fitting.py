"""Put tensors into a module, or say which of them do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

__all__ = ["fit_weights"]

SHOWN = 5


def fit_weights(module: nn.Module, tensors: Mapping[str, Any]) -> str:
    """Load tensors by name, all of them or none; the answer says what does not fit, and is empty where all does.

    >>> fit_weights(nn.Linear(2, 1, bias=False), {"bias": 0})
    "missing ['weight'] (1 in all), unexpected ['bias'] (1 in all)"
    """
    own = module.state_dict()
    # Files older than BatchNorm's counter do not hold it; torch fills it in.
    missing = [name for name in own if name not in tensors and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in tensors if name not in own]
    faults = [
        f"{kind} {names[:SHOWN]} ({len(names)} in all)"
        for kind, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    for name, value in own.items():
        if name not in tensors:
            continue
        given = tensors[name]
        if not isinstance(given, Tensor):
            faults.append(f"{name} is {type(given).__name__}, not a tensor")
        elif given.shape != value.shape:
            faults.append(f"{name} is {tuple(given.shape)} in place of {tuple(value.shape)}")
    if len(faults) > SHOWN:
        faults[SHOWN:] = [f"and {len(faults) - SHOWN} more"]
    if not faults:
        module.load_state_dict(tensors, strict=False)
    return ", ".join(faults)
