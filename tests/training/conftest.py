"""What would make a processor wait for its GPU, found without one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Transfers(TorchDispatchMode):
    """Refuse what sends numbers from the CPU to the device and waits until they are there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        devices = {tensor.device.type for tensor in tensors if tensor.ndim}
        sent = (kwargs or {}).get("device")
        if sent is not None:
            devices |= {tensor.device.type for tensor in tensors} | {torch.device(sent).type}
        if len(devices) > 1 and not (kwargs or {}).get("non_blocking"):
            raise AssertionError(f"{func} waits: it takes tensors of {sorted(devices)}")
        return func(*args, **(kwargs or {}))


class _Literals(TorchFunctionMode):
    """Refuse tensors that are made of Python numbers for a device: the numbers are sent, and waited for."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor, Tensor.new_tensor) and result.device.type != "cpu":
            raise AssertionError(f"{func} waits: its numbers are sent to {result.device}")
        return result


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """A context in which work on the device ``meta`` raises where a GPU would be waited for.

    The device itself raises where a value is asked for (`item`, `tolist`, `bool`, `nonzero`, boolean indexing,
    `unique`, copies to the CPU); the context adds numbers that are sent to the device. It knows no autocast, which
    waits for nothing: there it is left out.
    """
    autocast = torch.autocast
    monkeypatch.setattr(
        torch,
        "autocast",
        lambda device_type, **keywords: nullcontext() if device_type == "meta" else autocast(device_type, **keywords),
    )

    @contextmanager
    def context() -> Iterator[None]:
        with _Transfers(), _Literals():
            yield

    return context
