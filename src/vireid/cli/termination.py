"""What a command does with SIGTERM, the warning of a cluster before it kills."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["TERMINATED", "termination_noted"]

TERMINATED = 128 + int(signal.SIGTERM)
"""Exit code of a command that ended because of SIGTERM, as shells count."""


@contextmanager
def termination_noted() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM end nothing for a while, but be told by the function that is handed out.

    Outside the main thread, where Python takes no signals, nothing changes.
    """
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.set())
    try:
        yield told.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
