"""Items of a data set, prepared by threads or other processes while this one works."""

from __future__ import annotations

import signal
import threading
import traceback
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from vireid.types import VireidError

__all__ = ["load_ahead"]

T = TypeVar("T")


def load_ahead(
    dataset: Dataset[T], order: Iterable[Any], *, workers: int, threads: int = 0, pin_memory: bool = False
) -> Generator[T, None, None]:
    """The items of ``order``, in that order, for any number of workers and threads.

    Nothing is prepared before the first item is asked for; no process or thread is left when the iterator is closed.

    Args:
        dataset: ``dataset[key]`` is an item, a whole batch most of the time.
        order: the keys; with threads they are asked for one by one, a few ahead.
        workers: processes that prepare items ahead; 0 prepares in this one.
        threads: with 0 workers, threads of this process that prepare items ahead, each one, and one more waiting; 0
            prepares an item when it is asked for.
        pin_memory: put tensors into page-locked memory.

    Raises:
        VireidError: fewer than 0 workers or threads; or as the data set raised it, here, in a thread or elsewhere.
    """
    for count, name in ((workers, "processes"), (threads, "threads")):
        if count < 0:
            raise VireidError(f"the number of reading {name} must be 0 or more, got {count}")
    if threads and not workers:
        yield from _in_threads(dataset, order, threads, pin_memory)
        return
    loader = DataLoader(
        _Guarded(dataset),
        sampler=order,  # any keys will do, they need not be integers
        batch_size=None,
        num_workers=workers,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # else torch draws a seed for its workers from the caller's state
        worker_init_fn=_ignore_endings,
    )
    item = items = None
    try:
        with _endings_held_back():
            items = iter(loader)
        for item in items:
            if isinstance(item, VireidError):
                raise item
            yield item
    except BaseException as error:
        # Its frames hold the loader's iterator, behind which processes would outlast the program.
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        # An error holds this frame, too.
        with _endings_held_back():
            del item, items


_ENDINGS = (signal.SIGTERM, signal.SIGINT)


def _ignore_endings(worker: int) -> None:
    """A cluster's warning and Ctrl-C go to all processes; whoever reads for a training lasts until it has saved."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _endings_held_back() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C act after the block: torch's loader loses a process that it is just starting or ending.

    Outside the main thread, where Python takes no signals, nothing changes; nor does what other code than Python's does
    with one.
    """
    handlers = {number: signal.getsignal(number) for number in _ENDINGS}
    if threading.current_thread() is not threading.main_thread() or None in handlers.values():
        yield
        return
    came: list[int] = []
    for number in _ENDINGS:
        signal.signal(number, lambda number, frame: came.append(number))
    # A process that is started here begins with these blocked, so that none ends it before it ignores them.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        # Each way of ending raises an error of its own: one is enough.
        for number in came[:1]:
            signal.raise_signal(number)


def _in_threads(dataset: Dataset[T], order: Iterable[Any], threads: int, pin_memory: bool) -> Iterator[T]:
    def prepare(key: Any) -> Any:
        item: Any = dataset[key]
        return item.pin_memory() if pin_memory else item

    keys = iter(order)
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="load_ahead")
    try:
        waiting: deque[Future[T]] = deque(pool.submit(prepare, key) for key in islice(keys, threads + 1))
        while waiting:
            item = waiting.popleft().result()
            waiting.extend(pool.submit(prepare, key) for key in islice(keys, 1))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)


class _Guarded(Dataset[Any]):
    """Hands an error on as an item: torch would pack it into a RuntimeError with a traceback for its message."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._dataset[key]
        except VireidError as error:
            return error
