"""A ``map`` that works in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from vireid.types import VireidError

__all__ = ["in_threads"]


@contextmanager
def in_threads(workers: int | None) -> Iterator[Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]]:
    """A ``map`` that works in threads; with 0 workers the plain one.

    Args:
        workers: threads; one for each core that this process may run on by default.

    Raises:
        VireidError: fewer than 0 workers.

    Example:
        >>> with in_threads(2) as each:
        ...     list(each(abs, [-3, 2]))
        [3, 2]
    """
    if workers is not None and workers < 0:
        raise VireidError(f"the number of reading threads must be 0 or more, got {workers}")
    if workers == 0:
        yield map
        return
    with ThreadPoolExecutor(max_workers=workers or _cores()) as pool:
        yield pool.map


def _cores() -> int:
    """Cores that this process may run on: a container or scheduler may give it fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
