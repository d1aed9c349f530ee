"""Embedding: each image through the stems of its modality, in the order asked for, whatever the batches and workers."""

import copy
import importlib
import shutil
import threading
from unittest.mock import Mock

import jaxtyping
import numpy as np
import pytest
import torch
from PIL import Image

from vireid.data import open_pixel_cache, read
from vireid.models import build_network, load_network
from vireid.retrieval import autocast_type, embed_records
from vireid.retrieval.embedding_batches import usual_batch_size
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError

embedder = importlib.import_module("vireid.retrieval.embedder")


@pytest.fixture(scope="module")
def network():
    """Untrained, so that its sums are well conditioned, with stems that differ as training makes them."""
    network = build_network(
        identities=3,
        image_size=(32, 16),
        backbone="resnet10t",
        backbone_options={"channels": (8, 16, 24, 32)},
        weights="none",
        nonlocal_blocks=(0, 0, 0, 0),
        mimb_tokens=8,
        mimb_heads=2,
    )
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.stems.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
    return network.eval()


@pytest.fixture(scope="module")
def records(tiny_world):
    return read("sysu", tiny_world, splits=("test",))


@pytest.fixture(scope="module")
def all_at_once(network, records):
    return embed_records(network, records, batch_size=1000)


def slowly(network, records, row, feature="bn", *, mirrored=False):
    """One image by Pillow and hand, through the stems of its own modality."""
    height, width = network.image_size
    image = Image.open(records.file(row)).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    modality = Modality.INFRARED if records.infrared[row] else Modality.VISIBLE
    with torch.no_grad():
        return network.embed(evaluation_view(pixels), modality, feature)[0].numpy()


@pytest.mark.parametrize("feature", ["bn", "pool"])
def test_each_image_goes_through_the_stems_of_its_own_modality(network, records, feature):
    embeddings = embed_records(network, records, feature=feature)
    assert embeddings.features.shape == (len(records), network.embedding_dimension)
    for row in (0, int(np.flatnonzero(records.infrared)[0]), len(records) - 1):
        np.testing.assert_allclose(embeddings.features[row], slowly(network, records, row, feature), atol=1e-5)
    # The other modality's stems would give something else, so the comparison above can fail.
    wrong = network.embed(evaluation_view(torch.zeros(1, 3, 32, 16, dtype=torch.uint8)), Modality.INFRARED, feature)
    right = network.embed(evaluation_view(torch.zeros(1, 3, 32, 16, dtype=torch.uint8)), Modality.VISIBLE, feature)
    assert (wrong - right).abs().max() > 1e-4


def test_features_have_length_one(all_at_once):
    np.testing.assert_allclose(np.linalg.norm(all_at_once.features, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("feature", ["bn", "pool"])
def test_mirroring_averages_the_image_and_its_mirror_image(network, records, feature):
    rows = np.array([len(records) - 1, 0, int(np.flatnonzero(records.infrared)[0])])
    embeddings = embed_records(network, records, rows, feature=feature, mirror=True)
    plain = embed_records(network, records, rows, feature=feature)
    for place, row in enumerate(rows.tolist()):
        both = [slowly(network, records, row, feature, mirrored=mirrored) for mirrored in (False, True)]
        mean = np.mean(both, axis=0)
        np.testing.assert_allclose(embeddings.features[place], mean / np.linalg.norm(mean), atol=1e-5)
    assert np.abs(embeddings.features - plain.features).max() > 1e-3
    assert embeddings.paths.tolist() == plain.paths.tolist()


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_the_size_of_a_batch_does_not_change_the_result(network, records, all_at_once, batch_size):
    embeddings = embed_records(network, records, batch_size=batch_size)
    np.testing.assert_allclose(embeddings.features, all_at_once.features, atol=1e-5)


def test_a_cache_gives_the_same_vectors(network, records, tmp_path):
    rows = np.flatnonzero(records.persons != records.persons[0])
    height, width = network.image_size
    cache = open_pixel_cache(records, rows, folder=tmp_path, height=height, width=width)
    cached = embed_records(network, records, rows, cache=cache)
    np.testing.assert_array_equal(cached.features, embed_records(network, records, rows).features)
    with pytest.raises(VireidError, match="is not in the pixel cache"):
        embed_records(network, records, cache=cache)
    other = open_pixel_cache(records, rows, folder=tmp_path, height=height, width=height)
    with pytest.raises(VireidError, match=r"must hold the images that are embedded, .* in 32 x 16 .* in 32 x 32"):
        embed_records(network, records, rows, cache=other)


def test_half_precision_is_near_and_only_asked_for(network, records, all_at_once):
    half = embed_records(network, records, batch_size=1000, precision="bf16").features
    assert half.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(half, axis=1), 1, atol=1e-5)
    assert not np.array_equal(half, all_at_once.features)
    # Far off for single numbers of so small and untrained a network, near for what a search makes of them.
    assert (half * all_at_once.features).sum(axis=1).min() > 0.98
    single = embed_records(network, records, batch_size=1000, precision="32").features
    np.testing.assert_array_equal(single, all_at_once.features)


@pytest.mark.parametrize(
    ("precision", "device", "kind"),
    [
        ("auto", "cpu", None),
        ("32", "cpu", None),
        ("bf16", "cpu", torch.bfloat16),
        ("auto", "cuda", torch.bfloat16),
        ("32", "cuda", None),
        ("16", "cuda", torch.float16),
    ],
)
def test_what_a_device_computes_in(precision, device, kind, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert autocast_type(precision, torch.device(device)) == kind


def test_another_precision_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match="must be 'auto', '32', 'bf16' or '16', got 'half'"):
        autocast_type("half", torch.device("cpu"))


def test_an_old_gpu_computes_in_float16(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    assert autocast_type("auto", torch.device("cuda")) == torch.float16


@pytest.mark.parametrize(
    ("device", "size", "count"),
    [
        ("cpu", (384, 192), 8),
        ("cpu", (96, 48), 64),
        ("cpu", (2000, 1000), 1),
        ("cuda", (384, 192), 128),
        ("cuda", (32, 16), 1024),
    ],
)
def test_batches_by_device_and_size_of_an_image(device, size, count):
    assert usual_batch_size(torch.device(device), size) == count


def test_two_stems_of_a_modality_share_one_pass_of_the_trunk(network):
    counts = {}

    def count(name):
        return lambda *ignored: counts.update({name: counts.get(name, 0) + 1})

    parts = {"stem": network.stems["visible_global"], "other stem": network.stems["visible_channel"]}
    parts |= {f"stage {number}": stage for number, stage in enumerate(network.stages, start=1)}
    hooks = [part.register_forward_hook(count(name)) for name, part in parts.items()]
    images = evaluation_view(torch.zeros(4, 3, 32, 16, dtype=torch.uint8))
    with torch.inference_mode():
        network.embed(images, Modality.VISIBLE)
    for hook in hooks:
        hook.remove()
    assert counts == dict.fromkeys(parts, 1)


def test_nothing_in_the_network_waits_for_a_device(network):
    # Tensors of this device have no values: whatever looks at one fails.
    there = copy.deepcopy(network).to("meta")
    pixels = torch.zeros(2, 3, 32, 16, dtype=torch.uint8)
    for mirror in (False, True):
        vectors = embedder._embed(there, pixels, Modality.VISIBLE, "bn", mirror, None)
        assert vectors.device.type == "meta"
        assert vectors.shape == (2, network.embedding_dimension)


def test_vectors_are_fetched_from_a_gpu_after_the_next_batch_was_launched(monkeypatch):
    done = []

    class OnGpu:
        device = torch.device("cuda")

        def __init__(self, number):
            done.append(f"launch {number}")
            self.number = number

        def to(self, device, *, non_blocking):
            assert (device, non_blocking) == ("cpu", True)
            done.append(f"copy {self.number}")
            return torch.full((1, 2), float(self.number))

    def record_event():
        event, number = Mock(spec=torch.Event), done[-1][-1]
        event.synchronize = lambda: done.append(f"wait {number}")
        return event

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Mock(record_event=record_event))
    arrays = list(embedder._fetched(map(OnGpu, range(3))))
    assert [float(array[0, 0]) for array in arrays] == [0, 1, 2]
    assert done == ["launch 0", "copy 0", "launch 1", "copy 1", "wait 0", "launch 2", "copy 2", "wait 1", "wait 2"]


def test_on_a_processor_each_batch_is_counted_when_it_is_done():
    launched = []
    vectors = (launched.append(number) or torch.ones(1, 2) for number in range(3))
    assert [len(launched) for _ in embedder._fetched(vectors)] == [1, 2, 3]


def test_who_stops_early_leaves_no_thread_behind(network, records):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_records(network, records, batch_size=2, progress=stop)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("load_ahead")]


def test_rows_keep_the_order_that_they_are_asked_for(network, records, all_at_once):
    rows = np.random.default_rng(0).permutation(len(records))[:9]
    assert records.infrared[rows].any()
    assert not records.infrared[rows].all()
    embeddings = embed_records(network, records, rows, batch_size=4)
    assert embeddings.paths.tolist() == records.paths[rows].tolist()
    np.testing.assert_allclose(embeddings.features, all_at_once.features[rows], atol=1e-5)


def test_another_process_reads_the_same(network, records):
    alone = embed_records(network, records, batch_size=16)
    helped = embed_records(network, records, batch_size=16, workers=1)
    np.testing.assert_array_equal(helped.features, alone.features)
    assert helped.paths.tolist() == alone.paths.tolist()


def test_progress_counts_every_image(network, records):
    seen = []
    embed_records(network, records, batch_size=16, progress=lambda done, total: seen.append((done, total)))
    done = [each for each, _ in seen]
    assert done == sorted(set(done))
    assert seen[-1] == (len(records), len(records))
    assert {total for _, total in seen} == {len(records)}
    assert len(seen) >= len(records) / 16


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_named(network, tiny_world, tmp_path, workers):
    root = tmp_path / "world"
    shutil.copytree(tiny_world, root)
    records = read("sysu", root, splits=("test",))
    bad = records.file(3)
    bad.write_bytes(bad.read_bytes()[:300])
    with pytest.raises(VireidError, match="cannot be decoded") as caught:
        embed_records(network, records, workers=workers)
    assert str(bad) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_features_that_are_not_finite_are_refused_by_path(tiny_run, records):
    broken, _ = load_network(tiny_run)
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    with pytest.raises(VireidError, match=r"every feature must be finite, but .* the first for 'cam\d/"):
        embed_records(broken, records)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"rows": np.array([], dtype=np.int64)}, "there are no images to embed"),
        ({"rows": np.array([0, 10_000])}, "rows must lie in 0 .. 41"),
        ({"rows": np.array([-1])}, "rows must lie in 0 .. 41"),
        ({"batch_size": 0}, "at least 1 image at a time"),
        ({"precision": "16"}, "precision 16 needs a CUDA GPU, got device cpu"),
        ({"workers": -1}, "reading processes must be 0 or more"),
    ],
)
def test_arguments_out_of_range_are_refused(network, records, changes, match):
    with pytest.raises(VireidError, match=match):
        embed_records(network, records, **changes)
