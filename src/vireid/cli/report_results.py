"""The results in a report: which are shown where nothing is measured, what their protocols are, and the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vireid.cli.console import printable
from vireid.cli.report_config import ReportConfig
from vireid.cli.report_runs import ReportedRun
from vireid.cli.report_tables import LAYOUTS, NOT_KEPT
from vireid.evaluation import Averages, Evaluation, Protocol, Rule, StoredResult
from vireid.evaluation.rules import DISTINCT_RULES
from vireid.figures.report import Table

__all__ = [
    "asked_for",
    "hidden_from",
    "kept_results",
    "name_protocol",
    "other_results_table",
    "protocol_table",
    "results_table",
]

RANKS = (1, 5, 10, 20)
OWN_TO_A_METHOD = ("method", "checkpoint_rule", "reconstruction")

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

_WORDS = {
    "i2v": "infrared queries, visible gallery (i2v)",
    "v2i": "visible queries, infrared gallery (v2i)",
    "bn": "after the head's BatchNorm (bn)",
    "seeded": "seeded, as nearly all published code",
}


_HIDDEN: dict[Rule, str] = {
    "sysu": "queries of camera 3 do not see camera 2, which looks at the same place",
    "llcm": "queries do not see images of their own person by their own camera",
    "folder": "queries do not see images of their own person by their own camera",
}


def hidden_from(rule: Rule) -> str:
    """A sentence on what a query may not see, a space before it; empty where it sees the whole gallery.

    >>> hidden_from("llcm"), hidden_from("regdb")
    (' Queries do not see images of their own person by their own camera.', '')
    """
    return f" Q{_HIDDEN[rule][1:]}." if rule in _HIDDEN else ""


def name_protocol(protocol: Protocol) -> str:
    """A protocol in a line: its name, and whatever makes a number another than its name alone lets one think.

    >>> plain = Protocol(data_set="llcm", direction="i2v", feature="bn", checkpoint_rule="last epoch", evaluator="llcm")
    >>> name_protocol(plain)
    'llcm i2v, 1 gallery'
    """
    facts = [protocol.name]
    if protocol.split is not None:
        facts.append(f"trial {protocol.split}")
    elif protocol.data_set == "sysu" or protocol.evaluator in ("llcm", "llcm-swapped"):
        facts.append(f"{protocol.trials} galler{'y' if protocol.trials == 1 else 'ies'}")
    facts += [each for each in (protocol.feature, protocol.distance) if each not in ("bn", "cosine")]
    facts += [f"re-ranked: {protocol.reranking}"] if protocol.reranking != "none" else []
    facts += [protocol.test_time_augmentation] if protocol.test_time_augmentation != "none" else []
    facts += ["a made world"] if protocol.made_world else []
    return ", ".join(facts)


def kept_results(runs: Sequence[ReportedRun], config: ReportConfig) -> dict[str, Evaluation]:
    """What is shown where the data are not there: one kept result of the reported run, and others' by its protocol.

    Of the results of the weights that a run has now, that come first which are nearest to what a report measures
    itself: of the data set and the mode asked for, plain, by the usual protocol, of the most galleries, the newest.
    """
    own = {
        run.label: [one for one in run.stored if one.weights.split(" ")[0] == run.weights.split(" ")[0]] for run in runs
    }
    reported = runs[-1]
    dataset = config.dataset or reported.record.settings.get("dataset") or reported.facts.get("dataset")
    asked = [one for one in own[reported.label] if not _other(config, one.evaluation.protocol)]
    if not asked:
        return {}
    wanted = max(asked, key=lambda one: _nearness(one, dataset)).evaluation
    found = {reported.label: wanted}
    for run in runs[:-1]:
        alike = [one for one in own[run.label] if _same_protocol(one.evaluation.protocol, wanted.protocol)]
        if alike:
            found[run.label] = max(alike, key=lambda one: one.measured).evaluation
    return {run.label: found[run.label] for run in runs if run.label in found}


def asked_for(config: ReportConfig) -> str:
    """Which results alone were asked for, in words; empty where all are welcome."""
    facts = [f"--dataset {config.dataset}"] if config.dataset else []
    facts += [f"--trial {config.trial}"] if config.trial is not None else []
    facts += [f"--mode {config.mode}"] if config.mode != "all" else []
    return " ".join(facts)


def _other(config: ReportConfig, protocol: Protocol) -> bool:
    """Whether a result is of another data set, search or trial than was asked for."""
    return (
        config.dataset not in (None, protocol.data_set)
        or config.trial not in (None, protocol.split)
        or (config.mode != "all" and config.mode != protocol.mode)
    )


def _nearness(stored: StoredResult, dataset: object) -> tuple[bool | int | str, ...]:
    """Larger for what a report would rather show."""
    protocol = stored.evaluation.protocol
    return (
        protocol.data_set == dataset,
        protocol.mode in (None, "all"),
        protocol.reranking == "none",
        protocol.test_time_augmentation == "none",
        protocol.distance == "cosine",
        protocol.feature.split(" ")[0] == "bn",
        protocol.direction == "i2v",
        protocol.shots in (None, 1),
        protocol.draw in (None, "seeded"),
        protocol.evaluator in (None, "llcm"),
        protocol.feature == "bn",
        protocol.trials,
        stored.measured,
    )


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
        caption=name_protocol(last.protocol),
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
        dataset = run.record.settings.get("dataset") or run.facts.get("dataset")
        # Those of the data set that it was trained on first.
        for stored in sorted(run.stored, key=lambda one: one.evaluation.protocol.data_set != dataset):
            result = stored.evaluation
            if run.label in shown and result.protocol == shown[run.label].protocol:
                continue
            own = stored.weights.split(" ")[0] == run.weights.split(" ")[0]
            rates = [rate.replace(" ", "\u00a0") for rate in _rates(result)]
            rows.append(
                [
                    run.label,
                    name_protocol(result.protocol),
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
        [name, (_WORDS | LAYOUTS).get(str(facts[fact]), str(facts[fact]))]
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


def _same_protocol(one: Protocol, other: Protocol) -> bool:
    """Whether numbers of two methods may share a column."""
    first, second = one.to_json(), other.to_json()
    return all(first[fact] == second[fact] for fact in first if fact not in OWN_TO_A_METHOD)


def _rates(result: Evaluation) -> list[str]:
    means, spreads = _plain_rates(result.mean), _plain_rates(result.std)
    if len(result.trials) == 1:
        return means
    return [f"{mean} ± {spread}" for mean, spread in zip(means, spreads)]


def _plain_rates(averages: Averages) -> list[str]:
    rates = [*(averages["cmc"][rank - 1] for rank in RANKS), averages["map"], averages["minp"]]
    return [f"{100 * rate:.2f}" for rate in rates]


def _shown(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[printable(cell) for cell in row] for row in rows]
