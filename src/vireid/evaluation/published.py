"""Published results, as their papers print them: to stand beside ours, never among them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib import resources

from vireid.types import VireidError

__all__ = ["PublishedResult", "published_results"]

FILE = "published_results.csv"


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """One row of a published table; rates in percent, None where the paper prints none.

    Attributes:
        method: as the table calls it.
        year, venue: of the method's own paper.
        dataset: ``SYSU-MM01``, ``RegDB`` or ``LLCM``.
        setting: the search or direction, such as ``all-search`` or ``infrared-to-visible``; an ablation's rows have a
            setting of their own.
        rank1, rank10, rank20, map, minp: the rates.
        kind: ``plain``, or what sets the number apart, such as ``plain (flip at test)`` or ``unsupervised``.
        source: where the number was read.
    """

    method: str
    year: int
    venue: str
    dataset: str
    setting: str
    rank1: float
    rank10: float | None
    rank20: float | None
    map: float
    minp: float | None
    kind: str
    source: str

    def __post_init__(self) -> None:
        rates = (self.rank1, self.rank10, self.rank20, self.map, self.minp)
        if not all(rate is None or 0 <= rate <= 100 for rate in rates):
            raise VireidError(f"published rates are percent, from 0 to 100, but {self.method} has {rates}")
        known = [rate for rate in (self.rank1, self.rank10, self.rank20) if rate is not None]
        if known != sorted(known):
            raise VireidError(f"a published rank-k rate cannot fall with k, but {self.method} has {known}")


def published_results(
    *, method: str | None = None, dataset: str | None = None, setting: str | None = None
) -> tuple[PublishedResult, ...]:
    """Rows of the table in the package, in its order; each filter keeps the rows that have exactly that word.

    Raises:
        VireidError: a filter's word that is in no row; the message lists what there is.

    >>> [row] = published_results(method="MSCMNet", dataset="SYSU-MM01", setting="all-search")
    >>> row.rank1, row.map, row.source
    (78.53, 74.2, 'MSCMNet Table I; its repository')
    """
    rows = read_published(resources.files("vireid.evaluation").joinpath(FILE).read_text(encoding="utf-8"))
    for name, wanted in {"method": method, "dataset": dataset, "setting": setting}.items():
        there = sorted({getattr(row, name) for row in rows})
        if wanted is not None and wanted not in there:
            raise VireidError(f"no published result has the {name} {wanted!r}; there are {', '.join(there)}")
    return tuple(
        row
        for row in rows
        if method in (None, row.method) and dataset in (None, row.dataset) and setting in (None, row.setting)
    )


def read_published(text: str) -> list[PublishedResult]:
    """Rows of a table in the CSV form of the one in the package.

    Raises:
        VireidError: a row that is not whole, twice there or out of range, by its line.
    """
    reader = csv.DictReader(io.StringIO(text))
    rows: list[PublishedResult] = []
    seen: set[tuple[str, str, str]] = set()
    for record in reader:
        try:
            row = PublishedResult(
                method=record["method"],
                year=int(record["year"]),
                venue=record["venue"],
                dataset=record["dataset"],
                setting=record["setting"],
                rank1=float(record["rank1"]),
                rank10=_rate(record["rank10"]),
                rank20=_rate(record["rank20"]),
                map=float(record["map"]),
                minp=_rate(record["minp"]),
                kind=record["class"],
                source=record["source"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise VireidError(
                f"line {reader.line_num} of the published results is not whole ({type(error).__name__}: {error}); "
                "every row needs method, year, venue, dataset, setting, rank1, map, class and source"
            ) from error
        key = (row.method, row.dataset, row.setting)
        if key in seen:
            raise VireidError(f"line {reader.line_num} of the published results gives {' '.join(key)} a second time")
        seen.add(key)
        rows.append(row)
    return rows


def _rate(text: str) -> float | None:
    return float(text) if text.strip() else None
