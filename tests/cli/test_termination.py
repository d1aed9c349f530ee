"""What SIGTERM does to a block, once, and what is said of it."""

import os
import signal
import threading

import pytest

from vireid.cli.termination import (
    TERMINATED,
    ended_by_termination,
    kept_after,
    telling_what_is_kept,
    termination_noted,
)


def tell_to_end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_second_warning_does_not_break_off_what_the_first_set_going():
    before = signal.getsignal(signal.SIGTERM)
    tidied = []

    def work():
        try:
            tell_to_end()
        finally:
            tell_to_end()
            tidied.append("file")

    with pytest.raises(SystemExit) as ended, ended_by_termination():
        work()
    assert ended.value.code == TERMINATED == 143
    assert tidied == ["file"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_warning_that_got_lost_can_be_given_again(monkeypatch):
    monkeypatch.setattr("vireid.cli.termination._UNWINDING", 0.0)
    ends = []
    with ended_by_termination():
        for _ in range(2):
            try:
                tell_to_end()
            except SystemExit as ending:
                ends.append(ending.code)
    assert ends == [TERMINATED, TERMINATED]


def test_who_ignores_the_warning_goes_on():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ended_by_termination():
            tell_to_end()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_leave_signals_alone():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work():
        with ended_by_termination(), termination_noted() as told:
            seen.extend([signal.getsignal(signal.SIGTERM), told()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before, False]


def test_a_training_in_a_command_is_told_and_goes_on():
    with ended_by_termination(), termination_noted() as told:
        tell_to_end()
        assert told()


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), SystemExit(TERMINATED)])
def test_what_was_started_says_how_it_goes_on(ending):
    assert kept_after(ending) == ""
    with (
        pytest.raises(type(ending)) as ended,
        telling_what_is_kept("start the sweep again"),
        telling_what_is_kept("resume the training"),
    ):
        raise ending
    assert kept_after(ended.value) == "start the sweep again"
