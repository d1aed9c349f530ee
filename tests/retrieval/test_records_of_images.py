"""Plain images as a table (src/vireid/retrieval/listing.py)."""

from pathlib import Path

import pytest

from vireid.retrieval import records_of_images
from vireid.types import Modality, VireidError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("day/b.JPG", "day/a.png", "day/deep/er/c.bmp", "day/.hidden.png", "day/notes.txt", "night/d.jpeg"):
        file = tmp_path / "crops" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "crops" / "empty").mkdir()
    return tmp_path / "crops"


def test_a_folder_is_searched_to_any_depth(tree):
    records = records_of_images([tree / "day"], Modality.INFRARED)
    assert records.root == tree / "day"
    assert records.paths.tolist() == ["a.png", "b.JPG", "deep/er/c.bmp"]
    assert records.infrared.all()
    assert set(records.persons.tolist()) == {-1}
    assert all(records.file(row).is_file() for row in range(3))


def test_places_together_stand_under_their_common_folder_each_image_once(tree):
    records = records_of_images([tree / "night", tree / "day" / "a.png", tree / "day"], Modality.VISIBLE)
    assert records.root == tree
    assert records.paths.tolist() == ["day/a.png", "day/b.JPG", "day/deep/er/c.bmp", "night/d.jpeg"]
    assert not records.infrared.any()


def test_one_image_is_enough(tree):
    records = records_of_images([tree / "day" / "a.png"], Modality.VISIBLE)
    assert (records.root, records.paths.tolist()) == (tree / "day", ["a.png"])


def test_the_root_can_be_given(tree, monkeypatch):
    monkeypatch.chdir(tree / "day")
    for root in (tree, Path("..")):
        records = records_of_images([Path("deep")], Modality.VISIBLE, root=root)
        assert (records.root, records.paths.tolist()) == (tree, ["day/deep/er/c.bmp"])


def test_an_image_outside_the_root_is_refused(tree):
    message = (
        f"every image must lie below the root {tree / 'night'}, but {tree / 'day' / 'a.png'} does not; take a root"
    )
    with pytest.raises(VireidError) as caught:
        records_of_images([tree / "day"], Modality.VISIBLE, root=tree / "night")
    assert str(caught.value).startswith(message)


def test_a_place_may_be_hidden_or_a_link_but_no_link_leads_out_of_it(tree):
    (tree / "link").symlink_to(tree / "day")
    assert records_of_images([tree / "link"], Modality.VISIBLE).paths.tolist() == ["a.png", "b.JPG", "deep/er/c.bmp"]
    (tree / "night").rename(tree / ".night")
    assert len(records_of_images([tree / ".night"], Modality.VISIBLE)) == 1
    (tree / ".night" / "out").symlink_to(tree / "day")
    with pytest.raises(VireidError, match="symbolic links must stay below the root"):
        records_of_images([tree / ".night"], Modality.VISIBLE)


def test_nothing_to_list_is_refused(tree):
    with pytest.raises(VireidError, match="give at least one image or folder"):
        records_of_images([], Modality.VISIBLE)
    with pytest.raises(VireidError, match=r"there are no images in .*empty \(.jpg, .jpeg, .png, .bmp are read\)"):
        records_of_images([tree / "empty"], Modality.VISIBLE)
    with pytest.raises(VireidError, match=r"there is no image or folder .*nowhere"):
        records_of_images([tree / "nowhere"], Modality.VISIBLE)


def test_part_maps_beside_their_images_are_no_people(tree):
    """What `vireid synth --part-maps` writes; a folder that is only called so holds images like any other."""
    for name in ("day/parts/a.png", "day/parts/deep/er/c.png", "day/parts/unknown.png", "night/parts/d/x.png"):
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    records = records_of_images([tree / "day"], Modality.VISIBLE)
    assert records.paths.tolist() == ["a.png", "b.JPG", "deep/er/c.bmp", "parts/unknown.png"]
    assert len(records_of_images([tree / "night"], Modality.INFRARED)) == 2
    assert len(records_of_images([tree / "day" / "parts"], Modality.VISIBLE)) == 3
