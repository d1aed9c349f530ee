"""One door to the readers, for callers that take the name of the data set as a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args

from vireid.data.folder import read_folder
from vireid.data.llcm import read_llcm
from vireid.data.regdb import read_regdb
from vireid.data.sysu_mm01 import read_sysu_mm01
from vireid.types import Records, VireidError

__all__ = ["DATASETS", "DatasetName", "read"]

DatasetName = Literal["sysu", "regdb", "llcm", "folder"]
DATASETS: tuple[DatasetName, ...] = get_args(DatasetName)


def read(
    dataset: str,
    root: Path,
    *,
    trial: int = 1,
    paths: Iterable[str] | None = None,
    splits: Sequence[str] = ("train", "test"),
) -> Records:
    """The table of any data set.

    Args:
        dataset: ``sysu``, ``regdb``, ``llcm`` or ``folder``.
        root: its folder.
        trial: of RegDB, 1 to 10; the others have one split and pass it over.
        paths: relative paths to use instead of what lies on disk.
        splits: ``train``, ``test`` or both.

    Raises:
        VireidError: another name, or what the reader of the data set refuses.
    """
    root = Path(root)
    match dataset:
        case "sysu":
            return read_sysu_mm01(root, paths=paths, splits=splits)
        case "regdb":
            return read_regdb(root, trial=trial, paths=paths, splits=splits)
        case "llcm":
            return read_llcm(root, paths=paths, splits=splits)
        case "folder":
            return read_folder(root, paths=paths, splits=splits)
        case _:
            raise VireidError(f"there are readers for {', '.join(DATASETS)}, but not for {dataset!r}; name one of them")
