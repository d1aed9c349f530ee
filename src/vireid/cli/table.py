"""``vireid table``: published numbers and ours, kept apart where their protocols are."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vireid.cli.config import TableConfig
from vireid.cli.console import progress_console, say
from vireid.cli.refuse_export import refuse_export
from vireid.cli.run_folder import FREE_TO_CHANGE
from vireid.cli.table_formats import comparison_csv, comparison_latex, comparison_markdown
from vireid.evaluation import StoredResult
from vireid.evaluation.comparison import Comparison, compare
from vireid.evaluation.published import PublishedResult, published_results
from vireid.evaluation.repeats import Measured, gather
from vireid.evaluation.standing import DIRECTIONS, PUBLISHED_SEARCHES, Standing, stand
from vireid.evaluation.stored_results import RESULTS, read_result
from vireid.models import WEIGHTS, fingerprint
from vireid.training.run_record import CONFIG, read_run
from vireid.types import VireidError, write_atomically

__all__ = ["make_tables", "table_command"]

# What tells one training from a repetition of another with the same settings.
REPEATED = FREE_TO_CHANGE | {"seed", "trial"}


def table_command(config: TableConfig) -> None:
    """Print the tables, or write them to a file.

    Raises:
        VireidError: what `make_tables` refuses, or a file that cannot be written.
    """
    tables = make_tables(config)
    match config.format:
        case "markdown":
            text = "\n".join(map(comparison_markdown, tables))
        case "latex":
            text = "\n".join(map(comparison_latex, tables))
        case "csv":
            text = comparison_csv(tables)
    if config.out is None:
        sys.stdout.write(text)
        return
    with write_atomically(config.out) as draft:
        draft.write_text(text, encoding="utf-8")
    say(f"written to {config.out}")


def make_tables(config: TableConfig) -> list[Comparison]:
    """Read the results and put them beside the published rows, one table for each search of a data set.

    Raises:
        VireidError: a run without results, a stale or damaged one, one that is given twice, an unknown setting or
            method, or results that belong to none of the tables asked for.
    """
    rows = published_results()
    for method in config.method:
        published_results(method=method)
    results = _read(config.runs)
    ours = gather([result for several in results.values() for result in several], average=not config.separate)
    standings = {path: [stand(result.evaluation) for result in several] for path, several in results.items()}
    wanted = _choose(config, rows, [its for several in standings.values() for its in several if its])
    left = {
        path: several
        for path, several in standings.items()
        if not any(its and its.belongs_to(*place) for its in several for place in wanted)
    }
    if results and len(left) == len(results):
        raise VireidError(
            f"nothing given belongs to {' or '.join(f'{name}, {setting}' for name, setting in wanted)}: "
            f"{'; '.join(_what_it_has(*each) for each in left.items())}; choose with --dataset and --setting"
        )
    for each in left.items():
        say(f"not shown: {_what_it_has(*each)}", to=progress_console)
    return [
        compare(rows, ours, dataset=dataset, setting=setting, methods=config.method, sort=config.sort)
        for dataset, setting in wanted
    ]


def _what_it_has(path: Path, standings: Sequence[Standing | None]) -> str:
    places = [f"{its.dataset}, {its.setting}" if its else "own data, without a published table" for its in standings]
    return f"{path} has {' and '.join(dict.fromkeys(places))}"


def _choose(
    config: TableConfig, rows: Sequence[PublishedResult], standings: Sequence[Standing]
) -> list[tuple[str, str]]:
    """Data set and setting of each table: what was asked for, else what there are results of, else the usual search.

    Where the papers search both ways, both directions are usual, each where a method that was asked for is published.
    """
    usual = dict(PUBLISHED_SEARCHES.values())
    if config.dataset:
        datasets = [PUBLISHED_SEARCHES[config.dataset][0]]
    elif standings:
        datasets = [name for name in usual if any(its.dataset == name for its in standings)]
    else:
        datasets = [next(iter(usual))]
    there = list(dict.fromkeys((row.dataset, row.setting) for row in rows if row.dataset in datasets))
    for setting in config.setting:
        if setting not in {name for _, name in there}:
            known = "; ".join(
                f"{dataset} has {', '.join(name for owner, name in there if owner == dataset)}" for dataset in datasets
            )
            raise VireidError(f"there is no table {setting!r}: {known}; another data set is chosen with --dataset")
    if config.setting:
        return [(dataset, setting) for dataset, setting in there if setting in config.setting]
    measured = {(its.dataset, its.setting) for its in standings}
    return (
        [place for place in there if place in measured]
        or [place for place in there if place[1] in DIRECTIONS.values() and _has(rows, place, config.method)]
        or [(name, usual[name]) for name in datasets]
    )


def _has(rows: Sequence[PublishedResult], place: tuple[str, str], methods: Sequence[str]) -> bool:
    """Whether a table has a published row, of one of the methods where some are named."""
    return any((row.dataset, row.setting) == place and (not methods or row.method in methods) for row in rows)


def _read(paths: Sequence[Path]) -> dict[Path, list[Measured]]:
    """Every result of each run, and each single file; each once, and of the weights that its run has now."""
    seen: set[Path] = set()
    results = {}
    for path in paths:
        if not path.exists():
            raise VireidError(f"there is no run and no result at {path}")
        refuse_export(path)
        found = sorted((path / RESULTS).glob("*.json")) if path.is_dir() else [path]
        if not found:
            raise VireidError(
                f"{path} has no results yet; run vireid evaluate first: "
                f"vireid evaluate --checkpoint {path} --dataset NAME --root ROOT"
            )
        twice = seen.intersection(file.resolve() for file in found)
        if twice:
            raise VireidError(f"a result may be given once, but {path} gives {min(twice).name} again; leave it out")
        seen |= {file.resolve() for file in found}
        results[path] = [_measured(file) for file in found]
    return results


def _measured(file: Path) -> Measured:
    stored = read_result(file)
    source = f"{file}" + (f", {stored.measured[:10]}" if stored.measured else "")
    run = file.absolute().parent.parent
    if file.absolute().parent.name != RESULTS or not any((run / name).is_file() for name in (WEIGHTS, CONFIG)):
        return Measured(
            name=file.stem,
            evaluation=stored.evaluation,
            source=source,
            weights=stored.weights,
            notes=("a file outside a run: nothing shows that the weights have stayed the same",),
        )
    settings = read_run(run).settings
    return Measured(
        name=run.name,
        evaluation=stored.evaluation,
        source=source,
        weights=stored.weights,
        seed=settings.get("seed"),
        settings={name: value for name, value in settings.items() if name not in REPEATED},
        notes=(*_check_weights(file, run, stored), *_training_data(settings, stored)),
    )


def _training_data(settings: Mapping[str, Any], stored: StoredResult) -> tuple[str, ...]:
    """What a number on one benchmark must say of a training on another."""
    trained = settings.get("dataset")
    return () if trained in (None, stored.evaluation.protocol.data_set) else (f"trained on {trained}",)


def _check_weights(file: Path, run: Path, stored: StoredResult) -> tuple[str, ...]:
    """Nothing to say of a result of the run's present weights, a note where the run has none.

    Raises:
        VireidError: the run has other weights by now.
    """
    if not (run / WEIGHTS).is_file():
        return ("the run's weights are gone: nothing shows that the result is theirs",)
    measured, present = stored.weights.partition(" ")[0], fingerprint(run, "bn").partition(" ")[0]
    if measured != present:
        raise VireidError(
            f"{file} is stale: it was measured with the weights {measured or 'of no known fingerprint'}, but the run "
            f"has {present} now; measure again (vireid evaluate --checkpoint {file.parent.parent}) or remove the file"
        )
    return ()
