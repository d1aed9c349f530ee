"""Checking a data set on disk before a run: layout, splits, counts, leakage, and every image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vireid.data.faults import Fault, FaultError
from vireid.data.image_checks import check_colours, check_duplicates, check_readable, check_sizes
from vireid.data.image_scan import ImageFacts, scan_images
from vireid.data.listing import check_root, list_images
from vireid.data.reading import read
from vireid.data.record_checks import (
    Count,
    check_few_identities,
    check_few_images,
    check_modalities,
    check_permutations,
    check_published,
    count_records,
    fault,
)
from vireid.data.regdb import REGDB_TRIALS, read_regdb
from vireid.data.sysu_mm01 import check_sysu_lists
from vireid.types import Records

__all__ = ["QUICK_SAMPLE", "Diagnosis", "diagnose"]

QUICK_SAMPLE = 500

_FOLDERS = {
    "sysu": tuple(f"cam{camera}" for camera in range(1, 7)),
    "regdb": ("Visible", "Thermal"),
    "llcm": ("vis", "nir", "test_vis", "test_nir"),
    "folder": ("visible", "infrared"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        dataset: as asked for.
        root: as asked for.
        counts: identities, cameras and images of each split and modality; empty when the layout cannot be read.
        faults: errors first, then warnings, then notes.
        bad: path and reason of every image that cannot be decoded.
        looked_into: how many images were decoded.
        images: how many images there are.
    """

    dataset: str
    root: Path
    counts: tuple[Count, ...]
    faults: tuple[Fault, ...]
    bad: tuple[tuple[str, str], ...]
    looked_into: int
    images: int

    @property
    def failed(self) -> bool:
        """Whether a run would fail or be wrong."""
        return any(found.severity == "error" for found in self.faults)

    @property
    def bad_paths(self) -> tuple[str, ...]:
        """Images that cannot be decoded."""
        return tuple(path for path, _ in self.bad)


def diagnose(
    dataset: str,
    root: Path,
    *,
    trial: int = 1,
    splits: Sequence[str] = ("train", "test"),
    identities_per_step: int = 6,
    images_per_identity: int = 4,
    quick: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Diagnosis:
    """Find out whether a run on a data set would fail or be wrong, and everything else worth knowing.

    Args:
        dataset: ``sysu``, ``regdb``, ``llcm`` or ``folder``.
        root: its folder.
        trial: of RegDB; the lists of the other nine are checked too, as far as they are there.
        splits: ``train``, ``test`` or both.
        identities_per_step: P of the batches that are to be drawn.
        images_per_identity: K of them.
        quick: look into 500 images spread over the data set instead of into all.
        workers: decoding threads; one for each core by default.
        progress: called with (images done, all images to look into).

    Returns:
        The diagnosis; faults of the data are in it, not raised.

    Raises:
        VireidError: there is no data set of that name.
    """
    records, faults = _read(dataset, root, trial, splits)
    if records is not None:
        paths = [str(path) for path in records.paths]
        faults += _check_records(dataset, root, records, trial, splits, identities_per_step, images_per_identity)
    else:
        paths = _list_anyway(dataset, root)
    counts = [] if records is None else count_records(records)
    looked = paths
    if quick and len(paths) > QUICK_SAMPLE:
        looked = [paths[place] for place in np.linspace(0, len(paths) - 1, QUICK_SAMPLE).round().astype(int)]
        what = f"only {len(looked)} of {len(paths)} images were looked into"
        faults.append(fault("note", what, [], "run the doctor without --quick before a long training"))
    facts = scan_images(root, looked, workers=workers, progress=progress)
    faults += check_published(dataset, counts) + _check_images(facts, records)
    return Diagnosis(
        dataset=dataset,
        root=root,
        counts=tuple(counts),
        faults=tuple(sorted(faults, key=lambda found: ("error", "warning", "note").index(found.severity))),
        bad=tuple((fact.path, fact.error) for fact in facts if fact.error),
        looked_into=len(looked),
        images=len(paths),
    )


def _read(dataset: str, root: Path, trial: int, splits: Sequence[str]) -> tuple[Records | None, list[Fault]]:
    """The records, or the faults that stand in their way: of both splits together and of each alone."""
    try:
        return read(dataset, root, trial=trial, splits=splits), []
    except FaultError as error:
        faults = [error.fault]
    for split in splits if root.is_dir() and len(splits) > 1 else ():
        try:
            read(dataset, root, trial=trial, splits=(split,))
        except FaultError as error:
            if error.fault not in faults:
                faults.append(error.fault)
    return None, faults + _guess_mistake(dataset, root)


def _guess_mistake(dataset: str, root: Path) -> list[Fault]:
    """A note when the root looks like another data set, or when the data set lies one folder deeper."""
    if not root.is_dir():
        return []
    matching = [name for name, folders in _FOLDERS.items() if all((root / folder).is_dir() for folder in folders)]
    if matching and dataset not in matching:
        return [fault("note", f"the root looks like the layout of {matching[0]}", [], f"try --dataset {matching[0]}")]
    deeper = [
        str(child)
        for child in sorted(root.iterdir())
        if child.is_dir() and all((child / folder).is_dir() for folder in _FOLDERS[dataset])
    ]
    if deeper and dataset not in matching:
        return [fault("note", "the data set seems to lie one folder deeper", deeper, f"check {deeper[0]} in its place")]
    return []


def _list_anyway(dataset: str, root: Path) -> list[str]:
    """Images that lie where they belong, so that they are looked into though the layout is at fault."""
    try:
        return list_images(check_root(root), _FOLDERS[dataset])
    except FaultError:  # the same fault has stopped the reader and is reported
        return []


def _check_records(
    dataset: str,
    root: Path,
    records: Records,
    trial: int,
    splits: Sequence[str],
    identities_per_step: int,
    images_per_identity: int,
) -> list[Fault]:
    faults = check_modalities(records) + check_few_images(records, images_per_identity)
    if "train" in splits:
        faults += check_few_identities(records, identities_per_step)
    if dataset == "sysu":
        faults += check_sysu_lists(root, splits)
        if "test" in splits:
            faults += check_permutations(root, records)
        if set(splits) == {"train", "test"}:
            faults += _check_left_out(root, records, _FOLDERS["sysu"])
    if dataset == "llcm" and "test" in splits:
        faults += _check_left_out(root, records, ("test_vis", "test_nir"))
    if dataset == "regdb":
        faults += _check_other_trials(root, trial, splits)
    return faults


def _check_left_out(root: Path, records: Records, folders: Sequence[str]) -> list[Fault]:
    left_out = sorted(set(list_images(root, folders)) - set(records.paths.tolist()))
    if not left_out:
        return []
    what = f"{len(left_out)} images are of identities that are in no split and are left out"
    return [fault("note", what, left_out, "nothing, if that is meant")]


def _check_other_trials(root: Path, trial: int, splits: Sequence[str]) -> list[Fault]:
    wrong = []
    for other in REGDB_TRIALS:
        if other != trial:
            try:
                read_regdb(root, trial=other, splits=splits)
            except FaultError as error:
                wrong.append(f"trial {other}: {error}")
    if not wrong:
        return []
    what = f"{len(wrong)} of the other nine trials cannot be read; a result needs all ten"
    return [fault("warning", what, wrong, "copy the folder idx again from the data set as published")]


def _check_images(facts: Sequence[ImageFacts], records: Records | None) -> list[Fault]:
    record_of = {} if records is None else {record.path: record for record in records}
    return (
        check_readable(facts)
        + check_colours(facts, record_of)
        + check_duplicates(facts, record_of)
        + check_sizes(facts)
    )
