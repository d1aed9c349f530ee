"""RegDB: one visible and one thermal camera, ten images of each identity in each; ten published ways to split it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vireid.data.faults import FaultError
from vireid.data.index_files import check_disjoint, check_one_to_one, read_labelled_paths
from vireid.data.listing import check_files, check_inside, check_root, is_image_name
from vireid.data.selection import check_found, check_splits, keep_given
from vireid.types import Modality, Record, Records

__all__ = ["REGDB_TRIALS", "read_regdb"]

REGDB_TRIALS = tuple(range(1, 11))

_FOLDERS = {Modality.VISIBLE: "Visible", Modality.INFRARED: "Thermal"}
_PATH = re.compile(r"(Visible|Thermal)/(\d{1,9})/([^/]+)", re.ASCII)
_LAYOUT = "{Visible,Thermal}/<person>/<image>.bmp with idx/{train,test}_{visible,thermal}_<trial>.txt"


def read_regdb(
    root: Path, *, trial: int, paths: Iterable[str] | None = None, splits: Sequence[str] = ("train", "test")
) -> Records:
    """The table of one trial of RegDB.

    The published labels start at 0 in the train and again in the test lists, for different people. So a person is the
    number of the folder; within a split folders and labels must agree one to one, over both modalities.

    Args:
        root: folder with ``Visible``, ``Thermal`` and ``idx``.
        trial: 1 to 10.
        paths: relative paths to use instead of what lies on disk; then only ``idx`` is read.
        splits: ``train``, ``test`` or both; only the lists of these need to exist.

    Raises:
        VireidError: missing root, list or image; a path outside the layout; labels that disagree with folders; an
            identity in both splits; a test image that is not among the given paths.

    Reference:
        Nguyen et al., Person Recognition System Based on a Combination of Body Images from Visible Light and Thermal
        Cameras, Sensors 2017.
    """
    check_root(root)
    check_splits(splits)
    if trial not in REGDB_TRIALS:
        raise FaultError(f"RegDB has the trials 1 to 10, got {trial}", what_to_do="name one of them")
    records = [record for split in sorted(set(splits)) for record in _read_split(root, split, trial)]
    persons = {split: [record.person for record in records if record.split == split] for split in ("train", "test")}
    check_disjoint(persons["train"], persons["test"], f"trial {trial} in {root / 'idx'}")
    source = f"RegDB trial {trial}"
    if paths is None:
        check_files(root, [record.path for record in records], source)
    else:
        records = keep_given(records, paths, lambda path: _PATH.fullmatch(path) is not None, source)
    check_found(root, records, splits, _LAYOUT)
    return Records.build(root, records)


def _read_split(root: Path, split: str, trial: int) -> list[Record]:
    records: list[Record] = []
    labels: dict[str, tuple[int, int]] = {}
    for camera, modality in enumerate(Modality, start=1):
        folder = _FOLDERS[modality]
        file = root / "idx" / f"{split}_{folder.lower()}_{trial}.txt"
        check_inside(root, f"idx/{file.name}")
        for path, label in read_labelled_paths(file):
            match = _PATH.fullmatch(path)
            if match is None or match[1] != folder or not is_image_name(match[3]):
                raise FaultError(
                    f"images in {file} must be '{folder}/<person number>/<image>', got {path!r}",
                    where=[path],
                    what_to_do="copy the file again from the data set as published",
                )
            person = int(match[2])
            labels[path] = (person, label)
            records.append(Record(path=path, person=person, camera=camera, modality=modality, split=split))
    check_one_to_one(labels, f"the {split} lists of trial {trial}")
    return records
