import math
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vireid.data.manifest import number_names, read_manifest
from vireid.types import Modality, VireidError

HEADER = "path,person,camera,modality,split,time,track\n"
GOOD = "a.jpg,ann,door,visible,train,12.5,t1\n"


def test_csv(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text("\ufeff" + HEADER + GOOD + '"b, c.PNG",-1,7,Infrared,,,\n', encoding="utf-8")
    manifest = read_manifest(file)
    assert manifest.paths == ["a.jpg", "b, c.PNG"]
    assert manifest.persons == ["ann", ""]
    assert manifest.cameras == ["door", "7"]
    assert manifest.modalities == [Modality.VISIBLE, Modality.INFRARED]
    assert manifest.splits == ["train", "test"]
    assert manifest.tracks == ["t1", ""]
    assert manifest.times[0] == 12.5
    assert math.isnan(manifest.times[1])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_names_that_repeat_are_held_once(tmp_path: Path, kind: str) -> None:
    columns = {name: [f"{name} name"] * 3 for name in ("person", "camera", "track")}
    table = pa.table(columns | {"path": ["a.jpg", "b.jpg", "c.jpg"], "modality": ["visible"] * 3})
    write = pyarrow.csv.write_csv if kind == "csv" else pyarrow.parquet.write_table
    write(table, tmp_path / f"m.{kind}")
    manifest = read_manifest(tmp_path / f"m.{kind}")
    for names in (manifest.persons, manifest.cameras, manifest.tracks):
        assert len({id(name) for name in names}) == 1


def test_empty_lines_before_the_header_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\r\n\r\npath,person,camera,modality,note\r\na.jpg,1,1,visible,\xff\r\n")
    assert read_manifest(tmp_path / "m.csv").paths == ["a.jpg"]


def test_parquet_with_numbers_gaps_and_dates(tmp_path: Path) -> None:
    file = tmp_path / "m.parquet"
    moment = datetime(2024, 5, 1, 20, 15, tzinfo=timezone.utc)
    columns = {
        "path": ["a.jpg", "b.jpg"],
        "person": pa.array([3.0, None]),
        "camera": [1, 2],
        "modality": ["visible", "infrared"],
        "time": [moment, None],
        "note": ["passed", "over"],
    }
    pyarrow.parquet.write_table(pa.table(columns), file)
    manifest = read_manifest(file)
    assert manifest.persons == ["3", ""]
    assert manifest.cameras == ["1", "2"]
    assert manifest.times[0] == moment.timestamp()


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["1970-01-01T00:01:00", "1970-01-01"], [60.0, 0.0]),
        (["1970-01-01T01:00:00+01:00", "1970-01-01T00:00:01Z"], [0.0, 1.0]),
        (["-3", "1e3"], [-3.0, 1000.0]),
    ],
)
def test_times(tmp_path: Path, texts: list[str], seconds: list[float]) -> None:
    file = tmp_path / "m.csv"
    file.write_text(HEADER + "".join(f"{row}.jpg,1,1,visible,test,{text},\n" for row, text in enumerate(texts)))
    assert read_manifest(file).times == seconds


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b.jpg,1,1,thermal,,,", r"row 2, column 'modality': must be 'visible' or 'infrared', got 'thermal'"),
        ("b.jpg,1,,visible,,,", r"row 2, column 'camera': every image needs a camera"),
        ("b.jpg,,1,visible,train,,", r"row 2, column 'person': images of split train need a person"),
        ("b.jpg,1,1,visible,val,,", r"row 2, column 'split': must be one of train, test, query, gallery or empty"),
        ("b.jpg,1,1,visible,,yesterday,", r"row 2, column 'time': must be seconds or ISO 8601"),
        ("b.jpg,1,1,visible,,nan,", r"row 2, column 'time': must be finite"),
        ("b.jpg,1,1,visible,,2024-05-01,", r"row 2, column 'time': the whole column must be of one kind"),
        ("a.jpg,1,1,visible,,,", r"row 2, column 'path': each image must stand once, but 'a.jpg' is in row 1 too"),
        ("../b.jpg,1,1,visible,,,", r"row 2, column 'path': .*may not leave it"),
        ("/b.jpg,1,1,visible,,,", r"row 2, column 'path': .*relative to the root"),
        ("b.gif,1,1,visible,,,", r"row 2, column 'path': images must end in \.jpg"),
        (",1,1,visible,,,", r"row 2, column 'path'"),
        ("b.jpg,1,1", r"not a readable .csv table: .*Expected 7 columns, got 3"),
    ],
)
def test_broken_rows(tmp_path: Path, row: str, message: str) -> None:
    file = tmp_path / "m.csv"
    file.write_text(HEADER + GOOD + row + "\n")
    with pytest.raises(VireidError, match=message):
        read_manifest(file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", b"", "not a readable .csv table"),
        ("m.csv", HEADER.encode(), "has no rows"),
        ("m.csv", b"path,person,modality\na.jpg,1,visible\n", r"camera is missing \(it has path, person, modality\)"),
        ("m.csv", b"path,path,person,camera,modality\na.jpg,b.jpg,1,1,visible\n", "path stands twice"),
        ("m.csv", HEADER.encode() + b"a\xff.jpg,1,1,visible,,,\n", "not a readable .csv table"),
        ("m.parquet", b"no parquet", "not a readable .parquet table"),
        ("m.json", b"[]", r"must be .csv or .parquet"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VireidError, match=message):
        read_manifest(tmp_path / name)


def test_one_number_written_two_ways() -> None:
    with pytest.raises(VireidError, match=r"each person in m.csv must be written one way, but '01' and '1'"):
        number_names(["1", "01"], "person", "m.csv")


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), max_size=8)


@given(st.lists(words, max_size=8))
def test_numbers_and_names_are_one_to_one(names: list[str]) -> None:
    try:
        numbers, written = number_names(names, "person", "m.csv")
    except VireidError:
        assert len({int(name) for name in names if name}) < len(set(names) - {""})
        return
    for name, number in zip(names, numbers):
        assert (number == -1) == (name == "")
        if name:
            assert written.get(number, str(number)) == name or int(name) == number
    assert len(set(numbers)) == len(set(names))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(words, words.filter(bool), words), min_size=1, max_size=6))
def test_any_text_comes_back_from_csv(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "m.csv"
    table = pa.table(
        {
            "path": [f"{row}.jpg" for row in range(len(rows))],
            "person": [person for person, _, _ in rows],
            "camera": [camera for _, camera, _ in rows],
            "modality": ["visible"] * len(rows),
            "track": [track for _, _, track in rows],
        }
    )
    pyarrow.csv.write_csv(table, file)
    manifest = read_manifest(file)
    assert manifest.persons == ["" if person == "-1" else person for person, _, _ in rows]
    assert manifest.cameras == [camera for _, camera, _ in rows]
    assert manifest.tracks == [track for _, _, track in rows]
