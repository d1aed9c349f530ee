import os
import pickle
import resource
import signal
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vireid.types import (
    Embeddings,
    Modality,
    Record,
    Records,
    Score,
    VireidError,
    check_own_places,
    naming_place,
    write_atomically,
)


def record(path: str, **changes: Any) -> Record:
    facts = {"person": 1, "camera": 2, "modality": Modality.VISIBLE, "split": "train"}
    return Record(path=path, **(facts | changes))


ROWS = [
    record("b.png", person=7, camera=3, modality=Modality.INFRARED, split="test", track="t1", time=2.5),
    record("a.png"),
    record("d.png", person=7),
    record("c/e.png", person=-1, camera=1, split="query"),
]


def test_modalities_face_each_other():
    assert Modality.VISIBLE.other is Modality.INFRARED
    assert Modality.INFRARED.other is Modality.VISIBLE


def test_a_table_is_sorted_by_path_and_gives_its_rows_back():
    table = Records.build(Path("root"), ROWS, person_names={7: "ann"})
    assert table.paths.tolist() == ["a.png", "b.png", "c/e.png", "d.png"]
    assert len(table) == 4
    assert table[1] == ROWS[0]
    assert [row.path for row in table] == table.paths.tolist()
    assert np.isnan(table[0].time)
    assert table.file(2) == Path("root/c/e.png")
    assert table.person_names == {7: "ann"}


def test_rows_meet_every_condition():
    table = Records.build(Path("root"), ROWS)
    assert table.rows().tolist() == [0, 1, 2, 3]
    assert table.rows(modality=Modality.INFRARED).tolist() == [1]
    assert table.rows(modality=Modality.VISIBLE).tolist() == [0, 2, 3]
    assert table.rows(splits=["train", "query"]).tolist() == [0, 2, 3]
    assert table.rows(cameras=[2], persons=[7]).tolist() == [3]
    assert table.rows(persons=[]).tolist() == []


def test_some_rows_are_a_table_again():
    table = Records.build(Path("root"), ROWS, person_names={7: "ann"}, camera_names={3: "door"})
    some = table.take(np.array([3, 1]))
    assert some.paths.tolist() == ["b.png", "d.png"]
    assert (some[0], some.root, some.person_names, some.camera_names) == (ROWS[0], table.root, {7: "ann"}, {3: "door"})
    assert len(table.take(np.array([], dtype=np.int64))) == 0


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), unique=True, max_size=8))
def test_any_order_of_rows_makes_the_same_table(paths):
    table = Records.build(Path("root"), [record(path) for path in paths])
    again = Records.build(Path("root"), [record(path) for path in reversed(paths)])
    assert table.paths.tolist() == again.paths.tolist() == sorted(paths)


def test_an_empty_table_is_a_table():
    table = Records.build(Path("root"), [])
    assert (len(table), list(table), table.rows(persons=[1]).tolist()) == (0, [], [])


def test_a_path_that_stands_twice_is_refused():
    with pytest.raises(VireidError, match=r"sorted and unique, but 'a.png' is followed by 'a.png'; build tables with"):
        Records.build(Path("root"), [ROWS[1], ROWS[1]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paths": np.array(["b", "a"])}, "sorted and unique, but 'b' is followed by 'a'"),
        (
            {"paths": np.array(["a"])},
            "columns of a table of records must be equally long, got .*'paths': 1, 'persons': 2",
        ),
    ],
)
def test_columns_must_agree(changes, message):
    table = Records.build(Path("root"), [record("a"), record("b")])
    columns = {
        name: getattr(table, name)
        for name in ("root", "paths", "persons", "cameras", "infrared", "splits", "tracks", "times")
    }
    with pytest.raises(VireidError, match=message):
        Records(**(columns | changes))


FEATURES = np.arange(6, dtype=np.float32).reshape(3, 2)
PATHS = np.array(["a.png", "b/ü.png", "c.png"])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_embeddings_come_back_from_any_real_type(tmp_path, dtype):
    np.savez(tmp_path / "f.npz", features=FEATURES.astype(dtype), paths=PATHS)
    loaded = Embeddings.load(tmp_path / "f.npz")
    assert loaded.features.dtype == np.float32
    assert np.array_equal(loaded.features, FEATURES)
    loaded.save(tmp_path / "new" / "g.npz")
    assert Embeddings.load(tmp_path / "new" / "g.npz").paths.tolist() == PATHS.tolist()


class Runs:
    """A pickle that makes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"features": FEATURES},
            r"f.npz must hold the arrays .* but \['paths'\] is missing \(it holds \['features'\]\)",
        ),
        ({"features": FEATURES, "paths": PATHS[:2]}, r"one path for each row .*, got features \(3, 2\) and 2 paths"),
        ({"features": FEATURES[0], "paths": PATHS[:2]}, r"real numbers 'features' \(n x d\) .* got float32 \(2,\)"),
        ({"features": FEATURES, "paths": np.array("a")}, r"'paths' \(n\), got .* and <U1 \(\)"),
        ({"features": FEATURES * 1j, "paths": PATHS}, "f.npz must hold real numbers .* got complex64"),
        ({"features": FEATURES.astype(str), "paths": PATHS}, "f.npz must hold real numbers"),
        (
            {"features": FEATURES * np.array([[1], [np.nan], [np.inf]], dtype=np.float32), "paths": PATHS},
            "2 of 3 rows hold NaN or infinity, the first for 'b/",
        ),
        ({"features": FEATURES * np.nan, "paths": PATHS}, "3 of 3 rows hold NaN .* 'a.png'; embed these images again"),
    ],
)
def test_arrays_that_are_not_embeddings_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(VireidError, match=message):
        Embeddings.load(tmp_path / "f.npz")


def test_files_that_are_not_embeddings_are_refused(tmp_path):
    file = tmp_path / "f.npz"

    def refusal() -> str:
        with pytest.raises(VireidError) as caught:
            Embeddings.load(file)
        return str(caught.value)

    assert refusal() == f"there is no features file {file}"
    Embeddings(features=FEATURES, paths=PATHS).save(file)
    content = file.read_bytes()
    damaged = content[:200] + bytes([content[200] ^ 255]) + content[201:]
    for broken in (b"", b"PK", b"not a zip", content[: len(content) // 2], content[:-1], damaged):
        file.write_bytes(broken)
        assert refusal().startswith(f"{file} is not a readable .npz of plain arrays: ")
    with file.open("wb") as stream:
        np.save(stream, FEATURES)
    assert "it holds one nameless array" in refusal()


def test_pickled_embeddings_are_refused_and_not_run(tmp_path):
    marker, file = tmp_path / "marker", tmp_path / "f.npz"
    np.savez(file, features=np.array([[Runs(marker)]], dtype=object), paths=PATHS[:1])
    with pytest.raises(VireidError, match=r"is not a readable \.npz of plain arrays: Object arrays cannot be loaded"):
        Embeddings.load(file)
    file.write_bytes(pickle.dumps(Runs(marker)))
    with pytest.raises(VireidError, match=r"is not a readable \.npz of plain arrays"):
        Embeddings.load(file)
    assert not marker.exists()


def test_a_score_is_plain_in_json():
    score = Score(cmc=np.array([0.5, 1.0]), map=0.6, minp=0.4, valid=2, queries=3, gallery=9)
    expected = {"cmc": [0.5, 1.0], "map": 0.6, "minp": 0.4, "valid": 2, "queries": 3, "gallery": 9}
    assert score.to_json() == expected
    assert [type(rate) for rate in score.to_json()["cmc"]] == [float, float]  # type: ignore[union-attr]


def test_a_file_appears_whole_with_the_permissions_of_a_plain_one(tmp_path):
    file, plain = tmp_path / "deep" / "er" / "file.txt", tmp_path / "plain.txt"
    mask = os.umask(0o027)
    try:
        plain.touch()
        with write_atomically(file) as draft:
            draft.write_text("new")
            assert not file.exists()
            assert draft.parent == file.parent
    finally:
        os.umask(mask)
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode) == 0o640
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, VireidError])
def test_what_goes_wrong_inside_passes_through_and_leaves_the_old_file(tmp_path, error):
    file = tmp_path / "file.txt"
    file.write_text("old")

    def write() -> None:
        with write_atomically(file) as draft:
            draft.write_text("half")
            raise error("mine")

    with pytest.raises(error, match="mine"):
        write()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_wait_for_the_disk_leaves_no_draft(tmp_path, monkeypatch, error):
    def end(handle: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", end)
    with pytest.raises(error), write_atomically(tmp_path / "file.txt") as draft:
        draft.write_text("new")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path):
    file = tmp_path / "file.npz"
    Embeddings(features=FEATURES, paths=PATHS).save(file)
    limits, action = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    large = Embeddings(features=np.zeros((3, 10_000), dtype=np.float32), paths=PATHS)
    try:
        with pytest.raises(
            VireidError, match=r"cannot write .*file.npz: File too large; nothing was left half-written"
        ):
            large.save(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, action)
    assert np.array_equal(Embeddings.load(file).features, FEATURES)
    assert list(tmp_path.iterdir()) == [file]


def test_places_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "full").mkdir(parents=True)
    for place, said in (("file/below.txt", "Not a directory|File exists"), ("folder", "Is a directory")):
        with (
            pytest.raises(VireidError, match=f"cannot write .*{place}: ({said})"),
            write_atomically(tmp_path / place) as d,
        ):
            d.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_what_is_written_into_a_folder_stays_there(tmp_path):
    real, outside = tmp_path / "real", tmp_path / "really"
    (real / "deep").mkdir(parents=True)
    outside.mkdir()
    folder = tmp_path / "folder"
    folder.symlink_to(real)
    (real / "inside").symlink_to(real / "deep")
    # A folder that is a link itself, what stays in it, and what is not there.
    check_own_places(folder, ["inside/file", "deep", "new", "new/file"])
    for name in ("out", "deep/out"):
        # Its name begins as the folder's does.
        (real / name).symlink_to(outside)
        with pytest.raises(VireidError) as said:
            check_own_places(folder, ["deep", f"{name}/file"])
        assert str(said.value) == (
            f"what is written into {folder} must stay there, but its {name}/file leads to {outside}/file; remove the "
            "link, or put what it leads to in its place"
        )


@pytest.mark.parametrize(
    ("error", "place"),
    [(OSError(28, "full"), "here"), (OSError(28, "full", "there"), "there"), (OSError("other"), None)],
)
def test_an_error_that_names_no_file_names_the_place(error, place):
    with pytest.raises(OSError) as said, naming_place(Path("here")):  # noqa: PT011 - any of them
        raise error
    assert said.value is error
    assert error.filename == place
