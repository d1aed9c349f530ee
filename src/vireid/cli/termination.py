"""What a command does with SIGTERM, the warning of a cluster before it kills."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vireid.cli.console import progress_console, say

__all__ = ["CACHE_KEPT", "TERMINATED", "ending_on_termination", "termination_noted"]

TERMINATED = 128 + int(signal.SIGTERM)
"""Exit code of a command that ended because of SIGTERM, as shells count."""

CACHE_KEPT = "terminated: the images that were cached stay; start the same command again to go on"
"""What is said where the filling of a pixel cache was cut off."""


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


@contextmanager
def ending_on_termination(message: str) -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C would: locks are released and files closed on the way.

    For work that may be cut off anywhere. Outside the main thread nothing changes.

    Args:
        message: what is kept and how to go on; said when it came to that.

    Raises:
        SystemExit: SIGTERM came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        # A second one is not to break off what the first set going.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except SystemExit as ending:
        if ending.code == TERMINATED:
            say(message, to=progress_console)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
