import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from vireid.data import DATASETS, HOW_TO_OBTAIN, Diagnosis, Fault, diagnose
from vireid.data.image_scan import colour_of
from vireid.synthetic import write_world
from vireid.types import VireidError


def faults(diagnosis: Diagnosis, severity: str) -> list[str]:
    return [str(found) for found in diagnosis.faults if found.severity == severity]


def only(diagnosis: Diagnosis, text: str) -> Fault:
    found = [one for one in diagnosis.faults if text in one.what]
    assert len(found) == 1, [str(one) for one in diagnosis.faults]
    return found[0]


def test_a_sound_sysu_tree(sysu: Path) -> None:
    calls: list[tuple[int, int]] = []
    diagnosis = diagnose(
        "sysu",
        sysu,
        identities_per_step=2,
        images_per_identity=2,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert not diagnosis.failed
    assert faults(diagnosis, "warning") == []
    assert only(diagnosis, "in no split").count == 12  # identity 6
    assert only(diagnosis, "differ from those of the data set as published").severity == "note"
    assert [
        (count.split, count.modality, count.persons, count.cameras, count.images) for count in diagnosis.counts
    ] == [
        ("train", "visible", 3, 4, 24),
        ("train", "infrared", 3, 2, 12),
        ("test", "visible", 2, 4, 16),
        ("test", "infrared", 2, 2, 8),
    ]
    assert calls == [(done, 60) for done in range(1, 61)]
    assert (diagnosis.looked_into, diagnosis.images, diagnosis.bad_paths) == (60, 60, ())


@pytest.mark.parametrize("dataset", ["regdb", "llcm", "folder"])
def test_other_sound_trees(request: pytest.FixtureRequest, dataset: str) -> None:
    diagnosis = diagnose(dataset, request.getfixturevalue(dataset), images_per_identity=1)
    assert faults(diagnosis, "error") == []


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_made_world_of_each_layout_is_sound(tmp_path: Path, dataset: str) -> None:
    root = tmp_path / "world"
    write_world(root, layout=dataset, persons=4, images_per_camera=1, height=64, width=32, seed=0, workers=1)
    diagnosis = diagnose(dataset, root, identities_per_step=2, images_per_identity=1)
    assert faults(diagnosis, "error") == []
    assert faults(diagnosis, "warning") == []
    assert {(count.split, count.modality) for count in diagnosis.counts} >= {
        ("train", "visible"),
        ("train", "infrared"),
    }


def test_bad_images_are_named_with_their_reason(sysu: Path) -> None:
    truncated, empty, text = (sysu / f"cam1/000{person}/0001.jpg" for person in (1, 2, 4))
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 64, 3), dtype=np.uint8)).save(stream, "JPEG")
    truncated.write_bytes(stream.getvalue()[:1500])
    empty.write_bytes(b"")
    text.write_bytes(b"sorry")
    diagnosis = diagnose("sysu", sysu)
    assert diagnosis.failed
    found = only(diagnosis, "cannot be read")
    assert (found.severity, found.count) == ("error", 3)
    assert found.where[0].startswith("cam1/0001/0001.jpg cannot be decoded, it is truncated")
    assert found.where[1:] == (
        "cam1/0002/0001.jpg is an empty file",
        "cam1/0004/0001.jpg is no JPEG, PNG or BMP image",
    )
    assert diagnosis.bad_paths == ("cam1/0001/0001.jpg", "cam1/0002/0001.jpg", "cam1/0004/0001.jpg")


def test_images_are_looked_into_though_the_layout_is_at_fault(sysu: Path) -> None:
    (sysu / "exp" / "test_id.txt").write_text("")
    (sysu / "exp" / "val_id.txt").unlink()
    (sysu / "cam1" / "0001" / "0001.jpg").write_bytes(b"")
    diagnosis = diagnose("sysu", sysu)
    assert diagnosis.failed
    assert diagnosis.counts == ()
    assert diagnosis.bad_paths == ("cam1/0001/0001.jpg",)
    assert only(diagnosis, "test_id.txt is empty").severity == "error"
    assert only(diagnosis, "val_id.txt or .mat").severity == "error"


def test_identity_in_train_and_test(sysu: Path) -> None:
    (sysu / "exp" / "test_id.txt").write_text("2,3,4")
    found = only(diagnose("sysu", sysu), "no identity in common")
    assert (found.severity, found.where, found.count) == ("error", ("2", "3"), 2)


def test_same_bytes(sysu: Path) -> None:
    shutil.copy(sysu / "cam1/0001/0001.jpg", sysu / "cam1/0004/0001.jpg")  # train and test
    shutil.copy(sysu / "cam2/0001/0001.jpg", sysu / "cam2/0002/0001.jpg")  # two identities
    shutil.copy(sysu / "cam4/0001/0001.jpg", sysu / "cam4/0001/0002.jpg")  # one identity
    diagnosis = diagnose("sysu", sysu)
    leak = only(diagnosis, "no image in common")
    assert (leak.severity, leak.where) == ("error", ("cam1/0001/0001.jpg = cam1/0004/0001.jpg",))
    assert only(diagnosis, "more than one identity").severity == "warning"
    assert only(diagnosis, "there more than once").where == ("cam4/0001/0001.jpg = cam4/0001/0002.jpg",)


def test_wrong_modality(sysu: Path, write_image) -> None:
    write_image(sysu / "cam3/0001/0001.jpg", seed=77, gray=False)
    for file in (sysu / "cam5").rglob("*.jpg"):
        write_image(file, seed=int(file.parent.name) * 10 + int(file.stem), gray=True)
    diagnosis = diagnose("sysu", sysu)
    coloured = only(diagnosis, "are in colour")
    assert (coloured.severity, coloured.where) == ("error", ("cam3/0001/0001.jpg",))
    gray = only(diagnosis, "gray images only")
    assert (gray.severity, gray.where) == ("warning", ("camera 5",))


def test_tinted_infrared_is_a_warning(sysu: Path) -> None:
    ramp = np.tile(np.linspace(40, 200, 32)[:, None], (1, 16))
    Image.fromarray(np.stack([ramp * 1.1, ramp, ramp * 1.15], axis=2).astype(np.uint8)).save(
        sysu / "cam3/0001/0001.jpg", quality=95
    )
    diagnosis = diagnose("sysu", sysu)
    assert not diagnosis.failed
    assert only(diagnosis, "tinted").where == ("cam3/0001/0001.jpg",)


@pytest.mark.parametrize("quality", [5, 50, 95])
def test_a_gray_scene_stays_gray_through_colour_jpeg(quality: int) -> None:
    gray = np.random.default_rng(0).integers(0, 256, (64, 32, 1), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.repeat(gray, 3, axis=2)).save(stream, "JPEG", quality=quality)
    assert colour_of(np.asarray(Image.open(stream))) == "gray"


def test_identities_with_one_modality_only(sysu: Path) -> None:
    for camera in (3, 6):
        shutil.rmtree(sysu / f"cam{camera}" / "0001")
        shutil.rmtree(sysu / f"cam{camera}" / "0004")
    diagnosis = diagnose("sysu", sysu)
    assert not diagnosis.failed
    train, test = (one for one in diagnosis.faults if "one modality only" in one.what)
    assert ("split train" in train.what, train.where, "split test" in test.what, test.where) == (
        True,
        ("1",),
        True,
        ("4",),
    )
    for camera in (3, 6):
        shutil.rmtree(sysu / f"cam{camera}" / "0005")
    diagnosis = diagnose("sysu", sysu)
    assert diagnosis.failed
    assert only(diagnosis, "cross-modal test split needs images of both modalities").severity == "error"


def test_no_training_identity_with_both_modalities(folder: Path) -> None:
    lines = ["path,person,camera,modality,split"]
    lines += [f"visible/ann/{camera}_1.png,ann,{camera},visible,train" for camera in ("door", "yard")]
    lines += [f"infrared/bob/{camera}_1.png,bob,{camera},infrared,train" for camera in ("door", "yard")]
    (folder / "manifest.csv").write_text("\n".join(lines))
    found = only(diagnose("folder", folder), "identities with both modalities")
    assert (found.severity, found.where) == ("error", ("ann", "bob"))


def test_few_images(sysu: Path) -> None:
    (sysu / "cam1" / "0001" / "0001.jpg").unlink()
    diagnosis = diagnose("sysu", sysu, images_per_identity=8)
    assert not diagnosis.failed
    few = [one for one in diagnosis.faults if "training identities have fewer" in one.what]
    assert [one.where for one in few] == [("1",), ("1", "2", "3")]  # 7 visible images of 1; 4 infrared of each


def test_permutations_that_do_not_fit(sysu: Path) -> None:
    (sysu / "cam6" / "0005" / "0001.jpg").unlink()
    (sysu / "cam1" / "0001" / "0001.jpg").unlink()  # of the train split: does not matter
    found = only(diagnose("sysu", sysu), "rand_perm_cam.mat does not fit 1 of 12")
    assert (found.severity, found.where) == ("error", ("cam6/0005",))
    file = sysu / "exp" / "rand_perm_cam.mat"
    file.write_bytes(b"broken")
    assert only(diagnose("sysu", sysu), "not a readable MATLAB file").severity == "error"
    file.unlink()
    diagnosis = diagnose("sysu", sysu)
    assert only(diagnosis, "rand_perm_cam.mat is missing").severity == "warning"
    assert not diagnosis.failed


@pytest.mark.parametrize("broken", [False, True])
def test_lists_that_differ(sysu: Path, broken: bool) -> None:
    mat = sysu / "exp" / "test_id.mat"
    scipy.io.savemat(mat, {"id": np.array([[4, 5]])})
    assert not [one for one in diagnose("sysu", sysu).faults if "list differ" in one.what]
    scipy.io.savemat(mat, {"id": np.array([[4, 6]])})
    if broken:
        mat.write_bytes(b"broken")
    found = only(diagnose("sysu", sysu), "list differ")
    assert (found.severity, found.where) == ("warning", ("exp/test_id",))


def test_empty_small_and_oddly_shaped_images(sysu: Path, write_image) -> None:
    Image.new("RGB", (16, 32), (9, 9, 9)).save(sysu / "cam1/0001/0001.jpg")
    write_image(sysu / "cam1/0002/0001.jpg", size=(15, 30))
    write_image(sysu / "cam1/0003/0001.jpg", size=(90, 40))
    diagnosis = diagnose("sysu", sysu)
    assert not diagnosis.failed
    assert only(diagnosis, "every pixel has the same value").where == ("cam1/0001/0001.jpg",)
    assert only(diagnosis, "less than 16 pixels").where == ("cam1/0002/0001.jpg",)
    assert only(diagnosis, "shape far from the others").where == ("cam1/0003/0001.jpg (90 x 40)",)


def test_regdb_trials(regdb: Path) -> None:
    found = only(diagnose("regdb", regdb), "of the other nine trials cannot be read")
    assert (found.severity, found.count) == ("warning", 8)  # the tree has trials 1 and 2
    diagnosis = diagnose("regdb", regdb, trial=3)
    assert diagnosis.failed
    assert only(diagnosis, "train_visible_3.txt is missing").severity == "error"
    assert only(diagnosis, "test_visible_3.txt is missing").severity == "error"


def test_wrong_root_is_guessed(sysu: Path, regdb: Path, tmp_path: Path) -> None:
    assert only(diagnose("sysu", regdb), "looks like the layout of regdb").severity == "note"
    deeper = only(diagnose("sysu", sysu.parent), "one folder deeper")
    assert deeper.where == (str(sysu),)
    gone = diagnose("llcm", tmp_path / "gone")
    assert gone.failed
    assert [one.what for one in gone.faults] == [
        f"the root of a data set must be a folder, but there is nothing at {tmp_path / 'gone'}"
    ]
    with pytest.raises(VireidError, match="readers for sysu, regdb, llcm, folder"):
        diagnose("market", sysu)


def test_quick_looks_into_some(sysu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vireid.data.doctor.QUICK_SAMPLE", 7)
    diagnosis = diagnose("sysu", sysu, quick=True)
    assert (diagnosis.looked_into, diagnosis.images) == (7, 60)
    assert only(diagnosis, "only 7 of 60 images").severity == "note"


def test_errors_come_first_and_every_fault_says_what_to_do(sysu: Path) -> None:
    (sysu / "cam1" / "0001" / "0001.jpg").write_bytes(b"")
    diagnosis = diagnose("sysu", sysu, images_per_identity=99)
    severities = [one.severity for one in diagnosis.faults]
    assert severities == sorted(severities, key=("error", "warning", "note").index)
    assert set(severities) == {"error", "warning", "note"}
    assert all(one.what and one.what_to_do and one.count >= len(one.where) for one in diagnosis.faults)


def test_how_to_obtain_speaks_of_every_data_set() -> None:
    assert set(HOW_TO_OBTAIN) == set(DATASETS)


def test_fewer_identities_than_a_step_takes(sysu: Path) -> None:
    few = [one for one in diagnose("sysu", sysu, identities_per_step=99).faults if "can be trained on" in one.what]
    assert [one.severity for one in few] == ["warning"]
    assert "fewer than the 99 of a step" in few[0].what
    assert not [one for one in diagnose("sysu", sysu, identities_per_step=1).faults if "can be trained on" in one.what]


def test_folders_without_a_train_split_can_be_searched_only(tmp_path: Path) -> None:
    for modality in ("visible", "infrared"):
        folder = tmp_path / modality / "anna"
        folder.mkdir(parents=True)
        colour = (200, 30, 30) if modality == "visible" else (90, 90, 90)
        Image.new("RGB", (16, 32), colour).save(folder / "1_a.png")
    diagnosis = diagnose("folder", tmp_path)
    assert not diagnosis.failed
    assert [one.severity for one in diagnosis.faults if "not trained on" in one.what] == ["note"]
