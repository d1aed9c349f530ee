"""The embedder: images in any form give the vectors of `embed_records`, and broken ones are told apart."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from vireid.data import load_image, read
from vireid.models import fingerprint, load_network
from vireid.retrieval import Embedder, embed_records, records_of_images
from vireid.types import Modality, VireidError


@pytest.fixture(scope="module")
def embedder(tiny_run):
    return Embedder.from_run(tiny_run)


@pytest.fixture(scope="module")
def records(tiny_world):
    return read("sysu", tiny_world, splits=("test",))


@pytest.fixture(scope="module")
def files(records):
    return [records.file(row) for row in range(len(records))]


@pytest.fixture(scope="module")
def modalities(records):
    return [record.modality for record in records]


@pytest.fixture(scope="module")
def expected(tiny_run, records):
    network, _ = load_network(tiny_run)
    return embed_records(network, records).features


def test_what_it_says_of_itself(embedder, tiny_run):
    assert embedder.model == fingerprint(tiny_run, "bn")
    assert (embedder.dimension, embedder.image_size) == (32, (32, 16))
    assert Embedder.from_run(tiny_run / "weights.safetensors", feature="pool").model == fingerprint(tiny_run, "pool")


@pytest.mark.parametrize("form", ["path", "bytes", "pixels", "mixed"])
def test_every_form_of_an_image_gives_what_embed_records_gives(embedder, files, modalities, expected, form):
    forms = {"path": lambda file: file, "bytes": lambda file: file.read_bytes(), "pixels": load_image}
    order = [form] * len(files) if form != "mixed" else [list(forms)[number % 3] for number in range(len(files))]
    images = [forms[name](file) for name, file in zip(order, files)]
    features, found = embedder.embed(images, modalities)
    np.testing.assert_allclose(features, expected, atol=1e-6)
    assert found == modalities


def test_the_modality_is_found_where_nobody_says_it(embedder, files, modalities, expected):
    features, found = embedder.embed(files)
    assert found == modalities
    np.testing.assert_allclose(features, expected, atol=1e-6)
    as_told, told = embedder.embed(files[:2], Modality.INFRARED)
    assert told == [Modality.INFRARED] * 2
    assert np.abs(as_told - expected[:2]).max() > 1e-4


def test_a_folder_is_its_images(embedder, tiny_world):
    folder = tiny_world / "cam1"
    features, found = embedder.embed(folder, Modality.VISIBLE)
    table = records_of_images([folder], Modality.VISIBLE)
    again, _ = embedder.embed([table.file(row) for row in range(len(table))], Modality.VISIBLE)
    np.testing.assert_array_equal(features, again)
    assert found == [Modality.VISIBLE] * len(table)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_batches_change_the_last_digits_only(tiny_run, files, modalities, expected, batch_size):
    features, _ = Embedder.from_run(tiny_run, batch_size=batch_size).embed(files, modalities)
    np.testing.assert_allclose(features, expected, atol=2e-4)


def test_progress_ends_with_all(embedder, files):
    seen = []
    embedder.embed(files, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(files), len(files))
    assert sorted(seen) == seen


def test_no_images_give_no_rows(embedder):
    features, found = embedder.embed([])
    assert features.shape == (0, 32)
    assert found == []


def test_broken_images_are_named_or_left_out(embedder, files, expected, tmp_path):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(files[0].read_bytes()[:300])
    with pytest.raises(VireidError, match=r"cut\.jpg cannot be decoded"):
        embedder.embed([files[0], cut])
    with pytest.raises(VireidError, match=r"^image 1 is no JPEG, PNG or BMP image; give a whole JPEG, PNG or BMP"):
        embedder.embed([files[0], b"GIF89a"])
    broken = {}
    images = [cut, files[0], b"", files[1], tmp_path / "absent.jpg"]
    features, found = embedder.embed(images, on_broken=lambda number, fault: broken.update({number: str(fault)}))
    np.testing.assert_allclose(features, expected[:2], atol=1e-6)
    assert len(found) == 2
    assert sorted(broken) == [0, 2, 4]
    assert "image 2 is an empty file" in broken[2]
    assert "there is no image" in broken[4]


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(embedder, tmp_path):
    bomb = tmp_path / "bomb.png"
    Image.new("1", (9000, 9000)).save(bomb)
    for image, name in ((bomb, "bomb.png"), (bomb.read_bytes(), "image 0")):
        with pytest.raises(
            VireidError, match=rf"{name} must have at most 25000000 pixels and 100000 along a side, got 9000 x 9000"
        ):
            embedder.embed([image])


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_other_arrays_are_refused(embedder, image):
    with pytest.raises(VireidError, match=r"an image is a Path, .* of 8-bit RGB; image 0 is an array"):
        embedder.embed([image])


def test_arguments_out_of_range_are_refused(embedder, tiny_run, files):
    with pytest.raises(VireidError, match="one modality for all images or one for each, got 1 for 2 images"):
        embedder.embed(files[:2], [Modality.VISIBLE])
    with pytest.raises(VireidError, match="at least 1 image at a time, got batch_size 0"):
        Embedder.from_run(tiny_run, batch_size=0)
    with pytest.raises(VireidError, match="precision 16 needs a CUDA GPU"):
        Embedder.from_run(tiny_run, precision="16")


def test_features_that_are_not_finite_are_refused(tiny_run, files):
    network, _ = load_network(tiny_run)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(VireidError, match=r"must be finite, but .* the first for .*\.jpg; the weights of model m may"):
        Embedder(network, model="m").embed(files[:3])


def test_who_stops_early_leaves_no_thread_behind(embedder, files):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Embedder(embedder._network, model="m", batch_size=2).embed(files, progress=stop)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("load_ahead")]


def test_threads_share_an_embedder(embedder, files, modalities, expected):
    results = {}

    def work(number):
        results[number] = embedder.embed(files, modalities)[0]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for features in results.values():
        np.testing.assert_allclose(features, expected, atol=1e-6)
    assert len(results) == 3
