"""The tables of a report: what came out, by which protocol, with which settings, on which machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PureWindowsPath
from typing import Any

from vireid.cli.console import printable
from vireid.cli.report_runs import Data, ReportedRun
from vireid.evaluation import Averages, Evaluation, Protocol, Rule
from vireid.evaluation.rules import DISTINCT_RULES
from vireid.figures.report import Table
from vireid.training import code_fingerprint, describe_hardware, library_versions

__all__ = [
    "NAMES",
    "configuration_tables",
    "machine_tables",
    "other_results_table",
    "protocol_table",
    "results_table",
    "runs_table",
    "same_protocol",
    "test_side",
]

RANKS = (1, 5, 10, 20)
NOT_KEPT = "not kept"
OWN_TO_A_METHOD = ("method", "checkpoint_rule", "reconstruction")

# Where files lay on the machine of the training is nobody's business who reads a report.
PLACES = ("root", "out", "cache", "part_maps")

PACKAGES = ("matplotlib", "scikit-learn", "captum", "umap-learn")

_FACTS = {
    "data_set": "data set",
    "direction": "direction",
    "mode": "mode",
    "shots": "shots",
    "draw": "who drew the gallery",
    "evaluator": "evaluator",
    "split": "split",
    "trials": "trials",
    "trial_rule": "what a trial is",
    "feature": "feature",
    "distance": "distance",
    "reranking": "re-ranking",
    "test_time_augmentation": "augmentation at test time",
}

NAMES = {"sysu": "SYSU-MM01", "regdb": "RegDB", "llcm": "LLCM", "folder": "a folder"}
"""What people call the layouts of data sets; a made world may lie in any of them."""

_LAYOUTS = {dataset: f"in the layout of {name}" for dataset, name in NAMES.items() if dataset != "folder"}

_WORDS = {
    "i2v": "infrared queries, visible gallery (i2v)",
    "v2i": "visible queries, infrared gallery (v2i)",
    "bn": "after the head's BatchNorm (bn)",
    "seeded": "seeded, as nearly all published code",
}


_HIDDEN: dict[Rule, str] = {
    "sysu": "queries of camera 3 do not see camera 2, which looks at the same place",
    "llcm": "images of its own person by its own camera",
    "folder": "images of its own person by its own camera",
}


def results_table(results: Mapping[str, Evaluation], chance: Averages | None) -> Table:
    """Rates of each run by one protocol, with their spread over trials, the reported run last and marked."""
    rows = [[label, *_rates(result)] for label, result in results.items()]
    if chance is not None:
        rows.insert(0, ["chance", *_plain_rates(chance)])
    *_, last = results.values()
    trials = len(last.trials)
    spread = (
        f"Percent: mean ± standard deviation over {trials} trials. The trials differ in the gallery drawn, not in the "
        "network: how far another training would end elsewhere, they do not say."
        if trials > 1
        else "Percent, of one trial: there is no spread to tell."
    )
    return Table(
        caption=last.protocol.name,
        header=["", *(f"Rank-{rank}" for rank in RANKS), "mAP", "mINP"],
        rows=rows,
        marked=frozenset([len(rows) - 1]) if len(rows) > 1 else frozenset(),
        note=spread + (" Chance: the expected rates of a random order." if chance is not None else ""),
        numbers=True,
    )


def other_results_table(runs: Sequence[ReportedRun], shown: Mapping[str, Evaluation]) -> Table | None:
    """What else was measured and kept with the runs; None where there is nothing more."""
    rows = []
    for run in runs:
        for stored in run.stored:
            result = stored.evaluation
            if run.label in shown and result.protocol == shown[run.label].protocol:
                continue
            own = stored.weights.split(" ")[0] == run.weights.split(" ")[0]
            rates = [rate.replace(" ", "\u00a0") for rate in _rates(result)]
            facts = [result.protocol.name]
            facts += [result.protocol.feature] if result.protocol.feature != "bn" else []
            facts += [
                each for each in (result.protocol.reranking, result.protocol.test_time_augmentation) if each != "none"
            ]
            rows.append(
                [
                    run.label,
                    ", ".join(facts),
                    rates[0],
                    *rates[-2:],
                    "these" if own else "others",
                    stored.measured[:10] or NOT_KEPT,
                ]
            )
    if not rows:
        return None
    return Table(
        caption="Measured before and kept with the runs",
        header=["run", "protocol", "Rank-1", "mAP", "mINP", "weights", "measured"],
        rows=_shown(rows),
        note="Percent, as above. Other weights: the run was trained on after it was measured.",
    )


def protocol_table(result: Evaluation, rule: Rule | None) -> Table:
    """Every fact that numbers of this kind must name, but those that each run has for itself.

    Args:
        rule: of the trials, where they are at hand.
    """
    facts = result.protocol.to_json()
    rows = [
        [name, (_WORDS | _LAYOUTS).get(str(facts[fact]), str(facts[fact]))]
        for fact, name in _FACTS.items()
        if facts.get(fact) is not None
    ]
    for name, counts in {
        "queries": [trial.queries for trial in result.trials],
        "queries with a match, which count": [trial.valid for trial in result.trials],
        "gallery images": [trial.gallery for trial in result.trials],
    }.items():
        low, high = min(counts), max(counts)
        rows.append([name, f"{low:,}" if low == high else f"{low:,} to {high:,}, by trial"])
    if rule is not None:
        hidden = _HIDDEN.get(rule, "nothing: it sees the whole gallery")
        counted = "different people in the list" if rule in DISTINCT_RULES else "images in the list"
        rows += [["what a query may not see", hidden], ["what a rank counts", counted]]
    return Table(caption=f"Facts of {result.protocol.name}", header=["fact", "here"], rows=_shown(rows))


def runs_table(runs: Sequence[ReportedRun]) -> Table:
    """Where each run comes from and what its weights are; folders by their names alone."""
    facts: dict[str, list[str]] = {
        "folder": [run.record.folder.resolve().name for run in runs],
        "method": [run.method for run in runs],
        "trained on": [_trained_on(run) for run in runs],
        "training data": [_training_data(run) for run in runs],
        "checkpoint": [str(run.facts.get("checkpoint_rule", "not known")) for run in runs],
        "reconstruction": [str(run.facts.get("reconstruction", "none")) for run in runs],
        "image, height x width": ["{} x {} pixels".format(*run.network.image_size) for run in runs],
        "parameters": [f"{sum(each.numel() for each in run.network.parameters()):,}" for run in runs],
        "weights": [run.weights.split(" ")[0] for run in runs],
    }
    return Table(
        caption="The runs",
        header=["", *(run.label for run in runs)],
        rows=_shown([[name, *values] for name, values in facts.items()]),
        note="Weights: the first 16 digits of the SHA-256 of their file.",
    )


def configuration_tables(runs: Sequence[ReportedRun]) -> list[Table]:
    """Every setting by its dotted name; of several runs those that differ first."""
    trained = [run for run in runs if run.record.settings]
    names = list(dict.fromkeys(name for run in trained for name in run.record.settings if name not in PLACES))
    values = {name: [_setting(run.record.settings.get(name)) for run in trained] for name in names}
    different = [name for name in names if len(set(values[name])) > 1]
    labels = [run.label for run in trained]
    tables = []
    if different:
        tables.append(
            Table(
                caption=f"Settings that differ ({len(different)})",
                header=["setting", *labels],
                rows=_shown([[name, *values[name]] for name in different]),
            )
        )
    same = [name for name in names if name not in different]
    if same:
        alike = "Settings that all runs share" if len(trained) > 1 else "Settings"
        tables.append(
            Table(
                caption=f"{alike} ({len(same)})",
                header=["setting", "value"],
                rows=_shown([[name, values[name][0]] for name in same]),
                note="Folders of the machine are left out.",
            )
        )
    return tables


def machine_tables(runs: Sequence[ReportedRun]) -> list[Table]:
    """Hardware and versions of each training and of this report."""
    here: dict[str, Any] = describe_hardware()
    columns = [run.record.hardware for run in runs] + [here]
    header = ["", *(f"training of {run.label}" for run in runs), "this report"]
    hardware = [[_spaced(name), *(_hardware(column, name) for column in columns)] for name in here]
    hardware.append(["started", *(run.record.started or NOT_KEPT for run in runs), ""])
    hardware.append(["time of training", *(_duration(run) for run in runs), ""])
    versions = [run.record.versions for run in runs] + [_versions()]
    packages = list(dict.fromkeys(name for column in reversed(versions) for name in column))
    codes = [*(run.record.code or NOT_KEPT for run in runs), code_fingerprint()]
    return [
        Table(caption="Hardware", header=header, rows=_shown(hardware)),
        Table(
            caption="Versions",
            header=header,
            rows=_shown(
                [
                    *([name, *(column.get(name, NOT_KEPT) for column in versions)] for name in packages),
                    ["code of vireid", *codes],
                ]
            ),
            note="Code: 16 digits of the SHA-256 of the library's own source.",
        ),
    ]


def same_protocol(one: Protocol, other: Protocol) -> bool:
    """Whether numbers of two methods may share a column."""
    first, second = one.to_json(), other.to_json()
    return all(first[fact] == second[fact] for fact in first if fact not in OWN_TO_A_METHOD)


def test_side(data: Data) -> str:
    """What the images of the test are, in words."""
    records = data.plan.records
    infrared = int(records.infrared.sum())
    persons = len(set(records.persons.tolist()))
    cameras = len(set(records.cameras.tolist()))
    return (
        f"{len(records):,} images ({infrared:,} infrared, {len(records) - infrared:,} visible) of {persons:,} people "
        f"from {cameras} cameras"
    )


def _rates(result: Evaluation) -> list[str]:
    means, spreads = _plain_rates(result.mean), _plain_rates(result.std)
    if len(result.trials) == 1:
        return means
    return [f"{mean} ± {spread}" for mean, spread in zip(means, spreads)]


def _plain_rates(averages: Averages) -> list[str]:
    rates = [*(averages["cmc"][rank - 1] for rank in RANKS), averages["map"], averages["minp"]]
    return [f"{100 * rate:.2f}" for rate in rates]


def _trained_on(run: ReportedRun) -> str:
    dataset = str(run.facts.get("dataset") or "not known")
    trial = f", trial {run.facts.get('trial')}" if dataset == "regdb" else ""
    return _LAYOUTS.get(dataset, dataset) + trial


def _training_data(run: ReportedRun) -> str:
    data = run.record.data
    if not data:
        return NOT_KEPT
    return f"{data.get('images')} images of {data.get('identities')} people, fingerprint {data.get('fingerprint')}"


def _setting(value: Any) -> str:
    """A value as the command line has it; of what is a place, the last name alone."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " ".join(_setting(each) for each in value) or "none"
    if isinstance(value, str) and re.search(r"[/\\]", value):
        return PureWindowsPath(value).name if "\\" in value else Path(value).name
    return str(value)


def _hardware(column: Mapping[str, Any], name: str) -> str:
    if not column:
        return NOT_KEPT
    value = column.get(name)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return NOT_KEPT if value is None else str(value)


def _duration(run: ReportedRun) -> str:
    """Over all parts of a training that was resumed: each counts its seconds anew."""
    counted = [float(step["seconds"]) for step in run.record.steps if "seconds" in step]
    if not counted:
        return NOT_KEPT
    seconds = sum(now for now, after in zip(counted, [*counted[1:], 0.0]) if after < now)
    return f"{seconds / 60:.1f} minutes"


def _versions() -> dict[str, str]:
    found = library_versions()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _spaced(name: str) -> str:
    return {"memory_gib": "memory (GiB)"}.get(name, name.replace("_", " "))


def _shown(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[printable(cell) for cell in row] for row in rows]
