"""From what a user asks for to a table of records, its trials and the protocol that the result will name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from vireid.data import read, read_sysu_permutations
from vireid.evaluation import Protocol, Trial, folder_trials, llcm_trials, regdb_trials, sysu_trials
from vireid.synthetic import is_made_world
from vireid.types import Records, VireidError

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """What is scored and how."""

    records: Records
    trials: list[Trial]
    protocol: Protocol


def make_plan(
    dataset: Literal["sysu", "regdb", "llcm", "folder"],
    root: Path,
    *,
    feature: str,
    checkpoint_rule: str,
    method: str = "not known",
    reconstruction: str = "none",
    mirror: bool = False,
    mode: Literal["all", "indoor"] = "all",
    shots: int = 1,
    draw: Literal["official", "seeded"] = "seeded",
    direction: Literal["v2i", "i2v"] = "i2v",
    evaluator: Literal["llcm", "llcm-swapped", "llcm-full"] = "llcm",
    trial: int = 1,
    trials: int = 10,
    paths: Iterable[str] | None = None,
) -> Plan:
    """Read a data set's test side and make its trials.

    Args:
        feature, checkpoint_rule, method, reconstruction, mirror: what the result must say of its embeddings.
        mode, shots, draw: of SYSU-MM01. draw and trials: of LLCM too.
        evaluator: of LLCM.
        trial: of RegDB.
        paths: the images that there are features of; where the images themselves are not on disk, these are the test
            images.

    Raises:
        VireidError: what the readers and the protocols refuse.
    """
    records = _test_records(dataset, root, trial, None if paths is None else set(paths))
    name = partial(
        Protocol,
        data_set=dataset,
        direction=direction,
        feature=feature,
        checkpoint_rule=checkpoint_rule,
        method=method,
        reconstruction=reconstruction,
        test_time_augmentation="image and mirror image averaged" if mirror else "none",
        made_world=is_made_world(root),
    )
    match dataset:
        case "sysu":
            protocol = name(mode=mode, shots=shots, draw=draw)
            permutations = read_sysu_permutations(root) if draw == "official" else None
            made = sysu_trials(records, mode=mode, shots=shots, draw=draw, trials=trials, permutations=permutations)
        case "regdb":
            protocol = name(split=trial)
            made = regdb_trials(records, direction=direction, trial=trial)
        case "llcm":
            protocol = name(draw="seeded", evaluator=evaluator)
            made = llcm_trials(records, direction=direction, evaluator=evaluator, trials=trials)
        case "folder":
            protocol = name()
            made = folder_trials(records, direction=direction)
    return Plan(records=records, trials=made, protocol=protocol)


def _test_records(dataset: str, root: Path, trial: int, paths: set[str] | None) -> Records:
    if paths is None:
        return read(dataset, root, trial=trial, splits=("test",))
    given = read(dataset, root, trial=trial, paths=paths, splits=("test",))
    try:
        on_disk = read(dataset, root, trial=trial, splits=("test",))
    except VireidError:
        return given
    # Where every image is on disk, that is the whole test: features of a part of it would draw other galleries and
    # make another result under the same name. Scoring then says which are missing.
    return on_disk if set(given.paths).issubset(on_disk.paths) else given
