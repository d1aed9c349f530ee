"""The pixel cache: bit for bit what decoding gives, whatever happened to its files or to the process that wrote."""

import errno
import json
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import threading
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import jaxtyping
import numpy as np
import pytest
import torch

from vireid.data import image_digests, load_batch, pixel_cache, pixel_store
from vireid.data.pixel_cache import open_pixel_cache
from vireid.data.pixel_store import PixelStore
from vireid.types import Modality, Record, Records, VireidError

SIZE = {"height": 24, "width": 12}
COUNT = 14
fork = multiprocessing.get_context("fork")


def table(root: Path, count: int = COUNT) -> Records:
    rows = [
        Record(path=f"{number:02d}.png", person=number, camera=0, modality=Modality.VISIBLE, split="train")
        for number in range(count)
    ]
    return Records.build(root, rows)


@pytest.fixture
def records(tmp_path, write_image) -> Records:
    """Noise, every third image gray, of two sizes."""
    for number in range(COUNT):
        size = (16, 32) if number % 2 else (20, 30)
        write_image(tmp_path / "world" / f"{number:02d}.png", seed=number, gray=number % 3 == 0, size=size)
    return table(tmp_path / "world")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Three images at a time, so that a store is written in several steps."""
    monkeypatch.setattr(pixel_cache, "_CHUNK", 3 * 3 * 24 * 12 + 100)


class Opened:
    """A cache with what was decoded and said on the way to it."""

    def __init__(self, records, folder, rows=None, **changes):
        self.decoded, self.said = 0, []
        rows = np.arange(len(records)) if rows is None else np.array(rows)
        arguments = {"workers": 0, "progress": self._count, "say": self.said.append} | SIZE | changes
        self.cache = open_pixel_cache(records, rows, folder=folder, **arguments)

    def _count(self, done, total):
        assert done == self.decoded + 1 <= total
        self.decoded = done


def assert_as_decoded(cache, records, rows=None, **size):
    rows = np.arange(len(records)) if rows is None else np.array(rows)
    assert torch.equal(cache.batch(rows), load_batch(records, rows, **(SIZE | size)))


def store_of(folder) -> Path:
    (found,) = folder.glob("24x12-*")
    return found


@pytest.mark.parametrize("workers", [None, 0, 2])
def test_batches_are_bit_for_bit_those_of_decoding(records, folder, workers):
    opened = Opened(records, folder, workers=workers)
    assert (opened.decoded, opened.said) == (COUNT, [])
    assert_as_decoded(opened.cache, records)
    assert_as_decoded(opened.cache, records, [5, 0, 5, 13])
    images = opened.cache.batch(np.array([2]))
    images.zero_()  # a batch is a copy: whoever changes one changes no other
    assert_as_decoded(opened.cache, records, [2])
    assert opened.cache.batch(np.array([], dtype=np.int64)).shape == (0, 3, 24, 12)


def test_the_files_do_not_depend_on_the_number_of_threads(records, tmp_path):
    for workers in (0, 2):
        Opened(records, tmp_path / f"cache{workers}", workers=workers)
    for name in ("pixels.u8", "entries.bin", "header.json"):
        one, two = (store_of(tmp_path / f"cache{workers}") / name for workers in (0, 2))
        assert one.read_bytes() == two.read_bytes()


def test_a_second_opening_reads_no_image(records, folder, monkeypatch):
    monkeypatch.setattr(image_digests, "_TICK", -1)
    Opened(records, folder)

    def refuse(file):
        raise AssertionError(f"{file} was read")

    monkeypatch.setattr(image_digests, "digest_of", refuse)
    again = Opened(records, folder)
    assert again.decoded == 0
    assert_as_decoded(again.cache, records)


def test_only_the_rows_asked_for_are_held_and_the_others_are_added_later(records, folder):
    part = Opened(records, folder, [1, 4, 4, 9])
    assert part.decoded == 3
    assert (store_of(folder) / "pixels.u8").stat().st_size == 3 * 3 * 24 * 12
    assert_as_decoded(part.cache, records, [9, 1])
    with pytest.raises(VireidError, match="row 2 is not in the pixel cache; open the cache with all rows that are"):
        part.cache.batch(np.array([1, 2]))
    with pytest.raises(VireidError, match=r"rows must lie in 0 \.\. 13, got -1 \.\. 4"):
        part.cache.batch(np.array([4, -1]))
    whole = Opened(records, folder)
    assert whole.decoded == COUNT - 3
    assert_as_decoded(whole.cache, records)
    assert_as_decoded(part.cache, records, [4, 9])


def test_one_folder_serves_several_sizes_and_data_sets(records, folder, tmp_path, write_image):
    for number in range(3):
        write_image(tmp_path / "other" / f"{number:02d}.png", seed=50 + number)
    other = table(tmp_path / "other", 3)
    opened = [Opened(records, folder), Opened(other, folder), Opened(records, folder, height=8, width=8)]
    assert [one.decoded for one in opened] == [COUNT, 3, COUNT]
    assert_as_decoded(opened[0].cache, records)
    assert_as_decoded(opened[1].cache, other)
    assert_as_decoded(opened[2].cache, records, height=8, width=8)
    assert Opened(records, folder).decoded == 0


def test_an_image_is_known_by_its_content_not_by_its_place(records, folder, tmp_path):
    shutil.copy(records.file(3), records.file(8))
    opened = Opened(records, folder)
    assert opened.decoded == COUNT - 1
    assert_as_decoded(opened.cache, records)
    moved = table(Path(shutil.move(records.root, tmp_path / "moved")))
    again = Opened(moved, folder)
    assert again.decoded == 0
    assert_as_decoded(again.cache, moved)


def change(file, write_image):
    """Another picture of the same size in bytes and with the same date."""
    facts = file.stat()
    write_image(file, seed=70)
    with file.open("ab") as stream:  # decoders do not look behind the end of a PNG
        stream.write(b" " * (facts.st_size - file.stat().st_size))
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_a_changed_image_is_decoded_anew_though_its_size_and_date_are_the_same(
    records, folder, monkeypatch, write_image
):
    monkeypatch.setattr(image_digests, "_TICK", -1)
    before = Opened(records, folder)
    old = load_batch(records, np.array([7]), **SIZE)
    time.sleep(0.02)  # more than a tick of the kernel's clock
    change(records.file(7), write_image)
    after = Opened(records, folder)
    assert after.decoded == 1
    assert_as_decoded(after.cache, records)
    assert not torch.equal(after.cache.batch(np.array([7])), old)
    assert torch.equal(before.cache.batch(np.array([7])), old), "a training at work sees no change"


def test_an_image_that_changes_within_a_tick_of_the_clock_is_decoded_anew(records, folder, monkeypatch, write_image):
    now = time.time_ns()
    monkeypatch.setattr(image_digests, "_stamp", lambda file: [100, now, now])  # a clock that stands still
    Opened(records, folder)
    change(records.file(7), write_image)
    after = Opened(records, folder)
    assert after.decoded == 1
    assert_as_decoded(after.cache, records)


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


checksums = SimpleNamespace(crc32=zlib.crc32)  # the writer's own: decoders of PNG look at checksums too


def dying_writer(records, folder, function, call):
    """Write a cache and die in the given call of a function of the writer."""
    calls = iter(range(call))
    original = getattr(*function)

    def counted(*arguments):
        return die() if next(calls, None) is None else original(*arguments)

    pixel_store.zlib = checksums
    setattr(*function, counted)
    Opened(records, folder)


MOMENTS = {
    "before any file": ((os, "fsync"), 0),
    "in the middle of the first pixels": ((checksums, "crc32"), 1),
    "pixels written, entries not": ((os, "fsync"), 1),
    "entries written, not flushed": ((os, "fsync"), 2),
    "in the middle of later pixels": ((checksums, "crc32"), 8),
    "between two steps": ((pixel_cache, "digest_of"), 9),
    "after the last pixels": ((os, "fsync"), 9),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_a_killed_writer_left_is_gone_on_from(records, folder, moment):
    function, call = MOMENTS[moment]
    writer = fork.Process(target=dying_writer, args=(records, folder, function, call))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    kept = (store_of(folder) / "entries.bin").stat().st_size // 20 if list(folder.glob("24x12-*/entries.bin")) else 0
    opened = Opened(records, folder)
    assert (opened.decoded, opened.said) == (COUNT - kept, [])
    assert_as_decoded(opened.cache, records)


def test_a_writer_killed_again_and_again_at_random_moments_comes_to_an_end(records, folder):
    random = np.random.default_rng(0)
    ends = []
    for _ in range(12):
        writer = fork.Process(target=Opened, args=(records, folder))
        writer.start()
        time.sleep(random.uniform(0, 0.03))
        writer.kill()
        writer.join()
        ends.append(writer.exitcode)
    assert -signal.SIGKILL in ends
    opened = Opened(records, folder)
    assert opened.said == []
    assert_as_decoded(opened.cache, records)


def test_a_half_written_row_is_written_over(records, folder):
    Opened(records, folder, [0, 1])
    for name, cut in (("pixels.u8", 100), ("entries.bin", 7)):
        with (store_of(folder) / name).open("ab") as stream:
            stream.write(b"\xff" * cut)
    opened = Opened(records, folder)
    assert (opened.decoded, opened.said) == (COUNT - 2, [])
    assert_as_decoded(opened.cache, records)


def cut_pixels(store):
    os.truncate(store / "pixels.u8", 1000)


def remove_pixels(store):
    (store / "pixels.u8").unlink()


def damage_header(store):
    (store / "header.json").write_text('{"format": 1, "hei')


def change_header(store):
    header = json.loads((store / "header.json").read_text())
    (store / "header.json").write_text(json.dumps(header | {"width": 13}))


def remove_header(store):
    (store / "header.json").unlink()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (cut_pixels, "its pixels are cut off"),
        (damage_header, "its header is damaged"),
        (change_header, "its header is damaged"),
        (remove_header, "it has no header"),
        (remove_pixels, ""),
    ],
)
def test_a_damaged_cache_is_made_anew_and_says_so(records, folder, damage, why):
    Opened(records, folder)
    damage(store_of(folder))
    opened = Opened(records, folder)
    assert opened.decoded == COUNT
    assert opened.said == ([f"the pixel cache {store_of(folder)} is made anew, because {why}"] if why else [])
    assert_as_decoded(opened.cache, records)
    assert Opened(records, folder).decoded == 0


def test_a_training_at_work_keeps_its_pixels_when_the_cache_is_made_anew(records, folder):
    before = Opened(records, folder)
    assert_as_decoded(before.cache, records)
    damage_header(store_of(folder))
    assert Opened(records, folder, [3, 9]).decoded == 2
    assert_as_decoded(before.cache, records)


def test_damaged_notes_of_what_files_hold_are_made_anew(records, folder):
    Opened(records, folder)
    for content in ("{", "[]", '{"format": 2, "images": {"00.png": [0]}}'):
        next(folder.glob("images-*.json")).write_text(content)
        opened = Opened(records, folder)
        assert opened.decoded == 0
        assert_as_decoded(opened.cache, records)


def test_another_version_is_refused_and_left_alone(records, folder):
    Opened(records, folder)
    header = store_of(folder) / "header.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"format": 2}))
    with pytest.raises(VireidError, match="is of format 2, this version of vireid knows format 1; choose another"):
        Opened(records, folder)
    assert (store_of(folder) / "pixels.u8").stat().st_size == COUNT * 3 * 24 * 12


def test_damaged_pixels_are_found_when_they_are_first_read(records, folder, monkeypatch):
    opened = Opened(records, folder)
    with (store_of(folder) / "pixels.u8").open("r+b") as stream:
        stream.seek(5 * 3 * 24 * 12 + 17)
        stream.write(b"\x00\x01\x02")
    assert_as_decoded(opened.cache, records, [4, 6])
    with pytest.raises(VireidError, match=r"05\.png in the cache .*24x12-\w+ are damaged; remove that folder"):
        opened.cache.batch(np.array([4, 5]))
    monkeypatch.setattr(pixel_cache, "zlib", None)
    assert_as_decoded(opened.cache, records, [6, 4])


def test_too_small_a_disk_is_said_and_leaves_decoding(records, folder, monkeypatch):
    free = 2**30 + (COUNT - 2) * 3 * 24 * 12
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda place: SimpleNamespace(free=free))
    refused = Opened(records, folder)
    assert refused.cache is None
    assert refused.said == [
        f"no pixel cache in {folder}: it needs 1.1 GB with a reserve, the disk has 1.1 GB; images are decoded whenever "
        "they are read"
    ]
    assert not list(folder.glob("*/pixels.u8"))
    assert Opened(records, folder, range(COUNT - 2)).cache is not None
    # What is there already needs no room.
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda place: SimpleNamespace(free=0))
    assert Opened(records, folder, range(COUNT - 2)).cache is not None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", [0, 1, 4])
def test_a_disk_that_fills_on_the_way_is_said_too(records, folder, monkeypatch, number, call):
    """Call 0 of fsync is that of the header, 1 of the first pixels, 4 of the second entries."""
    calls = iter(range(call))

    def fail(handle):
        if next(calls, None) is None:
            raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        refused = Opened(records, folder)
    assert refused.cache is None
    assert refused.said == [
        f"no pixel cache in {folder}: {os.strerror(number)}; images are decoded whenever they are read"
    ]
    assert_as_decoded(Opened(records, folder).cache, records)


def open_together(records, folder, barrier, answers):
    barrier.wait()
    opened = Opened(records, folder, workers=1)
    assert_as_decoded(opened.cache, records)
    answers.put(opened.decoded)


def test_of_several_that_start_at_once_one_decodes(records, folder):
    barrier, answers = fork.Barrier(3), fork.SimpleQueue()
    writers = [fork.Process(target=open_together, args=(records, folder, barrier, answers)) for _ in range(3)]
    for writer in writers:
        writer.start()
    decoded = sorted(answers.get() for _ in writers)
    for writer in writers:
        writer.join()
    assert decoded == [0, 0, COUNT]


def test_a_wait_for_another_process_is_said(records, folder):
    opened = []
    waiter = threading.Thread(target=lambda: opened.append(Opened(records, folder, say=said.append)))
    said = []
    with PixelStore(folder, **SIZE).locked(lambda text: None):
        waiter.start()
        while not said:
            time.sleep(0.01)
        assert not opened
    waiter.join()
    assert said == [f"waiting for another process that fills the pixel cache {store_of(folder)}"]
    assert_as_decoded(opened[0].cache, records)


def test_pickling_hands_on_the_place_and_not_the_pixels(records, folder):
    opened = Opened(records, folder)
    opened.cache.batch(np.arange(COUNT))
    content = pickle.dumps(opened.cache)
    assert len(content) < COUNT * 3 * 24 * 12 / 2
    assert_as_decoded(pickle.loads(content), records)
    shutil.rmtree(folder)
    with pytest.raises(VireidError, match="was removed or cut off while it was in use"):
        pickle.loads(content).batch(np.array([0]))
    assert_as_decoded(opened.cache, records)  # mapped before: the system keeps it


def anonymous_bytes() -> int:
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["RssAnon"].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_reading_takes_no_memory_that_the_system_cannot_drop(records, folder):
    size = {"height": 768, "width": 384}
    cache = Opened(records, folder, **size).cache
    cache.batch(np.array([0]))
    before = anonymous_bytes()
    for row in range(COUNT):
        cache.batch(np.array([row]))
    assert anonymous_bytes() - before < 4 * 3 * 768 * 384, "of 14 images: the cache is in private memory"


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_an_image_that_cannot_be_decoded_is_named(records, folder, content):
    records.file(6).write_bytes(content)
    with pytest.raises(VireidError, match=r"06\.png is "):
        Opened(records, folder, workers=2)
    assert Opened(records, folder, range(6)).decoded == 0, "what was decoded before is kept"


def test_an_image_that_is_not_there_is_named(records, folder):
    records.file(6).unlink()
    with pytest.raises(VireidError, match=r"there is no image .*06\.png; copy it from the data set again"):
        Opened(records, folder)


def test_an_image_that_changes_while_it_is_read_is_named(records, folder, monkeypatch):
    monkeypatch.setattr(pixel_cache, "digest_of", lambda file: b"0" * 16)
    with pytest.raises(VireidError, match=r"00\.png changed while it was being read; start again"):
        Opened(records, folder)


def test_a_folder_that_cannot_be_written_is_named(records, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(VireidError, match=r"cannot use the pixel cache .*/file/cache: .*; choose a folder that you"):
        Opened(records, tmp_path / "file" / "cache")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"height": 0}, "images need a positive height and width, got 0 x 12"),
        ({"rows": [0, COUNT]}, r"rows must lie in 0 \.\. 13, got 0 \.\. 14"),
        ({"workers": -1}, "the number of reading threads must be 0 or more, got -1"),
    ],
)
def test_arguments_out_of_range_are_refused(records, folder, changes, text):
    with pytest.raises(VireidError, match=text):
        Opened(records, folder, **changes)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("rows", "got"),
    [
        (np.array([0.0, 1.0]), r"float64 of shape \(2,\)"),
        (np.array([np.nan]), r"float64 of shape \(1,\)"),
        (np.array([[0, 1], [2, 3]]), r"int64 of shape \(2, 2\)"),
        (np.array(2), r"int64 of shape \(\)"),
        (np.arange(COUNT) > 3, rf"bool of shape \({COUNT},\)"),
        (np.array(["00.png"]), r"<U6 of shape \(1,\)"),
    ],
)
def test_rows_that_are_no_list_of_integers_are_refused(records, folder, monkeypatch, rows, got):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # outside of tests nobody else looks
    with pytest.raises(VireidError, match=f"rows must be integers on one axis, got {got}; np.flatnonzero makes"):
        open_pixel_cache(records, rows, folder=folder, **SIZE)
    assert not folder.exists()
    cache = open_pixel_cache(records, np.arange(COUNT), folder=folder, **SIZE)
    with pytest.raises(VireidError, match=f"rows must be integers on one axis, got {got}"):
        cache.batch(rows)


def test_a_folder_may_be_a_text_and_rows_a_list(records, folder, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    cache = open_pixel_cache(records, [3, 1], folder=str(folder), **SIZE)
    assert torch.equal(cache.batch([1, 3]), load_batch(records, np.array([1, 3]), **SIZE))
    assert len(open_pixel_cache(records, [], folder=str(folder), **SIZE).batch([])) == 0


def test_a_cache_taken_over_by_another_process_is_checked_anew(records, folder):
    """Its pixels may not be those any more that were checked where it comes from."""
    cache = open_pixel_cache(records, np.arange(COUNT), folder=folder, **SIZE)
    cache.batch(np.arange(COUNT))
    handed = pickle.dumps(cache)
    shutil.rmtree(folder)
    for row in range(COUNT)[::-1]:
        open_pixel_cache(records, np.array([row]), folder=folder, **SIZE)
    with pytest.raises(VireidError, match=r"in the cache .* are damaged; remove that folder"):
        pickle.loads(handed).batch(np.arange(COUNT))


def test_a_reader_keeps_its_pixels_when_the_entries_are_removed(records, folder):
    cache = open_pixel_cache(records, np.arange(COUNT), folder=folder, **SIZE)
    expected = cache.batch(np.arange(COUNT))
    next(folder.glob("*/entries.bin")).unlink()
    for row in range(COUNT)[::-1]:
        open_pixel_cache(records, np.array([row]), folder=folder, **SIZE)
    assert torch.equal(cache.batch(np.arange(COUNT)), expected)


@pytest.mark.parametrize(
    "entry", ["[]", "null", '{"00.png": 5}', '{"00.png": [1, 2, 3, "zz"]}', '{"00.png": [1, 2, "3", "00"]}']
)
def test_notes_of_another_form_are_made_anew(records, folder, entry):
    open_pixel_cache(records, np.arange(COUNT), folder=folder, **SIZE)
    notes = next(folder.glob("images-*.json"))
    notes.write_text('{"format": 1, "images": ' + entry + "}")
    cache = open_pixel_cache(records, np.arange(COUNT), folder=folder, **SIZE)
    assert torch.equal(cache.batch(np.arange(COUNT)), load_batch(records, np.arange(COUNT), **SIZE))


def test_a_wrong_note_stops_one_start_and_no_more(records, folder):
    rows = np.arange(COUNT)
    for number in range(COUNT):
        # Old enough for a note to be kept.
        os.utime(records.file(number), (1, 1))
    time.sleep(2.1)
    open_pixel_cache(records, rows, folder=folder, **SIZE)
    notes = next(folder.glob("images-*.json"))
    document = json.loads(notes.read_text())
    document["images"]["00.png"][3] = "0" * 32
    notes.write_text(json.dumps(document))
    with pytest.raises(VireidError, match="changed while it was being read"):
        open_pixel_cache(records, rows, folder=folder, **SIZE)
    cache = open_pixel_cache(records, rows, folder=folder, **SIZE)
    assert torch.equal(cache.batch(rows), load_batch(records, rows, **SIZE))


def test_a_folder_removed_while_it_is_filled_is_said(records, folder):
    def removing(done, total):
        if done == 1:
            shutil.rmtree(folder)

    with pytest.raises(VireidError, match="was removed while it was being filled; start again"):
        open_pixel_cache(records, np.arange(COUNT), folder=folder, workers=0, progress=removing, **SIZE)


def limited_writer(records, folder, room, answers):
    """Fill a cache whose files may not grow beyond some bytes, as on a file system with such a limit or a quota."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    opened = Opened(records, folder)
    answers.put((opened.cache is None, opened.said))


@pytest.mark.parametrize("images", [0, 2, 5, 13])
def test_files_that_may_not_grow_leave_decoding_and_all_that_was_written(records, folder, images):
    answers = fork.SimpleQueue()
    room = images * 3 * 24 * 12 + 500
    writer = fork.Process(target=limited_writer, args=(records, folder, room, answers))
    writer.start()
    writer.join()
    refused, said = answers.get()
    assert refused
    assert said == [f"no pixel cache in {folder}: File too large; images are decoded whenever they are read"]
    again = Opened(records, folder)
    assert again.decoded == COUNT - 3 * (images // 3), "chunks of three that were whole stay"
    assert_as_decoded(again.cache, records)
