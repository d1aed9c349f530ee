"""Asking the Hugging Face Hub for files and telling it nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants

__all__ = ["without_telemetry"]


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Keep huggingface_hub from telling more than it must while the block runs.

    It would add the versions of the libraries that it finds to every request, and fetch a list by which it recognises
    what program runs it.

    >>> with without_telemetry():
    ...     constants.HF_HUB_DISABLE_TELEMETRY
    True
    """
    before = constants.HF_HUB_DISABLE_TELEMETRY
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = before
