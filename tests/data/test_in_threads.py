"""Work in threads: as many as asked for, or as the cores that this process may run on."""

import os
import threading

import pytest

from vireid.data import in_threads as module
from vireid.data.in_threads import in_threads
from vireid.types import VireidError


def threads_used(workers):
    """Names of the threads that work when each waits for the others."""
    count = workers or 1
    together = threading.Barrier(count, timeout=30)

    def name(number):
        together.wait()
        return threading.current_thread().name

    with in_threads(workers) as each:
        return set(each(name, range(count)))


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_threads_work_as_are_asked_for(workers):
    used = threads_used(workers)
    assert len(used) == workers
    assert threading.current_thread().name not in used


def test_with_none_the_caller_works():
    assert threads_used(0) == {threading.current_thread().name}


def test_answers_come_in_the_order_of_the_questions():
    with in_threads(3) as each:
        assert list(each(str, range(20))) == [str(number) for number in range(20)]


@pytest.mark.parametrize(("allowed", "cores", "threads"), [({4, 6, 7}, 64, 3), (None, 5, 5), (None, None, 1)])
def test_by_default_each_core_that_the_process_may_use_has_a_thread(monkeypatch, allowed, cores, threads):
    asked = []
    pool = module.ThreadPoolExecutor
    monkeypatch.setattr(module, "ThreadPoolExecutor", lambda max_workers: asked.append(max_workers) or pool(1))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    if allowed:
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: allowed, raising=False)
    else:
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    with in_threads(None) as each:
        assert list(each(abs, [-1])) == [1]
    assert asked == [threads]


def test_fewer_than_none_are_refused():
    with pytest.raises(VireidError, match="the number of reading threads must be 0 or more, got -1"), in_threads(-1):
        pass
