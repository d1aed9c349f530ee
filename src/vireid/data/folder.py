"""Crops of one's own: a manifest that says who and where, or folders that do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vireid.data.faults import FaultError
from vireid.data.index_files import check_disjoint
from vireid.data.listing import check_files, check_inside, check_relative, check_root, is_image_name, list_images
from vireid.data.manifest import Manifest, number_names, read_manifest
from vireid.data.selection import check_found, check_splits, given_paths, keep_given
from vireid.types import Modality, Record, Records

__all__ = ["find_manifest", "read_folder"]

_PATH = re.compile(r"(visible|infrared)/([^/]+)/([^/_]+)_([^/]+)")
_LAYOUT = "manifest.csv, manifest.parquet, or {visible,infrared}/<person>/<camera>_*.jpg"


def read_folder(
    root: Path,
    *,
    manifest: Path | None = None,
    paths: Iterable[str] | None = None,
    splits: Sequence[str] = ("train", "test"),
) -> Records:
    """The table of a folder of crops.

    With a manifest (given, or ``manifest.csv`` or ``manifest.parquet`` in the root) it says everything: see
    `read_manifest`. Without one the path does, ``<modality>/<person>/<camera>_*.jpg``, and every image is of split
    ``test``. Names of persons and cameras that are whole numbers stay as they are; otherwise they are numbered from 0
    in sorted order and the names are kept in ``person_names`` and ``camera_names``.

    Args:
        root: folder that the paths are relative to.
        manifest: CSV or Parquet file, if not in its usual place.
        paths: relative paths to use instead of what lies on disk.
        splits: ``train``, ``test`` (with ``query`` and ``gallery``) or both.

    Raises:
        VireidError: missing root, manifest or image; a broken manifest; a path outside the layout; a person in train
            and in test; no image at all.
    """
    check_root(root)
    check_splits(splits)
    file = manifest or find_manifest(root)
    table = read_manifest(file) if file else _read_paths(root, paths)
    persons, person_names = number_names(table.persons, "person", str(file or root))
    cameras, camera_names = number_names(table.cameras, "camera", str(file or root))
    everything = [
        Record(path=path, person=person, camera=camera, modality=modality, split=split, track=track, time=time)
        for path, person, camera, modality, split, track, time in zip(
            table.paths, persons, cameras, table.modalities, table.splits, table.tracks, table.times
        )
    ]
    train = [record.person for record in everything if record.split == "train"]
    test = [record.person for record in everything if record.split != "train" and record.person >= 0]
    check_disjoint(train, test, str(file or root))
    records = [record for record in everything if ("train" if record.split == "train" else "test") in splits]
    if file and paths is None:
        check_files(root, [record.path for record in records], str(file))
    elif file and paths is not None:
        known = set(table.paths)
        records = keep_given(records, paths, known.__contains__, str(file))
    if not records:
        check_found(root, records, splits, _LAYOUT)
    return Records.build(root, records, person_names=person_names, camera_names=camera_names)


def find_manifest(root: Path) -> Path | None:
    """The manifest of a folder, if it has one.

    Raises:
        VireidError: both ``manifest.csv`` and ``manifest.parquet`` are there, or a link out of the folder.
    """
    found = [file for file in (root / "manifest.csv", root / "manifest.parquet") if file.is_file()]
    if len(found) == 2:
        raise FaultError(
            f"{root} holds both manifest.csv and manifest.parquet, and they may differ",
            what_to_do="pass the one that is meant, or move the other away",
        )
    for file in found:
        check_inside(root, file.name)
    return found[0] if found else None


def _read_paths(root: Path, paths: Iterable[str] | None) -> Manifest:
    listed = list_images(root, ("visible", "infrared")) if paths is None else given_paths(paths)
    matches = []
    for path in listed:
        match = _PATH.fullmatch(check_relative(path, str(root)))
        if match is None or not is_image_name(match[4]):
            raise FaultError(
                f"without a manifest images lie at {{visible,infrared}}/<person>/<camera>_*.jpg, but there is {path!r}",
                where=[path],
                what_to_do=f"rename the image, or write {root / 'manifest.csv'}",
            )
        matches.append(match)
    return Manifest(
        paths=listed,
        persons=[match[2] for match in matches],
        cameras=[match[3] for match in matches],
        modalities=[Modality(match[1]) for match in matches],
        splits=["test"] * len(listed),
        tracks=[""] * len(listed),
        times=[float("nan")] * len(listed),
    )
