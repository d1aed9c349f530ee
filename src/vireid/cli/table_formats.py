"""Published results and ours as Markdown, LaTeX and CSV."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from string import ascii_lowercase

from vireid.cli.console import printable
from vireid.cli.markdown_table import markdown_table
from vireid.cli.sweep_table import to_csv
from vireid.evaluation.comparison import RATES, Comparison, Group, Row

__all__ = ["comparison_csv", "comparison_latex", "comparison_markdown"]

_RATE_NAMES = ("Rank-1", "Rank-10", "Rank-20", "mAP", "mINP")

_WORDS = ("method", "venue", "notes")


def comparison_markdown(table: Comparison) -> str:
    """A heading, a table for each group, then the sources by number and what must be said by letter."""
    marks = _Marks(table)
    shown = _shown_rates(table)
    columns = ["method", "venue", *(_RATE_NAMES[place] for place in shown), "notes"]
    parts = [f"## {table.dataset}, {table.setting}, percent"]
    for group in table.groups:
        rows = [
            _cells(
                row,
                group,
                table,
                shown,
                marks,
                missing="-",
                spread=" ± ",
                bold=lambda text: f"**{text}**",
                words=_literal,
            )
            for row in group.rows
        ]
        parts += [f"### {_literal(group.title)}", markdown_table(columns, rows, left=_WORDS)]
    lines = textwrap.TextWrapper(width=100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    listed = [lines.fill(f"- {_literal(line)}") for line in marks.lines]
    return "\n\n".join([*parts, "\n".join(listed)]) + "\n"


def _literal(text: str) -> str:
    """A text in which nothing means anything to Markdown; an underscore within a word never does."""
    return re.sub(r"[\\*`<\[~]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", text)


def comparison_latex(table: Comparison) -> str:
    r"""A ``table`` for the package booktabs, every text escaped; groups stand under their titles, notes below."""
    marks = _Marks(table)
    shown = _shown_rates(table)
    names = ["Method", "Venue", *(_RATE_NAMES[place] for place in shown), "Notes"]
    lines = []
    for group in table.groups:
        lines += [r"\midrule", rf"\multicolumn{{{len(names)}}}{{l}}{{\emph{{{_escaped(group.title)}}}}} \\"]
        for row in group.rows:
            cells = _cells(
                row,
                group,
                table,
                shown,
                marks,
                missing="--",
                spread=" \x00 ",
                bold=lambda text: f"\x01{text}\x02",
                words=str,
            )
            lines.append(" & ".join(map(_escaped, cells)) + r" \\")
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_escaped(table.dataset)}, {_escaped(table.setting)}, percent}}",
            rf"  \begin{{tabular}}{{ll{'r' * len(shown)}l}}",
            r"    \toprule",
            "    " + " & ".join(names) + r" \\",
            *(f"    {line}" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"  \par\smallskip\raggedright\footnotesize",
            *(rf"  {_escaped(line)}\par" for line in marks.lines),
            r"\end{table}",
            "",
        ]
    )


def comparison_csv(tables: Sequence[Comparison]) -> str:
    """Every row of every table at full precision, empty where there is no number.

    Words that a spreadsheet would take for a formula begin with a quote mark.
    """
    return to_csv(
        [
            {
                "dataset": table.dataset,
                "setting": table.setting,
                "group": _word(group.title),
                "comparable": _yes(group.comparable),
                "method": _word(row.method),
                "ours": _yes(row.ours),
                "year": row.year,
                "venue": _word(row.venue),
                **{name: _full(rate) for name, rate in zip(RATES, row.rates)},
                **{f"{name}_std": _full(rate) for name, rate in zip(RATES, row.spread or [None] * len(RATES))},
                "runs": row.runs if row.ours else None,
                "notes": _word("; ".join(row.notes)),
                "source": _word(row.source),
            }
            for table in tables
            for group in table.groups
            for row in group.rows
        ]
    )


def _word(text: str) -> str:
    """A name that acts neither on a terminal nor on a spreadsheet."""
    text = printable(text)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


class _Marks:
    """The number of each source and the letter of each note, in the order in which they are met."""

    def __init__(self, table: Comparison) -> None:
        rows = [row for group in table.groups for row in group.rows]
        sources = list(dict.fromkeys(row.source for row in rows))
        notes = list(dict.fromkeys(note for row in rows for note in row.notes))
        self._sources = {source: str(number) for number, source in enumerate(sources, start=1)}
        self._notes = {note: _letters(number) for number, note in enumerate(notes)}
        marked = {**self._sources, **self._notes}
        self.lines = [f"{mark}: {printable(text)}" for text, mark in marked.items()]

    def of(self, row: Row) -> str:
        return " ".join([self._sources[row.source], *(self._notes[note] for note in row.notes)])


def _letters(number: int) -> str:
    rest, letter = divmod(number, len(ascii_lowercase))
    return (_letters(rest - 1) if rest else "") + ascii_lowercase[letter]


def _shown_rates(table: Comparison) -> list[int]:
    rows = [row for group in table.groups for row in group.rows]
    return [place for place in range(len(RATES)) if any(row.rates[place] is not None for row in rows)]


def _cells(
    row: Row,
    group: Group,
    table: Comparison,
    shown: Sequence[int],
    marks: _Marks,
    *,
    missing: str,
    spread: str,
    bold: Callable[[str], str],
    words: Callable[[str], str],
) -> list[str]:
    name = words(printable(row.method))
    if row.ours:
        name += " (ours)" if row.runs == 1 else f" (ours, n = {row.runs})"
    cells = [name, f"{row.venue} {row.year}" if row.year else missing]
    for place in shown:
        rate, digits = row.rates[place], table.digits[place]
        if rate is None:
            cells.append(missing)
            continue
        text = f"{rate:.{digits}f}"
        if row.contends and round(rate, digits) == group.best(place, digits):
            text = bold(text)
        cells.append(text + (f"{spread}{row.spread[place]:.{digits}f}" if row.spread else ""))
    return [*cells, marks.of(row)]


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "\x00": r"$\pm$",
    "\x01": r"\textbf{",
    "\x02": "}",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def _escaped(text: str) -> str:
    escaped = re.sub(r"[\\~^<>|±\x00-\x02&%$#_{}]", lambda found: _LATEX[found[0]], text)
    # After the end of a row, brackets and a star would be its option; two dashes would become one long one.
    escaped = re.sub(r"^([\[*])", r"{\1}", escaped)
    return escaped if escaped == "--" else escaped.replace("--", "-{}-").replace("--", "-{}-")


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _full(rate: float | None) -> float | None:
    # Ten digits are beyond what is measured and free of what percent adds to a fraction's last one.
    return None if rate is None else round(rate, 10)
