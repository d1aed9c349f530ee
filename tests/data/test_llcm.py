from pathlib import Path

import pytest

from vireid.data import read_llcm
from vireid.types import Modality, VireidError


def test_train_from_lists_and_test_from_folders(llcm: Path) -> None:
    records = read_llcm(llcm)
    train, test = records.rows(splits=["train"]), records.rows(splits=["test"])
    assert (len(train), len(test)) == (8, 8)
    assert set(records.persons[train].tolist()) == {3, 9}
    assert set(records.cameras[train].tolist()) == {1, 6}
    assert set(records.persons[test].tolist()) == {5, 11}
    assert set(records.cameras[test].tolist()) == {2, 4}
    infrared = records.paths[records.rows(modality=Modality.INFRARED)].tolist()
    assert len(infrared) == 8
    assert all(path.startswith(("nir/", "test_nir/")) for path in infrared)


def test_given_paths_need_no_images(llcm: Path) -> None:
    paths = ["test_nir/cam9/0005/a.jpg", "test_vis/cam3/0011/b.jpg", "test_vis/cam3/0040/c.jpg", "vis/0003/x.jpg"]
    (llcm / "idx" / "train_vis.txt").unlink()
    records = read_llcm(llcm, paths=paths, splits=("test",))
    assert [(row.path, row.person, row.camera, row.modality.value) for row in records] == [
        ("test_nir/cam9/0005/a.jpg", 5, 9, "infrared"),
        ("test_vis/cam3/0011/b.jpg", 11, 3, "visible"),
    ]


@pytest.mark.parametrize(
    "path", ["test_nir/cam3/0005/a.jpg", "test_vis/cam10/0005/a.jpg", "test_vis/0005/a.jpg", "cam1/0005/0001.jpg"]
)
def test_given_path_outside_the_layout(llcm: Path, path: str) -> None:
    with pytest.raises(VireidError, match=r"images of LLCM lie at .*near-infrared has no camera 3.*" + path):
        read_llcm(llcm, paths=["test_vis/cam3/0011/b.jpg", path], splits=("test",))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("train_vis.txt", "vis/0009/0009_c01", "vis/0003/0009_c01", "one to one in LLCM's train lists"),
        ("train_nir.txt", "nir.jpg 1", "nir.jpg 0", "one to one in LLCM's train lists"),
        ("train_vis.txt", "0003_c01_", "0003_", r"must be 'vis/<person>/<person>_c<camera>_\*\.jpg'"),
        ("train_vis.txt", "vis/0003", "../vis/0003", "may not leave it"),
        ("train_vis.txt", "f4830_vis.jpg", "f1_vis.jpg", "4 of 8 images that LLCM's train lists name"),
        ("test_id.txt", "5,11", "5,9", r"no identity in common, but 1 are in both lists .*\(9\)"),
        ("test_id.txt", "5,11", "", "test_id.txt is empty"),
        ("test_id.txt", "5,11", "77", "no image of split test"),
    ],
)
def test_broken_lists(llcm: Path, name: str, old: str, new: str, message: str) -> None:
    file = llcm / "idx" / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(VireidError, match=message):
        read_llcm(llcm)


def test_infrared_camera_three_on_disk_is_refused(llcm: Path, write_image) -> None:
    write_image(llcm / "test_nir" / "cam3" / "0005" / "a.jpg")
    with pytest.raises(VireidError, match=r"there is 'test_nir/cam3/0005/a.jpg'"):
        read_llcm(llcm)
