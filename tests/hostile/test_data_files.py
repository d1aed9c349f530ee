"""Lists, orders and manifests from anybody."""

import datetime
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vireid.data import read_folder, read_llcm, read_regdb, read_sysu_mm01
from vireid.data.index_files import read_id_text, read_labelled_paths
from vireid.data.listing import list_images
from vireid.data.manifest import read_manifest
from vireid.data.matlab_file import read_matlab_file
from vireid.data.sysu_mm01 import read_sysu_permutations

FINDS = Path(__file__).parent / "finds"
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def matlab(*, compressed: bool = False, **content: Any) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, content, do_compression=compressed)
    return stream.getvalue()


def cells(*values: Any) -> np.ndarray:
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3),
        np.zeros((0, 0)),
        np.array([[True]]),
        np.array([[1 + 2j]]),
        np.array([[-(2**62)]]),
        cells(np.ones((10, 2)), np.zeros((0, 0)), cells(np.ones((1, 1)))),
        np.array(["ü", "abc"]),
    ],
    ids=str,
)
def test_what_is_sound_is_read_as_scipy_reads_it(tmp_path, compressed, value):
    (tmp_path / "a.mat").write_bytes(matlab(compressed=compressed, id=value, x=1))
    wanted = scipy.io.loadmat(tmp_path / "a.mat")["id"]
    assert repr(read_matlab_file(tmp_path / "a.mat", "id")) == repr(wanted)


def test_another_class_is_refused_and_left_alone_under_another_name(tmp_path, harmless):
    (tmp_path / "a.mat").write_bytes(matlab(id=np.ones((1, 2)), other={"a": 1}))
    assert read_matlab_file(tmp_path / "a.mat", "id").tolist() == [[1, 1]]
    assert "holds an array of class 2" in harmless(read_matlab_file, tmp_path / "a.mat", "other")


def test_a_compressed_bomb_is_refused(tmp_path, harmless):
    header = matlab(id=1)[:128]
    packed = zlib.compress(struct.pack("<II", 14, 300_000_000) + bytes(300_000_000))
    (tmp_path / "a.mat").write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)
    assert "unpacks to more than" in harmless(read_matlab_file, tmp_path / "a.mat", "id")


def test_a_matrix_that_claims_more_than_it_holds_is_refused(tmp_path, harmless):
    content = matlab(id=np.ones((3, 5)))
    shape = struct.pack("<ii", 3, 5)
    for sides in ((30_000, 50_000), (-1, 5), (2**31 - 1, 2**31 - 1)):
        (tmp_path / "a.mat").write_bytes(content.replace(shape, struct.pack("<ii", *sides)))
        assert "it holds a matrix of" in harmless(read_matlab_file, tmp_path / "a.mat", "id")
    content = matlab(id=cells(1, 2, 3))
    (tmp_path / "a.mat").write_bytes(content.replace(struct.pack("<ii", 3, 1), struct.pack("<ii", 60, 1)))
    assert "a cell array of 60 cells with 3" in harmless(read_matlab_file, tmp_path / "a.mat", "id")


@quick
@given(place=st.integers(128, 10_000), value=st.integers(0, 255), compressed=st.booleans())
def test_a_changed_byte_of_a_matlab_file_is_harmless(tmp_path, harmless, place, value, compressed):
    content = bytearray(matlab(compressed=compressed, id=cells(np.ones((2, 2)), 3)))
    content[place % len(content)] = value
    (tmp_path / "a.mat").write_bytes(content)
    harmless(read_matlab_file, tmp_path / "a.mat", "id")


@pytest.mark.parametrize("find", sorted(set(FINDS.iterdir()) - set(FINDS.glob("*.pt"))), ids=lambda find: find.name)
def test_what_broke_a_reader_once_is_harmless(tmp_path, harmless, find):
    file = tmp_path / f"find{find.suffix}"
    file.write_bytes(find.read_bytes())
    readers: dict[str, list[Any]] = {
        ".mat": [lambda: read_matlab_file(file, "id"), lambda: read_matlab_file(file, "rand_perm_cam")],
        ".csv": [lambda: read_manifest(file)],
        ".parquet": [lambda: read_manifest(file)],
    }
    for reader in readers[find.suffix]:
        assert file.name in harmless(reader)


@quick
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_as_a_list_are_harmless(tmp_path, harmless, content):
    (tmp_path / "list.txt").write_bytes(content)
    for reader in (read_id_text, read_labelled_paths):
        harmless(reader, tmp_path / "list.txt")


def read_sysu(root: Path) -> None:
    read_sysu_mm01(root, paths=["cam1/0001/a.jpg"])


def read_regdb_trial(root: Path) -> None:
    read_regdb(root, trial=1)


OUTSIDE = ("../a.bmp", "/etc/a.bmp", "Visible/../../a.bmp", "Visible/1/\\a.bmp", "Visible//1/a.bmp", "C:/1/a.bmp")


@pytest.mark.parametrize("path", [*OUTSIDE, "Visible/1/a\x00.bmp", f"Visible/1/{'a' * 5000}.bmp"])
def test_a_list_names_nothing_outside_its_root(tmp_path, harmless, path):
    (tmp_path / "idx").mkdir()
    for split in ("train", "test"):
        for light in ("visible", "thermal"):
            (tmp_path / "idx" / f"{split}_{light}_1.txt").write_text(f"{path} 0\n")
    assert harmless(read_regdb_trial, tmp_path)


@pytest.mark.parametrize(
    ("reader", "name"),
    [
        (read_sysu, "exp/train_id.txt"),
        (read_sysu, "exp/train_id.mat"),
        (read_regdb_trial, "idx/test_visible_1.txt"),
        (read_llcm, "idx/train_vis.txt"),
        (read_folder, "manifest.csv"),
        (read_folder, "manifest.parquet"),
    ],
)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, harmless, reader, name, kind):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "device":
        file.symlink_to("/dev/zero")
    else:
        file.mkdir()
    assert harmless(reader, tmp_path)


def parquet(file: Path, **columns: Any) -> None:
    rows = {"path": ["a.jpg", "b.jpg"], "person": ["1", "2"], "camera": ["1", "2"], "modality": ["visible"] * 2}
    pyarrow.parquet.write_table(pa.table(rows | columns), file)


@pytest.mark.parametrize(
    "columns",
    [
        {"path": pa.array([b"\xff.jpg", b"b.jpg"]).cast(pa.binary()).view(pa.string())},
        {"person": pa.array([[["x"]], []])},
        {"person": pa.array([{"a": 1}, None])},
        {"time": pa.array([2**52, 1], type=pa.timestamp("s"))},
        {"time": pa.array([2**62 + 1, 1], type=pa.timestamp("ns"))},
        {"time": pa.array([1, 2], type=pa.timestamp("s", tz="No/Where"))},
        {"time": pa.array([datetime.timedelta(days=1), None])},
        {"camera": pa.array(["1", None])},
        {"split": pa.array([b"train", b"x"])},
        {"person": pa.array([b"\xff", b"x"])},
    ],
    ids=lambda columns: "-".join(f"{name}-{column.type}" for name, column in columns.items()),
)
def test_columns_of_any_type_are_harmless(tmp_path, harmless, columns):
    parquet(tmp_path / "m.parquet", **columns)
    assert "m.parquet" in harmless(read_manifest, tmp_path / "m.parquet")


def test_a_table_of_endless_rows_in_few_bytes_is_refused(tmp_path, harmless):
    rows = 3_000_000
    table = pa.table({name: np.broadcast_to("a.jpg", rows) for name in ("path", "person", "camera", "modality")})
    pyarrow.parquet.write_table(table, tmp_path / "m.parquet", compression="zstd")
    assert f"says to hold {rows} rows" in harmless(read_manifest, tmp_path / "m.parquet")


def test_a_cell_of_endless_text_is_refused(tmp_path, harmless):
    parquet(tmp_path / "small.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "small.parquet")
    table = table.append_column("note", pa.array(["a" * 100_000_000, ""]))
    pyarrow.parquet.write_table(table, tmp_path / "m.parquet", compression="zstd", use_dictionary=False)
    assert "says to hold 2 rows" in harmless(read_manifest, tmp_path / "m.parquet")


def test_names_that_are_not_utf8_are_said(tmp_path, harmless):
    (tmp_path / "visible").mkdir()
    try:
        (tmp_path / "visible" / os.fsdecode(b"a\xff.jpg")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert r"must be UTF-8, but 'visible/a\udcff.jpg'" in harmless(list_images, tmp_path, ["visible"])


def test_a_folder_in_a_folder_without_end_is_refused(tmp_path, harmless):
    inner = tmp_path / "visible"
    for _ in range(300):
        inner = inner / "a"
    inner.mkdir(parents=True)
    assert "folders may be 100 deep" in harmless(list_images, tmp_path, ["visible"])


@pytest.mark.parametrize("name", ["a\nb", "<script>alert(1)</script>", "{{ 7 * 7 }}", "\x1b[2J", "a" * 200, "ü"])
def test_odd_names_are_names(tmp_path, name):
    folder = tmp_path / "visible" / name.replace("/", "")
    folder.mkdir(parents=True)
    (folder / "door_1.jpg").touch()
    records = read_folder(tmp_path, splits=["test"])
    assert list(records.person_names.values()) == [name.replace("/", "")]


@pytest.mark.parametrize("target", ["/etc", "..", "../other", "/"])
def test_a_link_out_of_the_root_is_refused(tmp_path, harmless, target):
    root = tmp_path / "root"
    (root / "visible").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (root / "visible" / "ann").symlink_to(root.joinpath(target) if target.startswith("/") else root / target)
    assert "symbolic links must stay below the root" in harmless(list_images, root, ["visible"])


@pytest.mark.parametrize(
    ("reader", "name"),
    [
        (read_sysu, "exp/test_id.txt"),
        (read_sysu, "exp/test_id.mat"),
        (read_sysu_permutations, "exp/rand_perm_cam.mat"),
        (read_regdb_trial, "idx/test_visible_1.txt"),
        (read_llcm, "idx/train_vis.txt"),
        (read_folder, "manifest.csv"),
        (read_folder, "manifest.parquet"),
    ],
)
def test_a_list_that_links_out_of_the_root_is_not_read(tmp_path, harmless, reader, name):
    (tmp_path / "secret").write_text("0001, 0002")
    file = tmp_path / "root" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to(tmp_path / "secret")
    assert f"symbolic links must stay below the root {tmp_path / 'root'}, but {name!r} leads to" in harmless(
        reader, tmp_path / "root"
    )


def test_a_root_may_be_a_link_and_links_below_it_are_followed(tmp_path):
    (tmp_path / "real" / "lists").mkdir(parents=True)
    (tmp_path / "real" / "lists" / "m.csv").write_text("path,person,camera,modality\na.jpg,1,1,visible\n")
    (tmp_path / "real" / "a.jpg").touch()
    (tmp_path / "real" / "manifest.csv").symlink_to("lists/m.csv")
    (tmp_path / "root").symlink_to("real")
    assert len(read_folder(tmp_path / "root", splits=["test"])) == 1
