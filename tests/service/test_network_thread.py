"""One thread for the network: images of several requests together, the same numbers as one by one."""

import threading
import time

import numpy as np
import pytest

from vireid.data.listing import list_images
from vireid.retrieval import Embedder
from vireid.service.network_thread import FullError, NetworkThread
from vireid.types import VireidError


class Slow:
    """Doubles numbers, when it may; notes the batches."""

    model, dimension = "m", 1

    def __init__(self):
        self.batches = []
        self.may = threading.Event()

    def prepare(self, image, modality, name):
        raise AssertionError("the thread takes what is prepared")

    def embed_prepared(self, prepared):
        images = list(prepared)
        self.batches.append([image for _, image in images])
        assert self.may.wait(10)
        if any(image < 0 for _, image in images):
            raise VireidError("negative")
        yield [tag for tag, _ in images], np.array([[2 * image] for _, image in images], dtype=np.float32)


@pytest.fixture
def slow():
    embedder = Slow()
    yield embedder
    embedder.may.set()


def started(embedder):
    """The first batch is being worked on: what comes now waits."""
    until = time.monotonic() + 5
    while not embedder.batches and time.monotonic() < until:
        time.sleep(0.001)


def test_requests_that_wait_are_taken_together_up_to_a_batch(slow):
    seen = []
    thread = NetworkThread(slow, batch=4, gather=0.0, observe=seen.append)
    first = thread.embed([1])
    started(slow)
    later = [thread.embed([number] * 2) for number in (2, 3, 4)]
    assert thread.waiting == 6
    slow.may.set()
    assert first.result(5).tolist() == [[2]]
    assert [future.result(5).tolist() for future in later] == [[[4], [4]], [[6], [6]], [[8], [8]]]
    assert slow.batches == [[1], [2, 2, 3, 3], [4, 4]]
    assert seen == [1, 4, 2]
    thread.close()


def test_the_first_waits_a_moment_for_the_others(slow):
    slow.may.set()
    thread = NetworkThread(slow, batch=3, gather=5.0)
    began = time.monotonic()
    futures = [thread.embed([number]) for number in range(3)]
    assert [future.result(5).tolist() for future in futures] == [[[0]], [[2]], [[4]]]
    assert time.monotonic() - began < 4  # a full batch waits for nobody
    assert slow.batches == [[0, 1, 2]]
    thread.close()


def test_a_request_larger_than_a_batch_is_taken_alone(slow):
    slow.may.set()
    thread = NetworkThread(slow, batch=2, gather=0.0, max_waiting=3)
    assert thread.embed(list(range(5))).result(5).tolist() == [[0], [2], [4], [6], [8]]
    thread.close()


def test_a_full_queue_refuses(slow):
    thread = NetworkThread(slow, batch=4, gather=0.0, max_waiting=3)
    thread.embed([1])
    started(slow)
    waiting = thread.embed([2, 3])
    with pytest.raises(FullError, match="at most 3 images may wait for the network, and 2 do"):
        thread.embed([4, 5])
    slow.may.set()
    assert waiting.result(5).tolist() == [[4], [6]]
    thread.close()


def test_an_error_reaches_who_waits_and_the_thread_goes_on(slow):
    slow.may.set()
    thread = NetworkThread(slow, gather=0.0)
    with pytest.raises(VireidError, match="negative"):
        thread.embed([-1]).result(5)
    assert thread.embed([1]).result(5).tolist() == [[2]]
    thread.close()


def test_features_that_are_not_finite_are_refused(slow):
    slow.may.set()
    thread = NetworkThread(slow, gather=0.0)
    with pytest.raises(VireidError, match="model m makes features that are not finite"):
        thread.embed([float("inf")]).result(5)
    thread.close()


def test_closing_finishes_what_waits(slow):
    thread = NetworkThread(slow, batch=1, gather=0.0)
    futures = [thread.embed([number]) for number in range(3)]
    threading.Timer(0.05, slow.may.set).start()
    thread.close()
    assert [future.result(0).tolist() for future in futures] == [[[0]], [[2]], [[4]]]
    with pytest.raises(FullError, match="being stopped"):
        thread.embed([1])
    thread.close()


def test_together_is_the_same_as_one_by_one(tiny_world, tiny_run):
    embedder = Embedder.from_run(tiny_run)
    files = [tiny_world / path for path in list_images(tiny_world, ["cam1", "cam3"])[::4]]
    prepared = [embedder.prepare(file.read_bytes(), "auto", file.name) for file in files]
    alone = np.concatenate([embedder.embed([file.read_bytes()])[0] for file in files])
    assert len({one.modality for one in prepared}) == 2
    batches = []
    thread = NetworkThread(embedder, batch=64, gather=1.0, observe=batches.append)
    futures = [None] * len(prepared)

    def ask(number):
        futures[number] = thread.embed([prepared[number]])

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(len(prepared))]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    together = np.concatenate([future.result(20) for future in futures])
    thread.close()
    assert max(batches) > 1
    np.testing.assert_allclose(together, alone, atol=1e-5)
