"""``vireid synth`` and ``vireid doctor``: what they say, where they say it, and their exit codes."""

import shutil

import pytest


def test_synth_says_in_a_sentence_what_it_made(vireid, tmp_path):
    out = tmp_path / "world"
    size = ("--persons", 4, "--images-per-camera", 1, "--height", 32, "--width", 16, "--workers", 1)
    said = vireid("synth", out, "--dataset", "regdb", *size)
    assert said.code == 0
    images = len(list(out.glob("*/*/*.*")))
    assert said.out.startswith(f"{out}: {images} images of 4 people by ")
    assert said.out.count("\n") == 1
    assert "WorldSummary" not in said.out
    again = vireid("synth", out, "--dataset", "regdb", *size)
    assert again.code == 2
    assert str(out) in again.err
    assert again.out == ""


def test_a_sound_data_set_is_exit_code_0(vireid, tiny_world):
    said = vireid("doctor", tiny_world, "--dataset", "sysu")
    assert said.code == 0
    assert said.out.startswith(f"{tiny_world}, read as sysu\n")
    assert said.out.endswith("130 of 130 images looked into: a run can start\n")
    assert "130/130" in said.err
    assert "130/130" not in said.out


@pytest.fixture
def damaged(tiny_world, tmp_path):
    root = tmp_path / "damaged"
    shutil.copytree(tiny_world, root)
    for path in ("cam1/0001/0001.jpg", "cam4/0002/0002.jpg"):
        (root / path).write_bytes((root / path).read_bytes()[:200])
    return root


def test_a_fault_says_what_where_and_what_to_do(vireid, damaged):
    said = vireid("doctor", damaged, "--dataset", "sysu")
    assert said.code == 1
    lines = said.out.splitlines()
    first = lines.index("error    2 of 130 images cannot be read")
    assert lines[first + 1].startswith("         - cam1/0001/0001.jpg cannot be decoded")
    assert lines[first + 2].startswith("         - cam4/0002/0002.jpg cannot be decoded")
    assert lines[first + 3].startswith("         to do: copy them from the data set again")
    assert lines[-1].endswith("a run would fail or be wrong")


def test_a_list_of_bad_images_holds_paths_and_nothing_else(vireid, damaged, tiny_world):
    said = vireid("doctor", damaged, "--dataset", "sysu", "--list-bad")
    assert said.code == 1
    assert said.out == "cam1/0001/0001.jpg\ncam4/0002/0002.jpg\n"
    assert vireid("doctor", tiny_world, "--dataset", "sysu", "--list-bad")[:2] == (0, "")


def test_a_list_of_bad_images_says_when_something_else_is_wrong(vireid, tiny_world, tmp_path):
    root = tmp_path / "world"
    shutil.copytree(tiny_world, root)
    for file in (root / "exp").glob("test_id.*"):
        file.unlink()
    said = vireid("doctor", root, "--dataset", "sysu", "--list-bad")
    assert (said.code, said.out) == (1, "")
    assert "other things are wrong: leave out --list-bad" in said.err


def test_a_missing_root_says_how_to_obtain_the_data_set(vireid, tmp_path):
    said = vireid("doctor", tmp_path / "no", "--dataset", "sysu")
    assert said.code == 1
    assert f"there is nothing at {tmp_path / 'no'}" in said.out
    assert "Sun Yat-sen University for research only" in said.out
    assert "persons" not in said.out  # no empty table
    assert said.err == ""  # and no empty bar


@pytest.mark.parametrize(
    ("dataset", "text"),
    [("sysu", "exp/rand_perm_cam.mat\n"), ("regdb", "Dongguk"), ("llcm", "Xiamen"), ("folder", "manifest.csv")],
)
def test_how_to_obtain_needs_no_root(vireid, dataset, text):
    said = vireid("doctor", "--dataset", dataset, "--how-to-obtain")
    assert said.code == 0
    assert text in said.out


def test_a_check_needs_a_root(vireid):
    said = vireid("doctor", "--dataset", "sysu")
    assert (said.code, said.out) == (2, "")
    assert "doctor needs the folder of a data set: vireid doctor ROOT --dataset NAME" in said.err
