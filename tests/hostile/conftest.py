"""What must hold for every input: a result or a message of one line, soon, and in little memory."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vireid.types import VireidError

SECONDS = 2.0
BYTES = 256 * 2**20


def memory(name: str) -> int:
    """A figure of this process's memory in bytes: VmRSS now, VmHWM at its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)


@pytest.fixture
def harmless() -> Callable[..., str]:
    """Call a reader: its message, or nothing where it gave a result; anything else fails the test."""

    def call(reader: Callable[..., object], *args: Any, seconds: float = SECONDS, **keywords: Any) -> str:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before, start = memory("VmRSS"), time.process_time()
        try:
            reader(*args, **keywords)
            message = ""
        except VireidError as error:
            message = str(error)
            assert len(message.splitlines()) == 1, message
        # Time of this process, since the machine may have other work.
        assert time.process_time() - start < seconds
        assert memory("VmHWM") - before < BYTES
        return message

    return call
