from pathlib import Path

import pytest

from vireid.data import read_regdb
from vireid.types import Modality, VireidError


def test_person_is_the_folder_since_labels_restart_in_each_split(regdb: Path) -> None:
    records = read_regdb(regdb, trial=1)
    assert len(records) == 4 * 2 * 2
    assert set(records.persons[records.rows(splits=["train"])].tolist()) == {7, 12}
    assert set(records.persons[records.rows(splits=["test"])].tolist()) == {3, 20}
    assert set(records.cameras[records.rows(modality=Modality.VISIBLE)].tolist()) == {1}
    assert set(records.cameras[records.rows(modality=Modality.INFRARED)].tolist()) == {2}
    other = read_regdb(regdb, trial=2)
    assert set(other.persons[other.rows(splits=["test"])].tolist()) == {7, 12}


def test_given_paths_need_no_images(regdb: Path) -> None:
    records = read_regdb(regdb, trial=1)
    for path in records.paths:
        (regdb / str(path)).unlink()
    test = records.paths[records.rows(splits=["test"])].tolist()
    (regdb / "idx" / "train_visible_1.txt").unlink()
    again = read_regdb(regdb, trial=1, paths=["Visible/7/f_1_7.bmp", *test], splits=("test",))
    assert again.paths.tolist() == test
    with pytest.raises(VireidError, match=r"8 of 8 images that RegDB trial 1 names are not below"):
        read_regdb(regdb, trial=1, splits=("test",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda paths: paths[1:], r"every test image of RegDB trial 1 must be among the given paths, but 1 are not"),
        (lambda paths: [*paths, "cam1/0001/0001.jpg"], r"1 of 9 given paths cannot belong to RegDB .*cam1/0001"),
        (lambda paths: [*paths, paths[0]], r"each given path must stand once \(Thermal"),
    ],
)
def test_wrong_given_paths(regdb: Path, change, message: str) -> None:
    paths = read_regdb(regdb, trial=1, splits=("test",)).paths.tolist()
    with pytest.raises(VireidError, match=message):
        read_regdb(regdb, trial=1, paths=change(paths), splits=("test",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # one label, two folders
        ("Visible/12/f_1_12.bmp 1", "Visible/12/f_1_12.bmp 0", r"agree one to one in the train lists of trial 1"),
        # the test identity 3 among the train lines
        ("Visible/12/f_1_12.bmp 1", "Visible/3/f_1_3.bmp 2", r"no identity in common, but 1 are in both.*\(3\)"),
        ("Visible/12/f_1_12.bmp 1", "../12/f_1_12.bmp 1", r"line 3 of .*train_visible_1.txt has '\.\./12"),
        ("Visible/12/f_1_12.bmp 1", "/etc/12/f_1_12.bmp 1", r"relative to the root .* line 3"),
        ("Visible/12/f_1_12.bmp 1", "Thermal/12/f_1_12.bmp 1", r"must be 'Visible/<person number>/<image>'"),
        ("Visible/12/f_1_12.bmp 1", "Visible/bob/f_1_12.bmp 1", r"must be 'Visible/<person number>"),
        ("Visible/12/f_1_12.bmp 1", "Visible/12/f_1_12.bmp one", r"line 3 is 'Visible/12/f_1_12.bmp one'"),
        ("Visible/12/f_1_12.bmp 1", "Visible/12/f_1_12.bmp", r"line 3 is"),
        ("Visible/12/f_1_12.bmp 1", "Visible/7/f_1_7.bmp 0", r"stand once .*line 3 has 'Visible/7/f_1_7.bmp' again"),
        ("Visible/12/f_1_12.bmp 1", "Visible/12/f_9_12.bmp 1", r"1 of 16 images .* \(Visible/12/f_9_12.bmp\)"),
    ],
)
def test_broken_lists(regdb: Path, old: str, new: str, message: str) -> None:
    file = regdb / "idx" / "train_visible_1.txt"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(VireidError, match=message):
        read_regdb(regdb, trial=1)


def test_labels_must_agree_across_modalities(regdb: Path) -> None:
    file = regdb / "idx" / "test_thermal_1.txt"
    file.write_text(file.read_text().replace(" 0", " x").replace(" 1", " 0").replace(" x", " 1"))
    with pytest.raises(VireidError, match=r"one to one in the test lists of trial 1, but 'Thermal/3/.*' has label 1"):
        read_regdb(regdb, trial=1)


def test_missing_and_empty_things(regdb: Path) -> None:
    with pytest.raises(VireidError, match="trials 1 to 10, got 11"):
        read_regdb(regdb, trial=11)
    with pytest.raises(VireidError, match=r"split file .*test_visible_3.txt is missing"):
        read_regdb(regdb, trial=3)
    (regdb / "idx" / "test_visible_1.txt").write_text("\n")
    with pytest.raises(VireidError, match=r"test_visible_1.txt is empty"):
        read_regdb(regdb, trial=1)
    (regdb / "idx" / "test_visible_1.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VireidError, match=r"test_visible_1.txt cannot be read"):
        read_regdb(regdb, trial=1)


def test_image_that_links_out_of_the_root(regdb: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.bmp"
    outside.write_bytes(b"x")
    image = regdb / "Visible" / "7" / "f_1_7.bmp"
    image.unlink()
    image.symlink_to(outside)
    with pytest.raises(VireidError, match=r"symbolic links must stay below the root .*'Visible/7/f_1_7.bmp'"):
        read_regdb(regdb, trial=1)
