"""Reading ahead: the order asked for, and errors as they were raised, with and without other processes."""

import multiprocessing
import signal
import threading
import time

import pytest
from torch.utils.data import Dataset

from vireid.data import FaultError
from vireid.data.load_ahead import load_ahead
from vireid.types import VireidError


class Squares(Dataset):
    def __getitem__(self, key):
        if key == 13:
            raise FaultError("13 is not read", where=["13.jpg"], what_to_do="leave it out")
        if key == 14:
            raise ZeroDivisionError
        return key * key


@pytest.mark.parametrize(("workers", "threads"), [(0, 0), (0, 1), (0, 3), (1, 0)])
def test_items_come_in_the_order_of_their_keys(workers, threads):
    assert list(load_ahead(Squares(), [3, 1, 2, 1], workers=workers, threads=threads)) == [9, 1, 4, 1]


@pytest.mark.parametrize(("workers", "threads"), [(0, 0), (0, 1), (0, 3), (1, 0)])
def test_an_error_for_the_user_keeps_its_words(workers, threads):
    items = load_ahead(Squares(), [2, 13, 3], workers=workers, threads=threads)
    assert next(items) == 4
    with pytest.raises(VireidError) as caught:
        next(items)
    assert str(caught.value) == "13 is not read (13.jpg); leave it out"
    assert multiprocessing.active_children() == [], "who keeps the error waits for a process at the program's end"


class Waiting(Dataset):
    """Says when an item is begun, and finishes it when it is let go."""

    def __init__(self):
        self.begun, self.free = [], threading.Event()

    def __getitem__(self, key):
        self.begun.append(key)
        assert self.free.wait(10)
        return key


def reading_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("load_ahead")]


def until(condition):
    ends = time.monotonic() + 10
    while not condition() and time.monotonic() < ends:
        time.sleep(0.001)
    return condition()


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_work_ahead_while_an_item_is_used(threads):
    data = Waiting()
    data.free.set()
    items = load_ahead(data, range(100), workers=0, threads=threads)
    time.sleep(0.01)
    assert data.begun == []
    assert next(items) == 0
    # The item that is used, one for each thread, and one more.
    assert until(lambda: len(data.begun) == threads + 2)
    time.sleep(0.02)
    assert len(data.begun) == threads + 2
    items.close()
    assert reading_threads() == []


def test_who_stops_early_leaves_no_thread_behind():
    items = load_ahead(Squares(), range(2, 1000), workers=0, threads=2)
    for item in items:
        assert reading_threads()
        if item == 81:
            break
    items.close()
    assert reading_threads() == []


def test_an_error_comes_in_its_turn_and_ends_the_threads():
    data = Squares()
    items = load_ahead(data, [1, 2, 13, 14], workers=0, threads=3)
    assert [next(items), next(items)] == [1, 4]
    with pytest.raises(VireidError, match="13 is not read"):
        next(items)
    assert reading_threads() == []


@pytest.mark.parametrize(("counts", "what"), [({"workers": -1}, "processes"), ({"threads": -1}, "threads")])
def test_counts_below_zero_are_refused(counts, what):
    with pytest.raises(VireidError, match=f"the number of reading {what} must be 0 or more, got -1"):
        next(load_ahead(Squares(), [1], **{"workers": 0, **counts}))


@pytest.mark.parametrize(("workers", "threads"), [(0, 0), (0, 1), (0, 3), (1, 0)])
def test_any_other_error_is_not_swallowed(workers, threads):
    with pytest.raises(ZeroDivisionError):
        list(load_ahead(Squares(), [14], workers=workers, threads=threads))


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)], ids=["ctrl-c", "sigterm"]
)
def test_who_is_ended_while_processes_start_leaves_none_behind(monkeypatch, number, error):
    def end(number, frame):
        raise error

    start = multiprocessing.Process.start

    def started_and_ended(process):
        start(process)
        signal.raise_signal(number)

    monkeypatch.setattr(multiprocessing.Process, "start", started_and_ended)
    before = signal.signal(number, end)
    try:
        with pytest.raises(error):
            next(load_ahead(Squares(), [1, 2], workers=2))
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    assert multiprocessing.active_children() == []
