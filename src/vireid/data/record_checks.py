"""Faults that show in a table of records, without looking into an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vireid.data.faults import Fault, FaultError, Severity
from vireid.data.obtain import PUBLISHED_COUNTS
from vireid.data.sysu_mm01 import read_sysu_permutations
from vireid.types import Modality, Records

__all__ = [
    "Count",
    "check_few_identities",
    "check_few_images",
    "check_modalities",
    "check_permutations",
    "check_published",
    "count_records",
    "fault",
]


@dataclass(frozen=True, kw_only=True)
class Count:
    """One line of the table of counts.

    Attributes:
        split: as in the records.
        modality: ``visible`` or ``infrared``.
        persons: known identities.
        cameras: cameras.
        images: rows.
    """

    split: str
    modality: str
    persons: int
    cameras: int
    images: int


def fault(severity: Severity, what: str, where: Sequence[str], what_to_do: str) -> Fault:
    """A fault that names the first five places."""
    return Fault(severity=severity, what=what, where=tuple(where[:5]), count=len(where), what_to_do=what_to_do)


def count_records(records: Records) -> list[Count]:
    """How many identities, cameras and images each split has in each modality."""
    counts = []
    for split in sorted(set(records.splits.tolist()), key=("train", "test", "query", "gallery").index):
        for modality in Modality:
            rows = records.rows(modality=modality, splits=[split])
            persons = set(records.persons[rows].tolist()) - {-1}
            cameras = set(records.cameras[rows].tolist())
            counts.append(
                Count(
                    split=split, modality=modality.value, persons=len(persons), cameras=len(cameras), images=len(rows)
                )
            )
    return counts


def check_published(dataset: str, counts: Sequence[Count]) -> list[Fault]:
    """A note where the counts are not those of the published data set."""
    published = PUBLISHED_COUNTS.get(dataset, {})
    differing = [
        f"{count.split} {count.modality}: {wanted[0]:,} identities and {wanted[1]:,} images as published, "
        f"{count.persons:,} and {count.images:,} here"
        for count in counts
        if (wanted := published.get((count.split, count.modality))) and wanted != (count.persons, count.images)
    ]
    if not differing:
        return []
    return [
        fault(
            "note",
            "the counts differ from those of the data set as published",
            differing,
            "nothing, if this is a part of it or a synthetic world; else unpack the data set again",
        )
    ]


def check_modalities(records: Records) -> list[Fault]:
    """A split without one modality is an error; an identity without one is a warning.

    ``test``, ``query`` and ``gallery`` are one split here, since a query may have its match in any of them.
    """
    faults = []
    train = records.splits == "train"
    for name, rows in (("train", np.flatnonzero(train)), ("test", np.flatnonzero(~train))):
        if not rows.size:
            continue
        seen = {
            modality: set(records.persons[rows[records.infrared[rows] == (modality is Modality.INFRARED)]].tolist())
            for modality in Modality
        }
        empty = [modality.value for modality in Modality if not seen[modality]]
        if empty:
            faults.append(
                fault(
                    "error",
                    f"a cross-modal {name} split needs images of both modalities, but there is none that is {empty[0]}",
                    [],
                    "add images of the other modality, or check how the layout or the manifest names modalities",
                )
            )
            continue
        lonely = sorted((seen[Modality.VISIBLE] ^ seen[Modality.INFRARED]) - {-1})
        if name == "train" and not (seen[Modality.VISIBLE] & seen[Modality.INFRARED]) - {-1}:
            what = "training needs identities with both modalities, but each has one only"
            faults.append(fault("error", what, _names(records, lonely), "check the person of each image"))
        elif lonely:
            result = (
                "training passes them over" if name == "train" else "as queries they have no match and do not count"
            )
            faults.append(
                fault(
                    "warning",
                    f"{len(lonely)} identities of split {name} have one modality only; {result}",
                    _names(records, lonely),
                    "add images of the other modality, or take these identities out",
                )
            )
    return faults


def check_few_identities(records: Records, identities_per_step: int) -> list[Fault]:
    """A warning where fewer identities can be trained on than a step takes; a note where nothing can."""
    sides = [set(records.persons[records.rows(modality=one, splits=["train"])].tolist()) for one in Modality]
    trainable = len((sides[0] & sides[1]) - {-1})
    if not (records.splits == "train").any():
        what = "no image is of split train, so this can be searched and tested on, but not trained on"
        return [fault("note", what, [], "for training, give images the split train in a manifest")]
    if trainable >= identities_per_step:
        return []
    what = f"{trainable} identities can be trained on, fewer than the {identities_per_step} of a step of recipe mscmnet"
    return [fault("warning", what, [], "add identities, or train with --identities set lower")]


def check_few_images(records: Records, images_per_identity: int) -> list[Fault]:
    """A warning for training identities with fewer images in a modality than a batch takes of each."""
    faults = []
    for modality in Modality:
        rows = records.rows(modality=modality, splits=["train"])
        few = sorted(
            person
            for person, count in Counter(records.persons[rows].tolist()).items()
            if count < images_per_identity and person >= 0
        )
        if few:
            faults.append(
                fault(
                    "warning",
                    f"{len(few)} of the training identities have fewer {modality.value} images than the "
                    f"{images_per_identity} that a batch takes of each, so images repeat within a batch",
                    _names(records, few),
                    "add images, or train with fewer images of each identity",
                )
            )
    return faults


def check_permutations(root: Path, records: Records) -> list[Fault]:
    """SYSU-MM01: does ``rand_perm_cam.mat`` order exactly the test images that are listed."""
    if not (root / "exp" / "rand_perm_cam.mat").exists():
        return [
            fault(
                "warning",
                "exp/rand_perm_cam.mat is missing, so galleries cannot be drawn as the data set's own code does",
                [],
                "copy it from the data set, or evaluate with --draw seeded",
            )
        ]
    try:
        permutations = read_sysu_permutations(root)
    except FaultError as error:
        return [error.fault]
    test = records.rows(splits=["test"])
    counts = Counter(zip(records.cameras[test].tolist(), records.persons[test].tolist()))
    wrong = []
    for (camera, person), count in sorted(counts.items()):
        try:
            permutations.images(camera, person, listed=count)
        except FaultError:
            wrong.append(f"cam{camera}/{person:04d}")
    if not wrong:
        return []
    return [
        fault(
            "error",
            f"exp/rand_perm_cam.mat does not fit {len(wrong)} of {len(counts)} test folders",
            wrong,
            "restore the missing images or remove the extra ones, or evaluate with --draw seeded",
        )
    ]


def _names(records: Records, persons: Sequence[int]) -> list[str]:
    return [records.person_names.get(person, str(person)) for person in persons]
