"""Images by key: only what has that hash, only from where it may be."""

import pytest
from serving import key_of, picture

from vireid.retrieval import Sighting
from vireid.service.image_shelf import ImageShelf
from vireid.types import Modality, VireidError


def sighting(content, path=""):
    return Sighting(key=key_of(content), path=str(path), modality=Modality.VISIBLE)


def test_a_kept_image_comes_back(tmp_path):
    shelf = ImageShelf(tmp_path / "images", None)
    image = picture(1)
    key = key_of(image)
    assert shelf.keep(key, image) == f"images/{key[:2]}/{key}.png"
    assert shelf.has(sighting(image))
    assert shelf.read(sighting(image)) == (image, "image/png")
    assert list(shelf.kept_keys()) == [key]
    shelf.forget([key])
    assert not shelf.has(sighting(image))
    assert shelf.read(sighting(image)) is None


@pytest.mark.parametrize("given", ["absolute", "relative"])
def test_an_indexed_image_is_read_below_the_root(tmp_path, given):
    root, image = tmp_path / "crops", picture(1)
    (root / "cam").mkdir(parents=True)
    (root / "cam" / "a.png").write_bytes(image)
    path = root / "cam" / "a.png" if given == "absolute" else "cam/a.png"
    assert ImageShelf(None, root).read(sighting(image, path)) == (image, "image/png")
    assert ImageShelf(None, None).read(sighting(image, path)) is None


def test_nothing_outside_the_root_is_read(tmp_path):
    root, image = tmp_path / "crops", picture(1)
    root.mkdir()
    secret = tmp_path / "secret.png"
    secret.write_bytes(image)
    (root / "link.png").symlink_to(secret)
    shelf = ImageShelf(None, root)
    for path in (secret, "../secret.png", root / "link.png", root / ".." / "secret.png", "a\0b", "x" * 5000, root):
        assert shelf.read(sighting(image, path)) is None
        assert not shelf.has(sighting(image, path))


def test_a_file_that_has_changed_is_not_what_was_embedded(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(picture(2))
    assert ImageShelf(None, tmp_path).read(sighting(picture(1), file)) is None


def test_a_file_that_is_no_image_is_not_handed_out(tmp_path):
    text = b"<html>"
    (tmp_path / "a.png").write_bytes(text)
    assert ImageShelf(None, tmp_path).read(sighting(text, tmp_path / "a.png")) is None


def test_a_root_must_be_there(tmp_path):
    with pytest.raises(VireidError, match="root of the images must be a folder"):
        ImageShelf(None, tmp_path / "none")
