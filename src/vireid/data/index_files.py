"""The small text files that data sets keep their splits in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from vireid.data.faults import FaultError
from vireid.data.listing import check_regular, check_relative

__all__ = ["check_disjoint", "check_one_to_one", "parse_ids", "read_id_text", "read_labelled_paths", "read_text"]


def read_text(file: Path) -> str:
    """The text of an index file.

    Raises:
        VireidError: there is no such file, it cannot be read, or it is not UTF-8.
    """
    try:
        check_regular(file)
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FaultError(
            f"the split file {file} is missing",
            what_to_do="copy it from the data set as published, and check that the root is the folder above it",
        ) from None
    except (OSError, UnicodeDecodeError, MemoryError) as error:
        raise FaultError(
            f"the split file {file} cannot be read: {error}", what_to_do="copy it again from the data set as published"
        ) from error


def read_id_text(file: Path) -> list[int]:
    """Identities of a text file with one comma-separated line, ascending.

    Raises:
        VireidError: see `read_text` and `parse_ids`.
    """
    return parse_ids(read_text(file).replace("\n", ",").split(","), file)


def parse_ids(words: Sequence[str], file: Path) -> list[int]:
    """Identities, ascending, from the words of a list; blank words are passed over.

    Raises:
        VireidError: no identity at all, one that is not a positive whole number, or one that stands twice.
    """
    words = [word.strip() for word in words if word.strip()]
    bad = [word for word in words if not (word.isascii() and word.isdecimal() and len(word) <= 9 and int(word) > 0)]
    if bad:
        raise FaultError(
            f"identities in {file} must be positive whole numbers with commas between, got {bad[0]!r}",
            where=bad,
            what_to_do="copy the file again from the data set as published",
        )
    if not words:
        raise FaultError(
            f"the identity list {file} is empty", what_to_do="copy the file again from the data set as published"
        )
    ids = sorted(int(word) for word in words)
    twice = sorted({str(one) for one, other in pairwise(ids) if one == other})
    if twice:
        raise FaultError(f"identities in {file} must stand once", where=twice, what_to_do="take the repeats out")
    return ids


def read_labelled_paths(file: Path) -> list[tuple[str, int]]:
    """Pairs of path and label from lines ``relative/path label``.

    Raises:
        VireidError: see `read_text`; a line of another form; a path that leaves the root or stands twice; no line.
    """
    pairs: dict[str, int] = {}
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        path, _, label = line.strip().rpartition(" ")
        path = path.strip()
        if not path or not (label.isascii() and label.isdecimal() and len(label) <= 9):
            raise FaultError(
                f"each line of {file} must be 'relative/path label' with a whole number as label, "
                f"but line {number} is {line!r}",
                what_to_do="copy the file again from the data set as published",
            )
        check_relative(path, f"line {number} of {file}")
        if path in pairs:
            raise FaultError(
                f"each image must stand once in {file}, but line {number} has {path!r} again",
                what_to_do="take the repeat out",
            )
        pairs[path] = int(label)
    if not pairs:
        raise FaultError(f"the split file {file} is empty", what_to_do="copy it again from the data set as published")
    return list(pairs.items())


def check_one_to_one(pairs: Mapping[str, tuple[int, int]], source: str) -> None:
    """Make sure that label and person folder mean the same: each label one folder, each folder one label.

    Args:
        pairs: path -> (person of the folder, label of the list), for one split.
        source: the files the pairs come from, for the message.

    Raises:
        VireidError: a label with two folders, or a folder with two labels.
    """
    label_of: dict[int, int] = {}
    person_of: dict[int, int] = {}
    for path, (person, label) in pairs.items():
        if label_of.setdefault(person, label) != label or person_of.setdefault(label, person) != person:
            raise FaultError(
                f"labels and person folders must agree one to one in {source}, but {path!r} has label {label} while "
                f"folder {person} has label {label_of[person]} and label {label} has folder "
                f"{person_of.get(label, person)}",
                where=[path],
                what_to_do="copy the split files again from the data set as published, or mend the label",
            )


def check_disjoint(train: Sequence[int], test: Sequence[int], source: str) -> None:
    """Make sure that no identity is in both splits.

    Raises:
        VireidError: some are; a score on them would be wrong.
    """
    both = sorted(set(train) & set(test))
    if both:
        raise FaultError(
            f"train and test must have no identity in common, but {len(both)} are in both lists of {source}",
            where=[str(person) for person in both],
            what_to_do="take them out of one of the two lists, or copy the split files again",
        )
