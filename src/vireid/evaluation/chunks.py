"""How many scores are held at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vireid.types import VireidError

__all__ = ["MEMORY", "Chunks", "check_memory"]

MEMORY = 512 << 20
"""Bytes of work space by default."""

_LEAST_MEMORY = 1 << 20
_BLOCK_CELLS = 1 << 22
"""Larger blocks leave the caches, and gain nothing once they have rows enough for a matrix product."""
_FEW_ROWS = 16
_MANY_ROWS = 64
_BYTES_OF_A_REACHED_CELL = 96
_BYTES_OF_A_MATCH = 160


def check_memory(memory: int) -> None:
    """Refuse work space in which nothing can be done.

    Raises:
        VireidError: less than 1 MiB, or no whole number.
    """
    if not isinstance(memory, int | np.integer) or memory < _LEAST_MEMORY:
        raise VireidError(f"memory is in bytes and must be at least {_LEAST_MEMORY} (1 MiB), got {memory!r}")


@dataclass(frozen=True, kw_only=True)
class Chunks:
    """Sizes of what is held at once.

    Attributes:
        rows: queries at once.
        columns: gallery images at once. Where that is not the whole gallery each score is made twice, once to know the
            matches' and once to count who stands before them.
        cells: scores looked up at once.
    """

    rows: int
    columns: int
    cells: int

    @classmethod
    def within(
        cls, memory: int, *, queries: int, gallery: int, matches: int, identities: int, cell_bytes: int
    ) -> Chunks:
        """Chunks that need about ``memory`` bytes, or the least that one query at a time needs.

        Args:
            matches: most images of a query's own identity.
            identities: most identities of a trial whose ranks count them, else 0.
            cell_bytes: of a score and its copies.

        >>> Chunks.within(512 << 20, queries=1000, gallery=1_000_000, matches=20, identities=50_000, cell_bytes=4)
        Chunks(rows=38, columns=1000000, cells=1398101)
        """
        block = max(1, memory // 2 // (cell_bytes + 3))
        limit = memory // 8
        rows = min(queries, limit // max(1, matches * _BYTES_OF_A_MATCH), limit // max(1, identities))
        rows = max(1, min(rows, max(_MANY_ROWS, _BLOCK_CELLS // gallery)))
        cells = max(1, memory // 4 // _BYTES_OF_A_REACHED_CELL)
        if block >= gallery * min(rows, _FEW_ROWS):
            return cls(rows=min(rows, block // gallery), columns=gallery, cells=cells)
        rows = min(rows, block)
        return cls(rows=rows, columns=block // rows, cells=cells)
