"""Reading a checkpoint file that somebody published, and trusting nothing in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from vireid.models.plain_numbers import PlainArray, plain_numbers
from vireid.models.tensor_file import code_in, read_tensor_file, said_of
from vireid.types import VireidError

__all__ = ["numbers_of", "read_reference_file", "tensors_of"]

SHOWN = 5
RANKS = (1, 5, 10, 20)


def read_reference_file(path: Path) -> Mapping[str, Any]:
    """What torch.save put into a published file, tensors and plain numbers only; code in it is never run.

    Raises:
        VireidError: no such file, one that is not whole or holds code, or no ``net`` in it.
    """
    if not path.is_file():
        raise VireidError(f"there is no checkpoint file {path}; name the file that the authors published")
    try:
        content = read_tensor_file(path, also=plain_numbers(), mmap=True)
    # Each kind of damage raises an error of its own, from six modules.
    except Exception as error:
        code = code_in(error)
        if code:
            raise VireidError(
                f"{path} holds {code}, which is code and not weights; it was not run. Ask its authors for a file "
                "with nothing but tensors and numbers, or write one from it in a place where nothing can be harmed"
            ) from error
        raise VireidError(
            f"{path} is not a whole file of torch.save ({said_of(error)}); download it again and compare its size"
        ) from error
    if not isinstance(content, Mapping) or not isinstance(content.get("net"), Mapping):
        held = sorted(str(key) for key in content)[:SHOWN] if isinstance(content, Mapping) else type(content).__name__
        raise VireidError(
            f"a published checkpoint holds its tensors under 'net', but {path} holds {held}; "
            "a bare state_dict can be written as torch.save({'net': state_dict}, FILE)"
        )
    return content


def tensors_of(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """The state dict, without the prefix that DataParallel gives.

    Raises:
        VireidError: something that is no tensor, or nothing.
    """
    net = {str(key): value for key, value in content["net"].items()}
    foreign = [f"{key} ({type(value).__name__})" for key, value in net.items() if not isinstance(value, Tensor)]
    if foreign or not net:
        raise VireidError(f"'net' of {path} must hold tensors by name, but holds {foreign[:SHOWN] or 'nothing'}")
    # DataParallel's name for the network that it wraps.
    if all(key.startswith("module.") for key in net):
        return {key.removeprefix("module."): value for key, value in net.items()}
    return net


def numbers_of(content: Mapping[str, Any]) -> dict[str, int | float]:
    """The plain numbers beside the weights; of a CMC curve those that tables show."""
    found: dict[str, int | float] = {}
    for key, held in content.items():
        value = held.values if isinstance(held, PlainArray) else held
        if key == "net" or not isinstance(value, int | float | np.ndarray | np.generic | Tensor):
            continue
        if np.ndim(value) > 1:
            continue  # no number and no curve
        if isinstance(value, Tensor) and value.is_floating_point():
            # A loss may still ask for gradients, or be of a kind that numpy does not know.
            value = value.detach().double()
        values = np.asarray(value)
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            continue
        if values.ndim == 0:
            found[str(key)] = values.item()
        elif key == "cmc" and values.ndim == 1:
            found |= {f"rank-{rank}": values[rank - 1].item() for rank in RANKS if rank <= len(values)}
    return found
