"""Items of a data set, prepared by other processes while this one works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from vireid.types import VireidError

__all__ = ["load_ahead"]

T = TypeVar("T")


def load_ahead(dataset: Dataset[T], order: Sequence[Any], *, workers: int, pin_memory: bool = False) -> Iterator[T]:
    """The items of ``order``, in that order, for any number of workers.

    Args:
        dataset: ``dataset[key]`` is an item, a whole batch most of the time.
        order: the keys.
        workers: processes that prepare items ahead; 0 prepares in this one.
        pin_memory: put tensors into page-locked memory.

    Raises:
        VireidError: fewer than 0 workers; or as the data set raised it, in this process or another.
    """
    if workers < 0:
        raise VireidError(f"the number of reading processes must be 0 or more, got {workers}")
    loader = DataLoader(
        _Guarded(dataset),
        sampler=order,  # any keys will do, they need not be integers
        batch_size=None,
        num_workers=workers,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # else torch draws a seed for its workers from the caller's state
    )
    for item in loader:
        if isinstance(item, VireidError):
            raise item
        yield item


class _Guarded(Dataset[Any]):
    """Hands an error on as an item: torch would pack it into a RuntimeError with a traceback for its message."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._dataset[key]
        except VireidError as error:
            return error
