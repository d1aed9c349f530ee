"""SYSU-MM01: six cameras, four visible and two infrared; identities split by lists in ``exp/``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from vireid.data.faults import Fault, FaultError
from vireid.data.index_files import check_disjoint, parse_ids, read_id_text
from vireid.data.listing import check_inside, check_root, is_image_name, list_images
from vireid.data.matlab_file import read_matlab_file
from vireid.data.selection import check_found, check_splits, given_paths
from vireid.types import Modality, Record, Records

__all__ = [
    "SYSU_INFRARED_CAMERAS",
    "SYSU_VISIBLE_CAMERAS",
    "SysuPermutations",
    "check_sysu_lists",
    "read_sysu_ids",
    "read_sysu_mm01",
    "read_sysu_permutations",
]

SYSU_VISIBLE_CAMERAS = (1, 2, 4, 5)
SYSU_INFRARED_CAMERAS = (3, 6)

_LISTS = {"train": ("train_id", "val_id"), "test": ("test_id",)}
_PATH = re.compile(r"cam([1-6])/(\d{4,9})/([^/]+)", re.ASCII)
_LAYOUT = "cam1..cam6/<person, four digits>/<image>.jpg"


def read_sysu_mm01(
    root: Path, *, paths: Iterable[str] | None = None, splits: Sequence[str] = ("train", "test")
) -> Records:
    """The table of SYSU-MM01. ``train`` is the published train list plus the val list, as everyone trains.

    Images of identities that are in none of the lists asked for are left out.

    Args:
        root: folder with ``cam1`` .. ``cam6`` and ``exp``.
        paths: relative paths to use instead of what lies on disk; then only ``exp`` is read.
        splits: ``train``, ``test`` or both; only the lists of these need to exist.

    Raises:
        VireidError: missing root, missing or broken list, an identity in both splits, a path outside the layout, or
            no image for a split.

    Reference:
        Wu et al., RGB-Infrared Cross-Modality Person Re-Identification, ICCV 2017.
    """
    check_root(root)
    check_splits(splits)
    ids = {split: read_sysu_ids(root, split) for split in sorted(set(splits))}
    if len(ids) == 2:
        check_disjoint(ids["train"], ids["test"], str(root / "exp"))
    split_of = {person: split for split, persons in ids.items() for person in persons}
    listed = list_images(root, (f"cam{camera}" for camera in range(1, 7))) if paths is None else given_paths(paths)
    records = []
    for path in listed:
        match = _PATH.fullmatch(path)
        if match is None or not is_image_name(match[3]):
            raise FaultError(
                f"images of SYSU-MM01 lie at {_LAYOUT}, but there is {path!r}",
                where=[path],
                what_to_do="move the image away, or use --dataset folder for data of your own",
            )
        camera, person = int(match[1]), int(match[2])
        if person in split_of:
            modality = Modality.INFRARED if camera in SYSU_INFRARED_CAMERAS else Modality.VISIBLE
            records.append(Record(path=path, person=person, camera=camera, modality=modality, split=split_of[person]))
    check_found(root, records, splits, _LAYOUT)
    return Records.build(root, records)


def read_sysu_ids(root: Path, split: str) -> list[int]:
    """Identities of a split, ascending: train + val, or test; from ``.txt``, or ``.mat`` when only that is there.

    Raises:
        VireidError: a list is missing, broken or empty, or train and val have an identity in common.
    """
    lists = [_read_list(root / "exp", name) for name in _LISTS[split]]
    persons = sorted(person for one in lists for person in one)
    common = sorted(set(lists[0]).intersection(*lists[1:])) if len(lists) > 1 else []
    if common:
        raise FaultError(
            f"the train and val lists in {root / 'exp'} must have no identity in common",
            where=[str(person) for person in common],
            what_to_do="copy the lists again from the data set as published",
        )
    return persons


def _read_list(folder: Path, name: str) -> list[int]:
    text, mat = folder / f"{name}.txt", folder / f"{name}.mat"
    if text.exists():
        check_inside(folder.parent, f"{folder.name}/{text.name}")
        return read_id_text(text)
    if mat.exists():
        check_inside(folder.parent, f"{folder.name}/{mat.name}")
        return _read_id_mat(mat)
    why = " (training uses the train and the val identities together)" if name != "test_id" else ""
    raise FaultError(
        f"SYSU-MM01 needs {folder / name}.txt or .mat{why}, but neither is there",
        what_to_do="copy the folder exp of the data set into the root",
    )


def check_sysu_lists(root: Path, splits: Sequence[str]) -> list[Fault]:
    """A warning when the ``.mat`` beside a ``.txt`` names other identities or is broken; the ``.txt`` counts."""
    names = [name for split in sorted(set(splits)) for name in _LISTS[split]]
    differing = []
    for name in names:
        text, mat = root / "exp" / f"{name}.txt", root / "exp" / f"{name}.mat"
        if text.exists() and mat.exists():
            try:
                same = read_id_text(text) == _read_id_mat(mat)
            except FaultError:
                same = False
            if not same:
                differing.append(f"exp/{name}")
    if not differing:
        return []
    return [
        Fault(
            severity="warning",
            what=".txt and .mat of an identity list differ; the .txt counts",
            where=tuple(differing),
            count=len(differing),
            what_to_do="copy both again from the data set as published, or remove the wrong one",
        )
    ]


def _read_id_mat(file: Path) -> list[int]:
    return parse_ids([str(value) for value in np.ravel(read_matlab_file(file, "id")).tolist()], file)


@dataclass(frozen=True, eq=False)
class SysuPermutations:
    """The draw that was published with the data set: ``rand_perm_cam.mat``.

    Attributes:
        file: where it was read.
        cells: for each camera, for each identity, a 10 x N matrix; ``cells[camera - 1][person - 1]``.
    """

    file: Path
    cells: tuple[tuple[np.ndarray, ...], ...]

    def images(self, camera: int, person: int, *, listed: int | None = None) -> Int64[np.ndarray, "10 n"]:
        """Order of the images of an identity in a camera: row = trial, entries 1-based into the sorted listing.

        Args:
            camera: 1 to 6.
            person: identity, from 1.
            listed: how many images the listing has; the matrix must have as many columns.

        Raises:
            VireidError: no such cell, another number of images, or a row that is no permutation of 1 .. N.
        """
        where = f"cell {{{camera}}}{{{person}}} of {self.file}"
        if not (1 <= camera <= len(self.cells) and 1 <= person <= len(self.cells[camera - 1])):
            raise FaultError(
                f"{where} is missing", what_to_do="use the file of this data set, or draw with --draw seeded"
            )
        cell = self.cells[camera - 1][person - 1]
        count = cell.shape[1] if cell.ndim == 2 else 0
        if listed is not None and count != listed:
            raise FaultError(
                f"{where} orders {count} images, but {listed} are listed in cam{camera}/{person:04d}",
                what_to_do="restore the missing images or remove the extra ones, or draw with --draw seeded",
            )
        if count and (cell.shape[0] != 10 or (np.sort(cell, axis=1) != np.arange(1, count + 1)).any()):
            raise FaultError(
                f"{where} must have ten rows, each a permutation of 1 .. {count}, got shape {cell.shape}",
                what_to_do="copy the file again from the data set as published",
            )
        return cell.astype(np.int64) if count else np.empty((10, 0), dtype=np.int64)


def read_sysu_permutations(root: Path) -> SysuPermutations:
    """Read ``exp/rand_perm_cam.mat``.

    Raises:
        VireidError: the file is missing or broken, or is no cell array of six cameras.
    """
    file = root / "exp" / "rand_perm_cam.mat"
    check_inside(root, "exp/rand_perm_cam.mat")
    outer = read_matlab_file(file, "rand_perm_cam")
    cameras = [camera for camera in np.ravel(outer) if _is_cell_array(camera)] if _is_cell_array(outer) else []
    cells = tuple(tuple(np.asarray(cell) for cell in np.ravel(camera)) for camera in cameras)
    if len(cells) != 6 or any(cell.dtype.kind not in "iuf" for camera in cells for cell in camera):
        raise FaultError(
            f"{file} must be a cell array of six cameras, each a cell array of identities, each a 10 x N matrix",
            what_to_do="copy it again from the data set as published, or draw with --draw seeded",
        )
    return SysuPermutations(file=file, cells=cells)


def _is_cell_array(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object
