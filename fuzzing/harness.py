"""What every target shares: seeds, the rule, and where finds are kept."""

from __future__ import annotations

import resource
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import atheris

from vireid.types import VireidError

SECONDS = 2
BYTES = 256 * 2**20


def fuzz(name: str, read: Callable[[Path], object], *, file: str, seeds: Iterable[bytes]) -> None:
    """Give a reader file after file; what is neither a result nor a message of one line ends the run with a find.

    libFuzzer counts what lies about it in memory, so the limit is on the process: what it has at the start, and BYTES.

    Args:
        name: of the target; finds are written to ``fuzzing/finds/NAME-``, beside this file.
        read: the reader, called with the file.
        file: name of the file that the reader sees.
        seeds: contents to begin with.
    """
    warnings.simplefilter("ignore")
    here = Path(__file__).parent / "finds"
    here.mkdir(exist_ok=True)
    # In memory where there is such a place: a disk would be the slowest part.
    memory = Path("/dev/shm")
    seeds = list(seeds)
    longest = max(4096, 2 * max(map(len, seeds)))
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / f"{number}").write_bytes(seed)
            read_checked(read, Path(folder) / file, seed)
        limit = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + BYTES) // 2**20
        flags = [
            f"-timeout={SECONDS}",
            f"-rss_limit_mb={limit}",
            f"-artifact_prefix={here}/{name}-",
            f"-max_len={longest}",
        ]
        atheris.Setup(
            [sys.argv[0], *flags, "-print_final_stats=1", *sys.argv[1:], str(corpus)],
            lambda data: read_checked(read, Path(folder) / file, data),
        )
        atheris.Fuzz()


def read_checked(read: Callable[[Path], object], file: Path, content: bytes) -> None:
    """Write a file and read it as `checked` does."""
    file.write_bytes(content)
    checked(lambda: read(file))


def checked(read: Callable[[], object]) -> None:
    """A result, or a message of one line; anything else is raised."""
    try:
        read()
    except VireidError as error:
        message = str(error)
        if len(message.splitlines()) != 1:
            raise AssertionError(f"a message of several lines: {message}") from error
