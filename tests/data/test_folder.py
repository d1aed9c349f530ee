from pathlib import Path

import numpy as np
import pytest

from vireid.data import read, read_folder
from vireid.types import VireidError

HEADER = "path,person,camera,modality,split\n"


def test_paths_say_everything_without_a_manifest(folder: Path) -> None:
    records = read_folder(folder)
    assert len(records) == 8
    assert records.person_names == {0: "ann", 1: "bob"}
    assert records.camera_names == {0: "door", 1: "yard"}
    assert set(records.splits.tolist()) == {"test"}
    assert records[0].path == "infrared/ann/door_1.png"
    assert np.isnan(records.times).all()


def test_given_paths_need_no_images(tmp_path: Path) -> None:
    records = read_folder(tmp_path, paths=["visible/7/1_a.jpg", "infrared/7/12_b.jpg"])
    assert records.persons.tolist() == [7, 7]
    assert records.cameras.tolist() == [12, 1]
    assert records.person_names == {}


def test_manifest_is_found_and_splits_are_chosen(folder: Path) -> None:
    (folder / "manifest.csv").write_text(
        HEADER
        + "visible/ann/door_1.png,10,1,visible,train\n"
        + "visible/bob/door_1.png,20,1,visible,gallery\n"
        + "infrared/bob/door_1.png,20,2,infrared,query\n"
    )
    assert read_folder(folder).persons.tolist() == [20, 10, 20]
    assert read_folder(folder, splits=("test",)).splits.tolist() == ["query", "gallery"]
    assert read("folder", folder, splits=("train",)).persons.tolist() == [10]


def test_given_paths_with_a_manifest(folder: Path) -> None:
    (folder / "manifest.csv").write_text(HEADER + "a.png,1,1,visible,\nb.png,1,2,infrared,\nc.png,2,2,infrared,train\n")
    assert read_folder(folder, paths=["a.png", "b.png"]).paths.tolist() == ["a.png", "b.png"]
    with pytest.raises(VireidError, match=r"every test image of .* must be among the given paths, but 1 are not \(b"):
        read_folder(folder, paths=["a.png"])
    with pytest.raises(VireidError, match=r"cannot belong to .*manifest.csv \(d.png\)"):
        read_folder(folder, paths=["a.png", "b.png", "d.png"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("gone.png,1,1,visible,test\n", r"1 of 1 images that .*manifest.csv names are not below .*\(gone.png\)"),
        (
            "visible/ann/door_1.png,1,1,visible,train\nvisible/ann/yard_1.png,1,1,visible,query\n",
            r"train and test must have no identity in common, but 1 are in both lists of .*manifest.csv \(1\)",
        ),
    ],
)
def test_manifest_that_does_not_fit(folder: Path, rows: str, message: str) -> None:
    (folder / "manifest.csv").write_text(HEADER + rows)
    with pytest.raises(VireidError, match=message):
        read_folder(folder)


def test_unknown_persons_may_be_in_train_free_splits(folder: Path) -> None:
    (folder / "manifest.csv").write_text(
        HEADER + "visible/ann/door_1.png,,1,visible,gallery\nvisible/bob/door_1.png,bob,1,visible,gallery\n"
    )
    records = read_folder(folder)
    assert records.persons.tolist() == [-1, 0]
    assert records.person_names == {0: "bob"}


def test_wrong_layouts(tmp_path: Path, folder: Path, sysu: Path) -> None:
    with pytest.raises(VireidError, match="no image of split test and train was found"):
        read_folder(sysu)
    with pytest.raises(VireidError, match="no image of split train was found"):
        read_folder(folder, splits=("train",))
    (folder / "visible" / "stray.png").write_bytes(b"x")
    with pytest.raises(VireidError, match=r"without a manifest images lie at .*'visible/stray.png'"):
        read_folder(folder)
    (folder / "manifest.csv").write_text("")
    (folder / "manifest.parquet").write_text("")
    with pytest.raises(VireidError, match=r"both manifest.csv and manifest.parquet"):
        read_folder(folder)
    with pytest.raises(VireidError, match=r"there is no manifest .*other.csv"):
        read_folder(folder, manifest=folder / "other.csv")


def test_read_knows_four_names(tmp_path: Path) -> None:
    with pytest.raises(VireidError, match="readers for sysu, regdb, llcm, folder, but not for 'market'"):
        read("market", tmp_path)
