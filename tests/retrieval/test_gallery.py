import hashlib
import threading
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow.parquet
import pytest

from vireid.retrieval import Added, Conditions, Sighting, fuse, open_gallery
from vireid.types import Embeddings, Modality, VireidError

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)


def sighting(number: int, **fields) -> Sighting:
    key = hashlib.sha256(str(number).encode()).hexdigest()
    return Sighting(**({"key": key, "path": f"{number}.jpg", "modality": Modality.VISIBLE} | fields))


def features(count: int, dimension: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with open_gallery(tmp_path_factory.mktemp("shared") / "g", create=True, model="m", dimension=8) as made:
        yield made


@pytest.fixture
def gallery(shared):
    """Empty; one folder for all tests, because making one takes longer than most of them."""
    shared.delete(Conditions(), everything=True)
    return shared


def test_adding_again_changes_nothing(gallery):
    sightings = [sighting(number, camera="door") for number in range(5)]
    assert gallery.add(sightings[:3], features(5)[:3], model="m") == Added(new=3, known=0)
    moved = [sighting(number, camera="elsewhere") for number in range(5)]
    assert gallery.add(moved, features(5, seed=1), model="m") == Added(new=2, known=3)
    assert gallery.cameras() == {"door": 3, "elsewhere": 2}
    [[match]] = gallery.search(features(5)[:1], model="m", top=1)
    assert match.sighting == sightings[0]
    assert match.score == pytest.approx(1)


def test_a_key_twice_in_one_call_is_kept_once(gallery):
    twice = [sighting(1, camera="first"), sighting(2), sighting(1, camera="second")]
    assert gallery.add(twice, features(3), model="m") == Added(new=2, known=1)
    assert gallery.cameras() == {"first": 1}
    assert gallery.add([], np.empty((0, 8), np.float32), model="m") == Added(new=0, known=0)


def test_info_counts_what_is_there(gallery):
    rows = [sighting(n, camera=f"c{n % 2}", person="ann" if n else None, track=f"t{n % 3}") for n in range(6)]
    gallery.add(rows, features(6), model="m")
    info = gallery.info()
    assert (info.sightings, info.cameras, info.persons, info.tracks) == (6, 2, 1, 3)
    assert (info.model, info.dimension) == ("m", 8)
    assert info.bytes > 6 * 8 * 4
    assert abs(info.created - datetime.now(timezone.utc)) < timedelta(hours=1)
    assert gallery.persons() == {"ann": 5}


def test_scores_are_cosines_of_features_of_any_length(gallery):
    kept = features(4) * np.array([[1e-30], [1e30], [3.0], [1.0]], dtype=np.float32)
    gallery.add([sighting(number) for number in range(4)], kept, model="m")
    [matches] = gallery.search(features(1, seed=5) * 7, model="m")
    wide = kept.astype(float)
    query = features(1, seed=5)[0].astype(float)
    cosines = [row @ query / np.linalg.norm(row) / np.linalg.norm(query) for row in wide]
    assert [match.sighting.path for match in matches] == [f"{row}.jpg" for row in np.argsort(cosines)[::-1]]
    np.testing.assert_allclose([match.score for match in matches], sorted(cosines, reverse=True), atol=1e-6)
    assert all(abs(match.score) <= 1 for query in kept for match in gallery.search(query[None], model="m")[0])


def test_no_queries_have_no_answers(gallery):
    assert gallery.search(np.empty((0, 8), np.float32), model="m") == []


def test_deletion_by_age_counts_first_and_spares_what_has_no_time(gallery):
    rows = [sighting(n, time=NOON + timedelta(days=n)) for n in range(4)] + [sighting(9)]
    gallery.add(rows, features(5), model="m")
    old = Conditions(until=NOON + timedelta(days=2))
    assert gallery.count(old) == 2
    assert gallery.delete(old) == 2
    assert gallery.count() == 3
    gallery.compact()
    assert gallery.count() == 3


def test_no_file_holds_what_was_deleted_after_compacting(tmp_path):
    def files_with(word: bytes) -> list[str]:
        return [str(file) for file in tmp_path.rglob("*") if file.is_file() and word in file.read_bytes()]

    with open_gallery(tmp_path / "g", create=True, model="m", dimension=8) as gallery:
        rows = [sighting(0, path="of-nobody.jpg"), sighting(1, path="of-somebody.jpg", person="somebody")]
        gallery.add(rows, features(2), model="m")
        assert files_with(b"somebody")
        gallery.delete(Conditions(persons=("somebody",)))
        gallery.compact()
        assert files_with(b"of-nobody")
        assert files_with(b"somebody") == []
    with open_gallery(tmp_path / "g") as gallery:
        assert gallery.add(rows, features(2), model="m") == Added(new=1, known=1)


def test_compacting_never_makes_a_gallery_larger(tmp_path):
    folder = tmp_path / "g"
    with open_gallery(folder, create=True, model="m", dimension=8) as gallery:
        gallery.add([sighting(n, camera=f"c{n % 2}") for n in range(40)], features(40), model="m")
        sizes = [gallery.info().bytes or 0]
        for _ in range(2):
            gallery.compact()
            sizes.append(gallery.info().bytes or 0)
        # A file of the log says little: less than a MiB more, where it was 40 once.
        assert max(sizes) < sizes[0] + (1 << 20)
        assert sizes[2] <= sizes[1]
    with open_gallery(folder) as gallery:
        # The log goes on behind what was pushed out of it.
        assert gallery.delete(Conditions(cameras=("c0",))) == 20
        assert gallery.add([sighting(100)], features(1, seed=1), model="m").new == 1
    with open_gallery(folder) as gallery:
        assert gallery.cameras() == {"c1": 20}
        assert gallery.count() == 21
        gallery.compact()
        assert gallery.count() == 21


def test_deleting_everything_must_be_said(gallery):
    gallery.add([sighting(1)], features(1), model="m")
    with pytest.raises(VireidError, match=r"would delete all of gallery .* pass everything=True"):
        gallery.delete(Conditions())
    assert gallery.delete(Conditions(), everything=True) == 1


def test_export_is_read_by_embeddings_and_by_parquet(gallery, tmp_path):
    time = NOON + timedelta(microseconds=7)
    rows = [sighting(0, tags=("a", "b"), time=time), sighting(1, camera="ü"), sighting(2, modality=Modality.INFRARED)]
    gallery.add(rows, features(3), model="m")
    assert gallery.export(tmp_path / "all.npz") == 3
    kept = Embeddings.load(tmp_path / "all.npz")
    order = sorted(range(3), key=lambda row: rows[row].key)
    assert kept.maker == "m"
    assert kept.paths.tolist() == [rows[row].path for row in order]
    unit = features(3) / np.linalg.norm(features(3), axis=1, keepdims=True)
    np.testing.assert_allclose(kept.features, unit[order], atol=1e-6)
    table = pyarrow.parquet.read_table(tmp_path / "all.parquet").to_pylist()
    for row, entry in zip(order, table, strict=True):
        assert entry.pop("tags") == list(rows[row].tags)
        assert entry.pop("modality") == rows[row].modality.value
        assert entry == {name: getattr(rows[row], name) for name in entry}
    assert gallery.export(tmp_path / "some.npz", Conditions(cameras=("ü",))) == 1
    assert gallery.export(tmp_path / "none.npz", Conditions(cameras=("no",))) == 0
    assert Embeddings.load(tmp_path / "none.npz").features.shape == (0, 8)
    with pytest.raises(VireidError, match=r"an export is an \.npz file .* got .*all\.csv"):
        gallery.export(tmp_path / "all.csv")


def test_bad_features_are_refused_and_nothing_is_added(gallery):
    rows = [sighting(0), sighting(1)]
    good = features(2)
    for bad, message in [
        (good[:, :5], "holds features of 8 numbers, but these have 5"),
        (good[:1], "each sighting needs one feature, got 2 and 1"),
        (good[0], r"features are floats, one row an image, got float32 of shape \(8,\)"),
        (np.stack([good[0], np.full(8, np.nan, np.float32)]), f"the first for sighting {rows[1].key}"),
        (np.stack([good[0], np.full(8, np.inf, np.float32)]), f"the first for sighting {rows[1].key}"),
        (np.stack([np.zeros(8, np.float32), good[0]]), f"zeros has no direction .* first for sighting {rows[0].key}"),
    ]:
        if bad.ndim == 2:  # what is no table is refused by the shape check of the tests already
            with pytest.raises(VireidError, match=message):
                gallery.add(rows, bad, model="m")
    assert gallery.count() == 0


def test_bad_queries_are_refused(gallery):
    with pytest.raises(VireidError, match="at least 1 result a query, got top 0"):
        gallery.search(features(1), model="m", top=0)
    with pytest.raises(VireidError, match="the first for query 1"):
        gallery.search(np.stack([features(1)[0], np.zeros(8, np.float32)]), model="m")
    with pytest.raises(VireidError, match="these have 3"):
        gallery.search(features(1, dimension=3), model="m")


def test_features_of_another_model_are_refused_with_both_names(gallery):
    for call in (
        lambda: gallery.add([sighting(1)], features(1), model="other"),
        lambda: gallery.search(features(1), model="other"),
    ):
        with pytest.raises(VireidError, match="features of model 'm', but these come from model 'other'"):
            call()


def test_several_threads_add_search_delete_and_compact(gallery):
    errors = []

    def work(worker: int) -> None:
        try:
            for step in range(4):
                # Half of the keys are shared with the next thread: whoever is first adds them.
                numbers = [worker * 20 + number for number in range(40)]
                rows = [sighting(number, track=f"{number // 20}") for number in numbers]
                gallery.add(rows, np.stack([features(1, seed=n)[0] for n in numbers]), model="m")
                [matches] = gallery.search(features(1, seed=worker), model="m", top=5)
                assert len(matches) == 5
                gallery.delete(Conditions(persons=("nobody",)))
                if step == worker == 1:
                    gallery.compact()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert gallery.count() == 100


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key": "0" * 63}, "64 lower-case hexadecimal digits, got '000"),
        ({"key": "A" * 64}, "64 lower-case hexadecimal digits, got 'AAA"),
        ({"key": "../" + "0" * 61}, "64 lower-case hexadecimal digits"),
        ({"time": datetime(2026, 11, 1, 12)}, r"needs a time zone, got 2026-11-01T12:00:00; say which"),
        ({"time": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=3)))}, "outside the years 1 to 9999 of UTC"),
        ({"camera": ""}, "the camera of a sighting is a name, None where unknown; got ''"),
        ({"tags": ("a", "")}, "none of them empty"),
        ({"camera": "\x1b[2J"}, r"the camera of a sighting must be without control .* got '\\x1b\[2J' for '1\.jpg'"),
        ({"track": "a\tb"}, "the track of a sighting must be without control characters"),
        ({"person": "a\n"}, "the person of a sighting must be without control characters"),
        ({"tags": ("a", "b\x7f")}, "the tags of a sighting must be without control characters"),
        ({"path": "\udcff.jpg"}, "is no Unicode text and cannot be kept"),
    ],
)
def test_bad_sightings_are_refused(fields, message):
    with pytest.raises(VireidError, match=message):
        sighting(1, **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"since": datetime(2026, 11, 1)}, "the condition 'since' needs a time zone"),
        ({"since": NOON, "until": NOON}, "a span of time ends after it starts"),
    ],
)
def test_bad_conditions_are_refused(fields, message):
    with pytest.raises(VireidError, match=message):
        Conditions(**fields)


def test_fusing_is_the_mean_of_directions():
    rows = np.array([[10, 0, 0], [0, 0.1, 0]], dtype=np.float32)
    np.testing.assert_allclose(fuse(rows), [np.sqrt(0.5), np.sqrt(0.5), 0], atol=1e-6)
    np.testing.assert_allclose(fuse(rows[:1]), [1, 0, 0])
    assert fuse(features(6)).dtype == np.float32
    np.testing.assert_allclose(fuse(features(6)), fuse(features(6)[::-1]), atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.empty((0, 3)), "at least one"),
        (np.array([[1.0, 0], [0, 0]]), "the first for image 1"),
        (np.array([[1.0, 0], [-2, 0]]), "point in opposite directions and cancel"),
    ],
)
def test_what_cannot_be_fused_is_refused(rows, message):
    with pytest.raises(VireidError, match=message):
        fuse(rows)


def test_what_is_there_can_be_gone_through(gallery):
    gallery.add([sighting(number, track=f"t{number % 2}") for number in range(5)], features(5), model="m")
    keys = [sighting(number).key for number in range(7)]
    assert gallery.known(keys) == set(keys[:5])
    assert gallery.tracks() == {"t0": 3, "t1": 2}
    seen = [(one.key, row) for some, rows in gallery.each(Conditions(tracks=("t1",))) for one, row in zip(some, rows)]
    assert [key for key, _ in seen] == sorted([keys[1], keys[3]])
    assert all(np.isclose(np.linalg.norm(row), 1) for _, row in seen)
