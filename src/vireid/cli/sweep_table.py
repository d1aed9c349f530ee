"""The table of a sweep: ours beside the published, as Markdown and CSV."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from vireid.cli.markdown_table import markdown_table
from vireid.cli.sweeps import Cell
from vireid.evaluation.published import PublishedResult, published_results
from vireid.evaluation.standing import PUBLISHED_SEARCHES
from vireid.models.cost import Cost
from vireid.types import Modality

__all__ = ["make_rows", "published_beside", "to_csv", "to_markdown"]

RATES = {"rank1": "Rank-1", "map": "mAP", "minp": "mINP"}

COSTS = {
    "parameters": "parameters, M",
    "embedding_parameters": "for search, M",
    "gflops_visible": "GFLOPs, visible",
    "gflops_infrared": "GFLOPs, infrared",
    "latency_visible_ms": "ms, visible",
    "latency_infrared_ms": "ms, infrared",
}

Row = dict[str, str | float | int | None]


def published_beside(cell: Cell, dataset: str) -> PublishedResult | None:
    """The published result of a cell's method on a data set's default search; None where there is none."""
    if not cell.published or dataset not in PUBLISHED_SEARCHES:
        return None
    name, search = PUBLISHED_SEARCHES[dataset]
    rows = published_results(method=cell.published, setting=cell.setting or search)
    return next((row for row in rows if row.dataset == name), None)


def make_rows(
    cells: Sequence[Cell],
    results: Mapping[str, Sequence[Mapping[str, Any]]],
    costs: Mapping[str, Cost] | None,
    dataset: str,
) -> list[Row]:
    """A row for each cell, finished or not: labels, published rates, ours in percent with their spread, costs.

    Args:
        results: by cell, what its finished seeds left.
        costs: by cell; None for a table without them.
    """
    rows = []
    for cell in cells:
        published = published_beside(cell, dataset)
        finished = results.get(cell.key, ())
        row: Row = {"cell": cell.key, **dict(cell.labels)}
        row |= {"published_rank1": published and published.rank1, "published_map": published and published.map}
        means = [result["evaluation"]["mean"] for result in finished]
        for rate in RATES:
            values = [100 * (mean["cmc"][0] if rate == "rank1" else mean[rate]) for mean in means]
            row[f"{rate}_mean"] = statistics.fmean(values) if values else None
            row[f"{rate}_std"] = statistics.stdev(values) if len(values) > 1 else None
        row["seeds"] = len(finished)
        if costs is not None:
            row |= _cost_columns(costs.get(cell.key))
        rows.append(row)
    return rows


def to_csv(rows: Sequence[Row]) -> str:
    """Every column at full precision, empty where there is no number."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_markdown(rows: Sequence[Row], cells: Sequence[Cell]) -> str:
    """The table to read: a rate with its spread in one column, costs in millions, GFLOPs and milliseconds."""
    labels = [name for name, _ in cells[0].labels]
    columns = [*labels]
    if any(row["published_rank1"] is not None for row in rows):
        columns += ["published Rank-1", "published mAP"]
    columns += [*RATES.values(), "seeds"]
    costed = "parameters" in rows[0]
    columns += COSTS.values() if costed else []
    lines = []
    for row in rows:
        fields = {name: str(row[name]) for name in labels}
        fields["published Rank-1"], fields["published mAP"] = (
            _number(row[key], 2) for key in ("published_rank1", "published_map")
        )
        for rate, name in RATES.items():
            spread = row[f"{rate}_std"]
            fields[name] = _number(row[f"{rate}_mean"], 2) + ("" if spread is None else f" ± {_number(spread, 2)}")
        fields["seeds"] = str(row["seeds"])
        if costed:
            fields |= {name: _number(row[key], 1 if key.startswith("latency") else 3) for key, name in COSTS.items()}
        lines.append([fields[name] for name in columns])
    return markdown_table(columns, lines, left=labels)


def _cost_columns(cost: Cost | None) -> Row:
    if cost is None:
        return dict.fromkeys(COSTS)
    return {
        "parameters": cost.parameters / 1e6,
        "embedding_parameters": cost.embedding_parameters / 1e6,
        "gflops_visible": cost.flops[Modality.VISIBLE] / 1e9,
        "gflops_infrared": cost.flops[Modality.INFRARED] / 1e9,
        "latency_visible_ms": cost.latency_ms[Modality.VISIBLE],
        "latency_infrared_ms": cost.latency_ms[Modality.INFRARED],
    }


def _number(value: str | float | int | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
