"""The values that rooms of the library hand to each other: frozen, validated, with the axis alphabet they share.

Axis names in shape annotations, everywhere in the library: ``b`` images of a batch, ``c`` channels, ``h w`` pixels,
``d`` embedding, ``q`` queries, ``g`` gallery images, ``k`` results of a query, ``n`` rows of a table.
"""

from __future__ import annotations

import enum
import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int64

__all__ = [
    "UNKNOWN_PART",
    "Embeddings",
    "MissingExtraError",
    "Modality",
    "Ranking",
    "Record",
    "Records",
    "Score",
    "VireidError",
    "VireidWarning",
    "check_own_places",
    "left_drafts",
    "naming_place",
    "printable",
    "sha256_of",
    "write_atomically",
]

UNKNOWN_PART = 255
"""In a part map: nobody labelled this pixel; all over a map: the image has none."""


# C0 and C1 controls, line ends of Unicode, what turns the order of the text around it, and what names of files hold
# that are no Unicode.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_MESSAGE = 4000


def printable(text: str) -> str:
    r"""Text with what would act on a terminal or break a line in Python's notation: for names that others gave.

    >>> print(printable("door\x1b[2J\tyard é.jpg"))
    door\x1b[2J\tyard é.jpg
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class VireidError(Exception):
    """What a user can mend: the message says which rule is broken, what came instead and what to do.

    The command line prints it without a traceback; every error that the library raises on purpose is one of these.
    A message is one line of printable text, whatever stood in the file that it quotes; a very long one is cut.
    """

    def __init__(self, message: str = "") -> None:
        text = printable(message)
        if len(text) > _LONGEST_MESSAGE:
            half = _LONGEST_MESSAGE // 2
            text = f"{text[:half]} [..] {text[-half + 10 :]}"
        super().__init__(text)


class MissingExtraError(VireidError):
    """A package that only an extra brings is not installed.

    >>> print(MissingExtraError("a report", "captum", "report"))
    a report takes the package captum, which is not installed: in a checkout of vireid, pip install '.[report]'
    """

    def __init__(self, purpose: str, package: str, extra: str) -> None:
        # Not by the library's name: whoever holds it in a registry could be anybody.
        super().__init__(
            f"{purpose} takes the package {package}, which is not installed: "
            f"in a checkout of vireid, pip install '.[{extra}]'"
        )


class VireidWarning(UserWarning):
    """What a user should know though the result is right."""


class Modality(enum.Enum):
    """What kind of light a camera sees."""

    VISIBLE = "visible"
    INFRARED = "infrared"

    @property
    def other(self) -> Modality:
        """The modality on the other side of a cross-modal search."""
        return Modality.INFRARED if self is Modality.VISIBLE else Modality.VISIBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One image of one person: a row of `Records`.

    Attributes:
        path: POSIX path relative to the root of the data set.
        person: identity as an integer; -1 where it is not known.
        camera: camera number, as the data set counts.
        modality: of the camera at that moment.
        split: ``train``, ``test``, or for a manifest also ``query`` and ``gallery``.
        track: name of the tracklet, empty where none is given.
        time: seconds since any fixed moment, NaN where none is given.
    """

    path: str
    person: int
    camera: int
    modality: Modality
    split: str
    track: str = ""
    time: float = float("nan")


@dataclass(frozen=True, eq=False, kw_only=True)
class Records(Sequence[Record]):
    """The one table that every data set becomes: a row an image, a column a fact, sorted by path.

    Args:
        root: folder that the paths are relative to.
        paths: POSIX paths, strictly ascending, so that no image stands twice.
        persons: identity of each row, -1 where unknown.
        cameras: camera number of each row.
        infrared: True where the row is infrared, False where it is visible.
        splits: name of the split of each row.
        tracks: tracklet of each row, empty where unknown.
        times: seconds of each row, NaN where unknown.
        person_names: what the data set itself calls an identity, where that is not the number.
        camera_names: what the data set itself calls a camera, where that is not the number.

    Raises:
        VireidError: columns of different lengths, or paths that are not strictly ascending.
    """

    root: Path
    paths: np.ndarray
    persons: Int64[np.ndarray, " n"]
    cameras: Int64[np.ndarray, " n"]
    infrared: Bool[np.ndarray, " n"]
    splits: np.ndarray
    tracks: np.ndarray
    times: Float[np.ndarray, " n"]
    person_names: dict[int, str] = field(default_factory=dict)
    camera_names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in _COLUMNS}
        if len(set(lengths.values())) != 1:
            raise VireidError(f"the columns of a table of records must be equally long, got {lengths}")
        descending = np.flatnonzero(self.paths[1:] <= self.paths[:-1])
        if descending.size:
            row = int(descending[0])
            raise VireidError(
                "the paths of a table of records must be sorted and unique, but "
                f"{str(self.paths[row])!r} is followed by {str(self.paths[row + 1])!r}; build tables with Records.build"
            )

    @classmethod
    def build(
        cls,
        root: Path,
        records: Sequence[Record],
        *,
        person_names: dict[int, str] | None = None,
        camera_names: dict[int, str] | None = None,
    ) -> Records:
        """Make a table from rows in any order.

        Raises:
            VireidError: one path stands in two rows.
        """
        rows = sorted(records, key=lambda record: record.path)
        return cls(
            root=root,
            paths=np.array([row.path for row in rows], dtype=str),
            persons=np.array([row.person for row in rows], dtype=np.int64),
            cameras=np.array([row.camera for row in rows], dtype=np.int64),
            infrared=np.array([row.modality is Modality.INFRARED for row in rows], dtype=bool),
            splits=np.array([row.split for row in rows], dtype=str),
            tracks=np.array([row.track for row in rows], dtype=str),
            times=np.array([row.time for row in rows], dtype=np.float64),
            person_names=person_names or {},
            camera_names=camera_names or {},
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Record:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Record(
            path=str(self.paths[row]),
            person=int(self.persons[row]),
            camera=int(self.cameras[row]),
            modality=Modality.INFRARED if self.infrared[row] else Modality.VISIBLE,
            split=str(self.splits[row]),
            track=str(self.tracks[row]),
            time=float(self.times[row]),
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[row] for row in range(len(self)))

    def rows(
        self,
        *,
        modality: Modality | None = None,
        splits: Sequence[str] | None = None,
        cameras: Sequence[int] | None = None,
        persons: Sequence[int] | None = None,
    ) -> Int64[np.ndarray, " k"]:
        """Row numbers, ascending, that meet every condition given."""
        kept = np.ones(len(self), dtype=bool)
        if modality is not None:
            kept &= self.infrared == (modality is Modality.INFRARED)
        for column, wanted in ((self.splits, splits), (self.cameras, cameras), (self.persons, persons)):
            if wanted is not None:
                kept &= np.isin(column, np.asarray(wanted))
        return np.flatnonzero(kept).astype(np.int64)

    def take(self, rows: Int[np.ndarray, " k"]) -> Records:
        """The table of some rows; they are put back into the order of their paths."""
        rows = np.sort(rows)
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Records(root=self.root, person_names=self.person_names, camera_names=self.camera_names, **columns)

    def file(self, row: int | np.integer) -> Path:
        """Where the image of a row lies."""
        return self.root / str(self.paths[row])


_COLUMNS = ("paths", "persons", "cameras", "infrared", "splits", "tracks", "times")


@dataclass(frozen=True, eq=False, kw_only=True)
class Embeddings:
    """Feature vectors with the paths of the images they belong to: what stages and other people's code exchange.

    The file form is an ``.npz`` with ``features`` (n x d, any float type) and ``paths`` (n, relative to the root), and
    ``maker`` and ``format``, which other people's files may leave out.

    Attributes:
        maker: see `vireid.models.fingerprint`, empty where unknown; only features of one maker compare with
            each other.

    Raises:
        VireidError: a number that is not finite, or not one path for each row.
    """

    features: Float32[np.ndarray, "n d"]
    paths: np.ndarray
    maker: str = ""

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) != len(self.paths):
            raise VireidError(
                f"embeddings need one path for each row of an n x d array, got features {self.features.shape} "
                f"and {len(self.paths)} paths"
            )
        bad = np.flatnonzero(~np.isfinite(self.features).all(axis=1))
        if bad.size:
            raise VireidError(
                f"every feature must be finite, but {bad.size} of {len(self.paths)} rows hold NaN or infinity, the "
                f"first for {str(self.paths[bad[0]])!r}; embed these images again"
            )

    @classmethod
    def load(cls, file: Path) -> Embeddings:
        """Read an ``.npz``; pickled content is refused.

        Raises:
            VireidError: no such file, not an ``.npz``, a missing array, or what the constructor refuses.
        """
        if not file.exists():
            raise VireidError(f"there is no features file {file}")
        try:
            _check_archive(file)
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                raise ValueError("it holds one nameless array, as numpy.save writes it; write it with numpy.savez")
            with content as arrays:
                missing = {"features", "paths"} - set(arrays.files)
                if missing:
                    raise VireidError(
                        f"{file} must hold the arrays 'features' and 'paths', but {sorted(missing)} is missing "
                        f"(it holds {arrays.files})"
                    )
                found = int(arrays["format"]) if "format" in arrays.files else _FORMAT
                if found != _FORMAT:
                    raise VireidError(
                        f"{file} holds embeddings of format {found}, this version of vireid reads format {_FORMAT}; "
                        "load it with the version that wrote it, or embed the images again"
                    )
                features, paths = arrays["features"], arrays["paths"]
                maker = str(arrays["maker"]) if "maker" in arrays.files else ""
            if features.ndim != 2 or paths.ndim != 1 or features.dtype.kind not in "fiu":
                raise VireidError(
                    f"{file} must hold real numbers 'features' (n x d) and 'paths' (n), got {features.dtype} "
                    f"{features.shape} and {paths.dtype} {paths.shape}"
                )
            with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
                return cls(features=features.astype(np.float32), paths=paths.astype(str), maker=maker)
        except VireidError:
            raise
        # A damaged archive fails in many ways: zip, zlib and token errors, memory that its header asks for, ..
        except Exception as error:
            raise VireidError(f"{file} is not a readable .npz of plain arrays: {error}") from error

    def save(self, file: Path) -> None:
        """Write the ``.npz``, whole or not at all."""
        with write_atomically(file) as draft, draft.open("wb") as stream:
            np.savez(
                stream, features=self.features, paths=self.paths, maker=np.array(self.maker), format=np.array(_FORMAT)
            )


# Of the form of embeddings in a file.
_FORMAT = 1

# Paths are stored with four bytes a character and as wide as the longest: real ones compress to a fiftieth.
_MOST_EXPANSION = 100
# Real features hardly compress; a few rows may repeat, or be zeros.
_MOST_OF_FEATURES = 20
_SMALL = 2**24


def _check_archive(file: Path) -> None:
    """Refuse what would unpack to far more than the file holds, and what is no file, before any of it is read.

    Raises:
        ValueError: with the reason.
    """
    if not file.is_file():
        raise ValueError("it is no regular file")
    with file.open("rb") as stream:
        if stream.read(2) != b"PK":
            return
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        features = sum(member.file_size for member in archive.infolist() if member.filename == "features.npy")
    size = file.stat().st_size
    if unpacked > _MOST_EXPANSION * size + _SMALL or features > _MOST_OF_FEATURES * size + _SMALL:
        raise ValueError(f"it holds {size} bytes, but says to unpack to {unpacked}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranking:
    """The best gallery rows of each query, best first.

    Attributes:
        rows: gallery row of each result.
        scores: similarity of each result, never rising along a row.
    """

    rows: Int64[np.ndarray, "q k"]
    scores: Float[np.ndarray, "q k"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Score:
    """How well one trial went. All rates are fractions in [0, 1].

    Attributes:
        cmc: entry r is the share of valid queries with a true match among the first r + 1 places.
        map: mean average precision over valid queries.
        minp: mean inverse negative penalty over valid queries.
        valid: queries that have a true match left in the gallery; only these are averaged.
        queries: all queries of the trial.
        gallery: gallery images of the trial.
    """

    cmc: Float[np.ndarray, " k"]
    map: float
    minp: float
    valid: int
    queries: int
    gallery: int

    def to_json(self) -> dict[str, object]:
        """Plain values, in the order of the attributes."""
        values: dict[str, object] = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values["cmc"] = [float(rate) for rate in self.cmc]
        return values


def sha256_of(source: Path | bytes) -> str:
    """The SHA-256 of a file or of bytes, in hexadecimal digits.

    Args:
        source: a file, which is read a piece at a time, or bytes that are in memory already.

    Raises:
        OSError: the file cannot be read.

    >>> sha256_of(b"")[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    if isinstance(source, bytes):
        digest.update(source)
        return digest.hexdigest()
    with source.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class write_atomically:  # noqa: N801 - a context manager that reads as a verb
    """Hand out a draft path and put it in place only when the block ends well.

    A reader sees the old file or the new one, never half of one: also when the process is killed or the disk fills.

    Raises:
        VireidError: the file cannot be written (full disk, no permission); no draft is left behind.
    """

    def __init__(self, file: Path) -> None:
        self.file = Path(file)

    def __enter__(self) -> Path:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{self.file.name}.", dir=self.file.parent)
        except OSError as error:
            raise self._failure(error) from error
        os.close(handle)
        self._draft = Path(name)
        return self._draft

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            try:
                with self._draft.open("rb+") as stream:
                    os.fsync(stream.fileno())
                # mkstemp makes the draft private; give the file the permissions a plain open() would have.
                mask = os.umask(0)
                os.umask(mask)
                self._draft.chmod(0o666 & ~mask)
                self._draft.replace(self.file)
            except BaseException as failure:  # Ctrl-C, too, while the disk is waited for
                self._draft.unlink(missing_ok=True)
                if isinstance(failure, OSError):
                    raise self._failure(failure) from failure
                raise
            return
        self._draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> VireidError:
        return VireidError(f"cannot write {self.file}: {error.strerror or error}; nothing was left half-written")


def left_drafts(folder: Path, names: Iterable[str]) -> list[Path]:
    """Drafts of `write_atomically` for some files of a folder; where nobody writes, a killed process left them."""
    return [draft for name in names for draft in folder.glob(f".{name}.*")]


def check_own_places(folder: Path, names: Iterable[str]) -> None:
    """Refuse what is about to be written into a folder where a link would carry it out.

    The folder may be a link itself; what is not there yet, or is a link that stays inside, passes.

    Args:
        names: of files and folders, relative to the folder.

    Raises:
        VireidError: one of them, or a folder on the way to it, is a symbolic link that leads out of the folder.
    """
    inside = os.path.realpath(folder).rstrip(os.sep) + os.sep
    for name in names:
        target = os.path.realpath(folder / name)
        if not target.startswith(inside):
            raise VireidError(
                f"what is written into {folder} must stay there, but its {name} leads to {target}; remove the link, or "
                "put what it leads to in its place"
            )


@contextmanager
def naming_place(place: Path) -> Iterator[None]:
    """Let an error of the system that names no file, as of a write to a full disk, name the place that it arose in.

    For a block that writes into one folder, in part by libraries that do not say which file failed.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(place)
        raise
