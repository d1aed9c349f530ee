import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vireid.data.listing import check_files, check_relative, is_image_name, list_images, walk_images
from vireid.types import VireidError


class Reversed:
    """What os.scandir gives, in an order that no file system promises."""

    def __init__(self, folder: Path) -> None:
        with REAL_SCANDIR(folder) as entries:
            self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

    def __enter__(self):
        return iter(self.entries)

    def __exit__(self, *failure: object) -> None:
        pass


REAL_SCANDIR = os.scandir


def test_order_is_that_of_whole_paths_whatever_the_file_system_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("b/1.jpg", "a/2.png", "a/10.bmp", "a-b/1.jpeg", "a/deep/er/1.JPG", "a/.hidden/1.jpg", "c/1.jpg"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    wanted = ["a-b/1.jpeg", "a/10.bmp", "a/2.png", "a/deep/er/1.JPG", "b/1.jpg"]
    assert list_images(tmp_path, ["b", "a-b", "a", "absent"]) == wanted
    monkeypatch.setattr(os, "scandir", Reversed)
    assert list_images(tmp_path, ["a", "b", "a-b", "a"]) == wanted
    assert list_images(tmp_path, [""]) == [*wanted, "c/1.jpg"]


pieces = st.sampled_from(["a", "b.jpg", "..", ".", "", "c:", "x\\y", "\0", "ä", " ", "...", "cam1"])


@given(st.lists(pieces, max_size=5).map("/".join))
def test_an_accepted_path_stays_below_the_root(path: str) -> None:
    try:
        check_relative(path, "a list")
    except VireidError:
        return
    below = os.path.normpath(f"/root/{path}")
    assert below == f"/root/{path}"
    assert PurePosixPath(below).is_relative_to("/root")
    assert not PurePosixPath(path).is_absolute()


@given(st.text(max_size=12))
def test_an_image_name_ends_in_a_suffix_and_is_not_hidden(name: str) -> None:
    assert is_image_name(f"a{name}.JpEg")
    assert not is_image_name(f".{name}.jpg")
    assert not is_image_name(f"{name}.jpg.part")


def test_folders_and_dangling_links_are_not_images(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "good.jpg").touch()
    with pytest.raises(VireidError, match=r"2 of 3 images that a list names .*\(folder.jpg, dangling.jpg\)"):
        check_files(tmp_path, ["folder.jpg", "dangling.jpg", "good.jpg"], "a list")
    assert list_images(tmp_path, [""]) == ["dangling.jpg", "good.jpg"]


def test_images_one_by_one(tmp_path: Path) -> None:
    for path in ("b/2.jpg", "b/1.jpg", "a.jpg", "c/3.jpg", ".hidden/4.jpg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    walk = walk_images(tmp_path)
    assert next(walk) == "a.jpg"
    # What lies in a folder is looked at when its turn comes.
    (tmp_path / "c" / "0.jpg").touch()
    assert list(walk) == ["b/1.jpg", "b/2.jpg", "c/0.jpg", "c/3.jpg"]
    assert list(walk_images(tmp_path, "b")) == ["b/1.jpg", "b/2.jpg"]
