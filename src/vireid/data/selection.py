"""What all readers check alike: the splits asked for, the paths given, and that something was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from vireid.data.faults import FaultError
from vireid.data.listing import check_relative
from vireid.types import Record

__all__ = ["check_found", "check_splits", "given_paths", "keep_given"]


def check_splits(splits: Sequence[str]) -> None:
    """Make sure that the splits asked for are ``train``, ``test`` or both.

    Raises:
        VireidError: another name, or none.
    """
    if not splits or set(splits) - {"train", "test"}:
        raise FaultError(f"splits must be 'train', 'test' or both, got {tuple(splits)}", what_to_do="name one of them")


def given_paths(paths: Iterable[str]) -> list[str]:
    """Paths that stand in for the listing of the disk, sorted.

    Raises:
        VireidError: a path that leaves the root or stands twice.
    """
    listed = sorted(check_relative(str(path), "the list of given paths") for path in paths)
    twice = sorted({one for one, other in pairwise(listed) if one == other})
    if twice:
        raise FaultError("each given path must stand once", where=twice, what_to_do="take the repeats out")
    return listed


def keep_given(
    records: Sequence[Record], paths: Iterable[str], layout: Callable[[str], bool], source: str
) -> list[Record]:
    """The records whose paths are given, for data sets whose index files name every image.

    Args:
        records: of the splits asked for.
        paths: the given paths; those of other splits are left out.
        layout: whether a path can belong to the data set at all.
        source: the index files, for the message.

    Raises:
        VireidError: a path outside the layout, or a test image that is not given: a score on a part of the test images
            would be another result under the same name.
    """
    wanted = set(given_paths(paths))
    strange = sorted(path for path in wanted if not layout(path))
    if strange:
        raise FaultError(
            f"{len(strange)} of {len(wanted)} given paths cannot belong to {source}",
            where=strange,
            what_to_do="give paths as the index files write them, and check the data set and the root",
        )
    missing = [record.path for record in records if record.split != "train" and record.path not in wanted]
    if missing:
        raise FaultError(
            f"every test image of {source} must be among the given paths, but {len(missing)} are not",
            where=missing,
            what_to_do="embed these images too, and check the trial",
        )
    return [record for record in records if record.path in wanted]


def check_found(root: Path, records: Sequence[Record], splits: Sequence[str], layout: str) -> None:
    """Make sure that every split asked for has an image.

    Raises:
        VireidError: one has none.
    """
    found = {"train" if record.split == "train" else "test" for record in records}
    empty = sorted(set(splits) - found)
    if empty:
        raise FaultError(
            f"no image of split {' and '.join(empty)} was found for {root}; the layout is {layout}",
            what_to_do="check the root and the data set's name; `vireid doctor` looks closer",
        )
