"""A table in Markdown that can be read as it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["markdown_table"]


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: Collection[str]) -> str:
    r"""A pipe table, its columns as wide as their widest cell; the stars of a bold cell stand in the margin.

    Args:
        columns: names.
        rows: a cell for each column; a ``|`` in it is escaped, an end of line is a space.
        left: names of the columns whose cells start at the left; numbers stand at the right.

    >>> print(markdown_table(["method", "mAP"], [["a", "7.25"], ["base", "**70.50**"]], left=["method"]))
    | method |    mAP  |
    |:-------|--------:|
    | a      |   7.25  |
    | base   |**70.50**|
    """
    table = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in (columns, *rows)]
    lines: list[list[str]] = [[] for _ in range(len(table) + 1)]
    for name, (head, *cells) in zip(columns, zip(*table)):
        margin = " " * (2 if any(cell.startswith("**") for cell in cells) else 1)
        inner = [
            ("" if cell.startswith("**") else margin) + cell + ("" if cell.endswith("**") else margin)
            for cell in (head, *cells)
        ]
        width = max(4, *map(len, inner))
        head, *cells = (cell.ljust(width) if name in left else cell.rjust(width) for cell in inner)
        rule = ":" + "-" * (width - 1) if name in left else "-" * (width - 1) + ":"
        for line, cell in zip(lines, (head, rule, *cells)):
            line.append(cell)
    return "\n".join("|" + "|".join(line) + "|" for line in lines)
