"""What a command does with SIGTERM, the warning of a cluster before it kills, and with Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = [
    "CACHE_KEPT",
    "TERMINATED",
    "ended_by_termination",
    "kept_after",
    "tell_what_is_kept",
    "telling_what_is_kept",
    "termination_noted",
]

TERMINATED = 128 + int(signal.SIGTERM)
"""Exit code of a command that ended because of SIGTERM, as shells count."""

CACHE_KEPT = "the images that were cached stay: start the same command again to go on"
"""What is said where the filling of a pixel cache was cut off."""

# Seconds in which a second SIGTERM is the same warning.
_UNWINDING = 10.0
_KEPT = "kept"


@contextmanager
def ended_by_termination() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C would: drafts are removed, locks released and processes ended on the way.

    Outside the main thread, where Python takes no signals, and where SIGTERM is ignored, nothing changes.

    Raises:
        SystemExit: with `TERMINATED`; SIGTERM came.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        yield
        return
    last = -_UNWINDING

    def end(number: int, frame: object) -> None:
        nonlocal last
        now = time.monotonic()
        # A scheduler tells each process, and its starter tells it again: that is not to break off what goes on.
        if now - last >= _UNWINDING:
            last = now
            raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
def telling_what_is_kept(message: str) -> Iterator[None]:
    """Let the end that SIGTERM or Ctrl-C makes of the block say what stays and how to go on; see `kept_after`.

    Of blocks within each other the outermost speaks: it knows what was started.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as ending:
        tell_what_is_kept(ending, message)
        raise


def tell_what_is_kept(ending: KeyboardInterrupt | SystemExit, message: str) -> None:
    """Let it say what stays and how to go on, in place of what it said before."""
    setattr(ending, _KEPT, message)


def kept_after(ending: KeyboardInterrupt | SystemExit) -> str:
    """What stays and how to go on after it; empty where nothing is said of that."""
    return getattr(ending, _KEPT, "")
