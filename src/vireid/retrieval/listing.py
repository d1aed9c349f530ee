"""Plain images, wherever they lie, as a table to embed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vireid.data import PART_MAP_FOLDER
from vireid.data.listing import IMAGE_SUFFIXES, list_images
from vireid.types import Modality, Record, Records, VireidError

__all__ = ["records_of_images"]


def records_of_images(places: Sequence[Path], modality: Modality, *, root: Path | None = None) -> Records:
    """Images and folders of images as one table of unknown people.

    Args:
        places: folders are searched to any depth; hidden files are passed over, and so are part maps: what lies in a
            folder ``parts`` of the place under the path of an image beside it.
        modality: of all of them.
        root: what the paths of the table are relative to; the deepest folder that holds all images by default.

    Raises:
        VireidError: a place that is not there, a folder without images, an image outside ``root``, or no place at all.
    """
    if not places:
        raise VireidError("give at least one image or folder of images")
    files: set[Path] = set()
    for place in (Path(os.path.abspath(place)) for place in places):  # noqa: PTH100 - resolve() would follow links
        if place.is_dir():
            found = _without_part_maps(list_images(place, [""]))
            if not found:
                raise VireidError(f"there are no images in {place} ({', '.join(IMAGE_SUFFIXES)} are read)")
            files.update(place / path for path in found)
        elif place.is_file():
            files.add(place)
        else:
            raise VireidError(f"there is no image or folder {place}")
    base = Path(os.path.commonpath([file.parent for file in files]) if root is None else os.path.abspath(root))  # noqa: PTH100
    outside = sorted(str(file) for file in files if not file.is_relative_to(base))
    if outside:
        raise VireidError(
            f"every image must lie below the root {base}, but {outside[0]} does not; take a root above it"
        )
    rows = [
        Record(path=file.relative_to(base).as_posix(), person=-1, camera=-1, modality=modality, split="test")
        for file in files
    ]
    return Records.build(base, rows)


def _without_part_maps(paths: Sequence[str]) -> list[str]:
    """A part map has the path of its image, below the folder of part maps."""
    below = f"{PART_MAP_FOLDER}/"
    images = {path.rpartition(".")[0] for path in paths if not path.startswith(below)}
    return [
        path
        for path in paths
        if path.removeprefix(below).rpartition(".")[0] not in images or path[: len(below)] != below
    ]
