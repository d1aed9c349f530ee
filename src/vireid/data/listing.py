"""Which images lie below a folder, in one order on every machine, and never outside the root."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vireid.data.faults import FaultError

__all__ = [
    "IMAGE_SUFFIXES",
    "check_files",
    "check_inside",
    "check_regular",
    "check_relative",
    "check_root",
    "is_image_name",
    "list_images",
    "walk_images",
]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")

# A folder inside a folder inside a folder: no layout goes deeper than a few.
_DEEPEST = 100


def is_image_name(name: str) -> bool:
    """Whether a file of this name counts as an image: a known suffix in any case, and not hidden.

    >>> is_image_name("0001.JPG"), is_image_name(".0001.jpg"), is_image_name("Thumbs.db")
    (True, False, False)
    """
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def check_root(root: Path) -> Path:
    """The root itself, once it is known to be a folder.

    Raises:
        VireidError: there is nothing there, or it is a file.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise FaultError(
            f"the root of a data set must be a folder, but there is {found} at {root}",
            what_to_do="pass the folder that holds the data set (with --root on the command line)",
        )
    return root


def check_regular(file: Path) -> None:
    """Make sure that reading ends: a pipe would be waited for, a device read for ever.

    Raises:
        OSError: it is neither a file nor a link to one, or it is not there.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError("it is no regular file")


def check_relative(path: str, source: str) -> str:
    """The path itself, once it is known to be a plain relative POSIX path that stays below the root.

    Args:
        path: as it stands in an index file or a features file.
        source: where it stands, for the message.

    Raises:
        VireidError: absolute, with ``..``, ``.`` or empty parts, with backslashes, a drive letter or a null character.
    """
    parts = path.split("/")
    plain = not ({"", ".", ".."} & set(parts)) and "\\" not in path and "\0" not in path and ":" not in parts[0]
    if not plain:
        raise FaultError(
            f"paths must be relative to the root with forward slashes and may not leave it, but {source} has {path!r}",
            what_to_do="write each path relative to the root of the data set, like 'cam1/0001/0001.jpg'",
        )
    return path


def list_images(root: Path, folders: Iterable[str]) -> list[str]:
    """Paths of all images below some folders of the root, sorted, relative to the root.

    Hidden files and folders are skipped, and so is whatever has no image suffix. Folders that do not exist are empty.

    Raises:
        VireidError: a symbolic link leads out of the root or in a circle, a folder cannot be read or is a hundred
            folders deep, or a name is not UTF-8.
    """
    found: list[str] = []
    for folder in sorted(set(folders)):
        if (root / folder).is_dir():
            check_inside(root, folder)
            for path in walk_images(root, folder):
                _check_unicode(root, path)
                found.append(path)
    return sorted(found)


def walk_images(root: Path, folder: str = "") -> Iterator[str]:
    """Paths of all images below a folder of the root, relative to the root, one by one: see `list_images`.

    The entries of a folder come in the order of their names, and memory holds the names of the folders that are open,
    not of all images. Names that are not UTF-8 are among them.

    Raises:
        VireidError: see `list_images`.
    """
    if folder.count("/") >= _DEEPEST:
        raise FaultError(
            f"folders may be {_DEEPEST} deep, but there are more below {folder[:40]!r} in {root}",
            what_to_do="check whether this is the root that you mean",
        )
    try:
        with os.scandir(root / folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise FaultError(
            f"the folder {root / folder} cannot be read: {error.strerror}", what_to_do="give yourself read permission"
        ) from error
    for entry in listed:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_symlink() and (entry.is_dir() or is_image_name(entry.name)):
            check_inside(root, path)
        if entry.is_dir():
            yield from walk_images(root, path)
        elif is_image_name(entry.name):
            yield path


def check_files(root: Path, paths: Sequence[str], source: str) -> None:
    """Make sure that every path is a file below the root.

    Raises:
        VireidError: some are not there, or a symbolic link leads out of the root.
    """
    missing: list[str] = []
    for folder in {path.rpartition("/")[0] for path in paths}:
        check_inside(root, folder)
    for path in paths:
        try:
            mode = os.lstat(root / path).st_mode
        except OSError:
            missing.append(path)
            continue
        if stat.S_ISLNK(mode):
            check_inside(root, path)
        if not (stat.S_ISREG(mode) or (root / path).is_file()):
            missing.append(path)
    if missing:
        raise FaultError(
            f"{len(missing)} of {len(paths)} images that {source} names are not below {root}",
            where=missing,
            what_to_do="copy the missing images there, or take their lines out",
        )


def _check_unicode(root: Path, path: str) -> None:
    """Names go into tables, index files and results, all of which are UTF-8."""
    if path.isascii():
        return
    try:
        path.encode()
    except UnicodeEncodeError:
        raise FaultError(
            f"names of files and folders must be UTF-8, but {path!r} below {root} is not",
            what_to_do="rename it (`convmv` does so for whole folders)",
        ) from None


def check_inside(root: Path, path: str) -> None:
    """Refuse a path whose real place is outside the root, or one of the folders that it stands in.

    The root may be a link itself, and what it names lies wherever that leads.

    Raises:
        VireidError: a symbolic link on the way leads out of the root or in a circle.
    """
    target, real_root = os.path.realpath(root / path), os.path.realpath(root)
    above = os.path.realpath((root / path).parent)
    inside = target == real_root or target.startswith(real_root.rstrip(os.sep) + os.sep)
    circle = path != "" and (above == target or above.startswith(target + os.sep))
    if not inside or circle:
        raise FaultError(
            f"symbolic links must stay below the root {root}, but {path!r} leads to {target}",
            what_to_do="copy or bind-mount the folder into the root, or make the folder that holds both the root",
        )
