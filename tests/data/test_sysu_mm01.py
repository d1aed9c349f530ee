import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from vireid.data import read_sysu_ids, read_sysu_mm01, read_sysu_permutations
from vireid.types import Modality, VireidError


def test_train_is_train_plus_val_and_others_are_left_out(sysu: Path) -> None:
    records = read_sysu_mm01(sysu)
    assert len(records) == 5 * 6 * 2
    assert set(records.persons[records.rows(splits=["train"])].tolist()) == {1, 2, 3}
    assert set(records.persons[records.rows(splits=["test"])].tolist()) == {4, 5}
    assert set(records.cameras[records.rows(modality=Modality.INFRARED)].tolist()) == {3, 6}
    assert set(records.cameras[records.rows(modality=Modality.VISIBLE)].tolist()) == {1, 2, 4, 5}
    assert records.paths.tolist() == sorted(records.paths.tolist())
    first = records[0]
    assert (first.path, first.person, first.camera, first.split) == ("cam1/0001/0001.jpg", 1, 1, "train")


def test_hidden_files_and_other_suffixes_are_passed_over(sysu: Path) -> None:
    before = read_sysu_mm01(sysu).paths.tolist()
    for name in ("Thumbs.db", ".0001.jpg", "._0002.jpg", "notes.txt"):
        (sysu / "cam1" / "0001" / name).write_bytes(b"x")
    (sysu / "cam1" / "0001" / "0003.JPG").write_bytes(b"x")
    assert sorted([*before, "cam1/0001/0003.JPG"]) == read_sysu_mm01(sysu).paths.tolist()


def test_given_paths_need_no_images_and_only_the_lists_asked_for(sysu: Path) -> None:
    for camera in range(1, 7):
        shutil.rmtree(sysu / f"cam{camera}")
    for name in ("train_id.txt", "val_id.txt"):
        (sysu / "exp" / name).unlink()
    records = read_sysu_mm01(
        sysu, paths=["cam6/0005/0009.jpg", "cam1/0004/0001.jpg", "cam1/0001/0001.jpg"], splits=("test",)
    )
    assert records.paths.tolist() == ["cam1/0004/0001.jpg", "cam6/0005/0009.jpg"]


def test_lists_come_from_mat_only_when_there_is_no_text(sysu: Path) -> None:
    scipy.io.savemat(sysu / "exp" / "test_id.mat", {"id": np.array([[6]], dtype=np.uint16)})
    assert read_sysu_ids(sysu, "test") == [4, 5]
    (sysu / "exp" / "test_id.txt").unlink()
    assert read_sysu_ids(sysu, "test") == [6]


def test_counts_of_the_golden_draw_are_reproduced(sysu: Path) -> None:
    # The golden draw names one file for each test identity and visible camera: 301 cells.
    golden = np.load(Path(__file__).parents[1] / "golden" / "sysu_seeded_draws.npz")
    names = [str(name) for name in golden["all_0"]]
    persons = sorted({int(name.split("/")[1]) for name in names})
    (sysu / "exp" / "test_id.txt").write_text(",".join(map(str, persons)))
    records = read_sysu_mm01(sysu, paths=names, splits=("test",))
    assert len(records) == 301
    assert len(set(records.persons.tolist())) == 96
    assert set(Counter(zip(records.persons.tolist(), records.cameras.tolist())).values()) == {1}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("cam7/0004/0001.jpg", r"images of SYSU-MM01 lie at cam1\.\.cam6.*'cam7/0004/0001.jpg'"),
        ("cam1/4/0001.jpg", "lie at"),  # three digits short
        ("cam1/0004/0001.txt", "lie at"),
        ("cam1/0001.jpg", "lie at"),
        ("Visible/1/a.bmp", "lie at"),  # features of another data set
        ("../cam1/0004/0001.jpg", r"may not leave it.*the list of given paths has '\.\./cam1"),
        ("/cam1/0004/0001.jpg", "relative to the root"),
        ("cam1\\0004\\0001.jpg", "forward slashes"),
        ("C:/cam1/0004/0001.jpg", "relative to the root"),
    ],
)
def test_given_path_outside_the_layout(sysu: Path, path: str, message: str) -> None:
    with pytest.raises(VireidError, match=message):
        read_sysu_mm01(sysu, paths=["cam1/0004/0001.jpg", path], splits=("test",))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("test_id.txt", "", r"the identity list .*test_id.txt is empty"),
        ("test_id.txt", " ,\n", "is empty"),
        ("test_id.txt", "4,five", r"positive whole numbers with commas between, got 'five'"),
        ("test_id.txt", "4,-5", "positive whole numbers"),
        ("test_id.txt", "4,0", "positive whole numbers"),
        ("test_id.txt", "4" * 5000, "positive whole numbers"),
        ("test_id.txt", "4;5", "positive whole numbers"),
        ("test_id.txt", "4,5,4", r"must stand once \(4\)"),
        ("test_id.txt", "2,4", r"no identity in common, but 1 are in both lists.*\(2\)"),
        ("val_id.txt", "2,3", r"train and val lists.*\(2\)"),
        ("test_id.txt", "99", "no image of split test was found"),
    ],
)
def test_broken_lists(sysu: Path, name: str, text: str, message: str) -> None:
    (sysu / "exp" / name).write_text(text)
    with pytest.raises(VireidError, match=message):
        read_sysu_mm01(sysu)


def test_missing_things(sysu: Path, tmp_path: Path) -> None:
    with pytest.raises(VireidError, match=r"must be a folder, but there is nothing at .*nowhere"):
        read_sysu_mm01(tmp_path / "nowhere")
    with pytest.raises(VireidError, match="must be a folder, but there is a file"):
        read_sysu_mm01(sysu / "exp" / "test_id.txt")
    with pytest.raises(VireidError, match=r"splits must be 'train', 'test' or both, got \('val',\)"):
        read_sysu_mm01(sysu, splits=("val",))
    (sysu / "exp" / "val_id.txt").unlink()
    with pytest.raises(VireidError, match=r"needs .*val_id.txt or .mat \(training uses the train and the val"):
        read_sysu_mm01(sysu)
    shutil.rmtree(sysu / "exp")
    with pytest.raises(VireidError, match=r"needs .*test_id.txt or .mat, but neither is there"):
        read_sysu_mm01(sysu, splits=("test",))


def test_broken_mat(sysu: Path) -> None:
    (sysu / "exp" / "test_id.txt").unlink()
    mat = sysu / "exp" / "test_id.mat"
    mat.write_bytes(b"not a MATLAB file")
    with pytest.raises(VireidError, match=r"test_id.mat is not a readable MATLAB file"):
        read_sysu_mm01(sysu, splits=("test",))
    scipy.io.savemat(mat, {"ids": np.array([[4]])})
    with pytest.raises(VireidError, match=r"must hold the variable 'id', but it holds \['ids'\]"):
        read_sysu_mm01(sysu, splits=("test",))
    scipy.io.savemat(mat, {"id": np.array([[4.5]])})
    with pytest.raises(VireidError, match=r"positive whole numbers.*'4\.5'"):
        read_sysu_mm01(sysu, splits=("test",))


def test_stray_image_is_named(sysu: Path) -> None:
    (sysu / "cam2" / "stray.jpg").write_bytes(b"x")
    with pytest.raises(VireidError, match=r"there is 'cam2/stray.jpg'"):
        read_sysu_mm01(sysu)


@pytest.mark.parametrize("target", ["outside", "circle"])
def test_symbolic_links_may_not_leave_the_root_or_run_in_circles(sysu: Path, tmp_path: Path, target: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (sysu / "cam1" / "0009").symlink_to(outside if target == "outside" else sysu / "cam1")
    with pytest.raises(VireidError, match=r"symbolic links must stay below the root .*'cam1/0009' leads to"):
        read_sysu_mm01(sysu)


def test_root_may_be_a_link_and_links_inside_are_followed(sysu: Path, tmp_path: Path) -> None:
    shutil.move(sysu / "cam1" / "0004", sysu / "elsewhere")
    (sysu / "cam1" / "0004").symlink_to(sysu / "elsewhere")
    link = tmp_path / "link"
    link.symlink_to(sysu)
    assert "cam1/0004/0002.jpg" in read_sysu_mm01(link).paths.tolist()


def test_permutations(sysu: Path) -> None:
    permutations = read_sysu_permutations(sysu)
    assert permutations.images(2, 4, listed=2).tolist() == [[1, 2], [2, 1]] * 5
    with pytest.raises(VireidError, match=r"cell \{2\}\{4\} .* orders 2 images, but 3 are listed in cam2/0004"):
        permutations.images(2, 4, listed=3)
    for camera, person in ((0, 1), (7, 1), (1, 0), (1, 7)):
        with pytest.raises(VireidError, match=r"cell .* is missing"):
            permutations.images(camera, person)


def test_permutations_of_an_absent_identity_are_empty(sysu: Path, write_permutations) -> None:
    write_permutations(sysu, {(1, 2): 3}, persons=2)
    permutations = read_sysu_permutations(sysu)
    assert permutations.images(1, 1).shape == (10, 0)
    assert permutations.images(1, 2).shape == (10, 3)


def test_broken_permutations(sysu: Path) -> None:
    file = sysu / "exp" / "rand_perm_cam.mat"
    cells = np.empty((6, 1), dtype=object)
    for camera in range(6):
        person = np.empty((1, 1), dtype=object)
        person[0, 0] = np.ones((10, 2), dtype=np.uint8)
        cells[camera, 0] = person
    scipy.io.savemat(file, {"rand_perm_cam": cells})
    with pytest.raises(VireidError, match=r"ten rows, each a permutation of 1 \.\. 2"):
        read_sysu_permutations(sysu).images(1, 1)
    scipy.io.savemat(file, {"rand_perm_cam": np.arange(6)})
    with pytest.raises(VireidError, match="must be a cell array of six cameras"):
        read_sysu_permutations(sysu)
    file.write_bytes(b"")
    with pytest.raises(VireidError, match="is not a readable MATLAB file"):
        read_sysu_permutations(sysu)
    file.unlink()
    with pytest.raises(VireidError, match=r"rand_perm_cam.mat is missing"):
        read_sysu_permutations(sysu)
