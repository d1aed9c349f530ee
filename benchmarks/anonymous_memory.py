"""How much of a process's memory the system cannot drop, seen from outside."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Mark = Callable[[str], None]


def undroppable(process: int) -> tuple[float, float]:
    """MiB of a process, and of the processes that it has started and theirs.

    Anonymous pages and shared memory (through which workers hand batches on) can only be swapped; pages of mapped
    files, such as the cache's, can be dropped and are left out. A page that several processes share, as after a
    fork, counts in each by its part, so that the sum is what the machine gives. Linux alone tells.
    """
    own = others = 0.0
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):  # it may have ended
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
        sizes = {name: int(size.split()[0]) / 1024 for name, size in (line.split(":") for line in lines)}
        own = sizes["Pss_Anon"] + sizes["Pss_Shmem"]
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            others += sum(sum(undroppable(int(child))) for child in children.read_text().split())
    return own, others


def watched(work: Callable[..., None], *arguments: Any) -> dict[str, list[tuple[float, float]]]:
    """Run ``work(mark, *arguments)`` in a fresh process; what `undroppable` says, by the last mark that it set.

    The first entry of a mark is taken while the work waits there, the others every 50 ms until the next. The C library
    is told to give freed blocks of 1 MiB and more back at once, so that what was there before is not counted.
    """
    os.environ |= {"MALLOC_MMAP_THRESHOLD_": str(2**20), "MALLOC_TRIM_THRESHOLD_": str(2**20)}
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_marking, args=(there, work, arguments))
    process.start()
    there.close()
    assert process.pid is not None
    taken: dict[str, list[tuple[float, float]]] = {}
    name = ""
    while True:
        asked = here.poll(0.05)
        if asked:
            try:
                name = here.recv()
            except EOFError:
                break
        if name:
            taken.setdefault(name, []).append(undroppable(process.pid))
        if asked:
            here.send(None)
    process.join()
    if process.exitcode:
        raise SystemExit(f"the watched process ended with {process.exitcode}")
    return taken


def _marking(connection: Connection, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    def mark(name: str) -> None:
        connection.send(name)
        connection.recv()

    # Else the processes that it starts would come about as it did, not in the system's own way.
    multiprocessing.set_start_method(None, force=True)
    work(mark, *arguments)
    connection.close()
