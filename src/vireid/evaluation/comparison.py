"""Published results and ours in one table, kept apart wherever their protocols set them apart: rows in, rows out."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from vireid.evaluation.evaluation import Averages
from vireid.evaluation.protocol import Protocol
from vireid.evaluation.published import PublishedResult
from vireid.evaluation.repeats import Repeats
from vireid.evaluation.standing import Standing, stand
from vireid.types import VireidError

__all__ = ["RATES", "Comparison", "Group", "Row", "Sort", "compare"]

RATES = ("rank1", "rank10", "rank20", "map", "minp")

Sort = Literal["year", "rank1", "map"]

# The order of the groups. What stands in brackets after one of these comes next, anything else last.
_ORDER = ("plain", "re-ranked", "unsupervised", "ablation")

_REGDB_SPLITS = 10


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method in a table; rates in percent, None where there is none.

    Attributes:
        method: what it is called.
        ours: whether it was measured here.
        year, venue: of a published one; None and empty for ours.
        rates: in the order of `RATES`.
        spread: standard deviation of each rate over repeated runs (n - 1), for a mean of several.
        runs: how many were averaged.
        source: where the numbers are from.
        notes: what must be said of them.
        contends: whether it may be called the best of a column.
    """

    method: str
    ours: bool
    year: int | None
    venue: str
    rates: tuple[float | None, ...]
    spread: tuple[float, ...] | None = None
    runs: int = 1
    source: str
    notes: tuple[str, ...] = ()
    contends: bool = True


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that may be compared with each other, or of which the title says that they may not be."""

    title: str
    comparable: bool
    rows: tuple[Row, ...]

    def best(self, rate: int, digits: int) -> float | None:
        """The highest number of a column as it is printed; None where fewer than two rows may be compared."""
        values = [row.rates[rate] for row in self.rows if row.contends]
        known = [round(value, digits) for value in values if value is not None]
        return max(known) if self.comparable and len(known) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A table.

    Attributes:
        dataset, setting: as published rows name them.
        groups: published classes first, then what may not be compared with them.
        digits: after the point, for each of `RATES`: as many as its published numbers have.
    """

    dataset: str
    setting: str
    groups: tuple[Group, ...]
    digits: tuple[int, ...]


def compare(
    published: Iterable[PublishedResult],
    ours: Iterable[Repeats] = (),
    *,
    dataset: str,
    setting: str,
    methods: Collection[str] = (),
    sort: Sort = "year",
) -> Comparison:
    """Put published rows and our results into the groups that their protocols say.

    A result of ours stands in the group of published rows whose class its re-ranking and its augmentation at test time
    make it, if its images and its protocol are those of the published rows. Otherwise it stands in a group below, which
    says in its title that it is not comparable.

    Args:
        published: rows; those of another data set or setting are passed over.
        ours: results, repeated runs together; those that belong to another table are passed over.
        dataset, setting: which table.
        methods: of the published rows only these; all if empty.
        sort: ``year``, oldest first and ours last; ``rank1`` or ``map``, highest first.

    Raises:
        VireidError: nothing is left for the table.

    >>> from vireid.evaluation.published import published_results
    >>> table = compare(published_results(), dataset="RegDB", setting="infrared-to-visible", sort="rank1")
    >>> [(group.title, group.rows[0].method) for group in table.groups]
    [('plain', 'FMCNet'), ('plain (flip at test)', 'CAJ')]
    """
    rows = [row for row in published if (row.dataset, row.setting) == (dataset, setting)]
    groups: defaultdict[tuple[str, bool], list[Row]] = defaultdict(list)
    for row in rows:
        if not methods or row.method in methods:
            groups[row.kind, True].append(_published_row(row))
    for result in ours:
        standing = stand(result.evaluations[0])
        if standing and standing.belongs_to(dataset, setting):
            groups[_title(standing), standing.comparable].append(_own_row(result, standing))
    if not groups:
        raise VireidError(
            f"there is nothing to show for {dataset}, {setting}: "
            + (f"no published row there is of {', '.join(methods)}" if methods else "no published row and no result")
        )
    ordered = sorted(groups.items(), key=lambda item: _order(*item[0]))
    return Comparison(
        dataset=dataset,
        setting=setting,
        groups=tuple(
            Group(title=title, comparable=comparable, rows=tuple(_sorted(members, sort)))
            for (title, comparable), members in ordered
        ),
        digits=tuple(_digits([getattr(row, rate) for row in rows]) for rate in RATES),
    )


def _order(title: str, comparable: bool) -> tuple[bool, int, bool]:
    kind, _, detail = title.partition(" (")
    return not comparable, _ORDER.index(kind) if kind in _ORDER else len(_ORDER), bool(detail)


def _sorted(rows: Sequence[Row], sort: Sort) -> list[Row]:
    if sort == "year":
        return sorted(rows, key=lambda row: (row.ours, row.year or 0))
    place = RATES.index(sort)
    return sorted(rows, key=lambda row: -(row.rates[place] or 0))


def _digits(values: Sequence[float | None]) -> int:
    printed = [str(value).partition(".")[2].rstrip("0") for value in values if value is not None]
    return max(map(len, printed), default=2)


def _title(standing: Standing) -> str:
    if standing.comparable:
        return standing.kind
    apart = "" if standing.kind == "plain" else f", {standing.kind}"
    if standing.made_world:
        return f"a made world{apart}: not comparable"
    if standing.counts is None:
        return f"other protocols{apart}: not comparable"
    queries, gallery = standing.counts
    return f"other data ({queries:,} queries, {gallery:,} gallery images){apart}: not comparable"


def _published_row(row: PublishedResult) -> Row:
    return Row(
        method=row.method,
        ours=False,
        year=row.year,
        venue=row.venue,
        rates=tuple(getattr(row, rate) for rate in RATES),
        source=row.source,
    )


def _own_row(result: Repeats, standing: Standing) -> Row:
    protocol = result.evaluations[0].protocol
    each = [_rates(evaluation.mean) for evaluation in result.evaluations]
    columns = list(zip(*each))
    repeated = len(each) > 1
    splits = {evaluation.protocol.split for evaluation in result.evaluations}
    few = protocol.data_set == "regdb" and len(splits) < _REGDB_SPLITS
    notes = [*_notes(protocol), *standing.deviations, *result.notes]
    if standing.made_world:
        notes.insert(0, f"images of a made world (vireid synth), not of {standing.dataset}")
    elif standing.counts is not None:
        notes.insert(0, f"not the images of {standing.dataset}, whose {standing.setting} has {standing.official}")
    if few:
        notes.append(f"{len(splits)} of RegDB's {_REGDB_SPLITS} trials; the published rows are means of all")
    if repeated:
        notes.append(f"mean ± standard deviation (n - 1) of {len(each)} runs: {result.differ_in}")
    return Row(
        method=protocol.method if protocol.method != "not known" else result.name,
        ours=True,
        year=None,
        venue="",
        rates=tuple(statistics.fmean(values) for values in columns),
        spread=tuple(statistics.stdev(values) for values in columns) if repeated else None,
        runs=len(each),
        source=result.source,
        notes=tuple(notes),
        contends=protocol.checkpoint_rule == "last epoch" and not few,
    )


def _rates(averages: Averages) -> tuple[float, ...]:
    cmc = averages["cmc"]
    return tuple(100 * rate for rate in (cmc[0], cmc[9], cmc[19], averages["map"], averages["minp"]))


def _notes(protocol: Protocol) -> list[str]:
    """What a reader must know of our number that the title of its group does not say."""
    notes = []
    if protocol.checkpoint_rule == "best on test":
        notes.append("checkpoint chosen by its score on the test people (best on test)")
    elif protocol.checkpoint_rule != "last epoch":
        notes.append(f"checkpoint: {protocol.checkpoint_rule}")
    if protocol.reconstruction != "none":
        notes.append(f"reconstruction: {protocol.reconstruction}")
    if protocol.reranking != "none":
        notes.append(f"re-ranked: {protocol.reranking}")
    if protocol.feature != "bn":
        notes.append(f"feature: {protocol.feature}")
    return notes
