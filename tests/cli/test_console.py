"""Printing: whole lines in files, whole words on terminals, and bars that do not outlive an error."""

import io
import re

import pytest
from rich.console import Console

from vireid.cli import console as module
from vireid.cli.console import printable, progress_bar, say
from vireid.types import VireidError

PATH = "/a/very/long/path/that/must/not/be/broken/in/the/middle/of/a/word/because/it/is/copied/image-0001.jpg"


def terminal(width=60):
    return Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False, no_color=True)


def test_a_line_in_a_file_stays_whole(capsys):
    say(f"one {PATH} two [bold] three", indent="    ")
    assert capsys.readouterr().out == f"one {PATH} two [bold] three\n"


def test_a_line_on_a_terminal_breaks_between_words_and_keeps_its_indent():
    console = terminal()
    say(f"  {'word ' * 15}{PATH} end", indent="  ", to=console)
    lines = console.file.getvalue().splitlines()
    assert PATH in console.file.getvalue()
    assert all(len(line) <= 60 or PATH in line for line in lines)
    assert lines[0].startswith("  word")
    assert all(line.startswith("    ") for line in lines[1:])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("yard 2 é 夜\\cam", "yard 2 é 夜\\cam"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
        ("\x1b]0;title\x07\x7f", r"\x1b]0;title\x07\x7f"),
        ("\x9b2J\x85", r"\x9b2J\x85"),  # the controls of one byte, and a line end of Unicode
        ("\u2028\udcff", r"\u2028\udcff"),
    ],
)
def test_what_would_act_on_a_terminal_is_spelled_out(text, shown):
    assert printable(text) == shown


@pytest.fixture
def bar_console(monkeypatch):
    console = terminal(80)
    monkeypatch.setattr(module, "progress_console", console)
    return console


def shown(console):
    """What stays on the screen of the lines that a bar wrote and erased."""
    return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", console.file.getvalue().rpartition("\x1b[2K")[2]).strip()


def test_a_finished_bar_says_how_many_how_fast_and_how_long(bar_console):
    with progress_bar("embedding") as update:
        update(1, 3)
        update(3, 3)
    line = shown(bar_console)
    assert "embedding" in line
    assert "3/3" in line
    assert "images/s in 0:00" in line
    assert "left" not in line


def test_no_bar_is_left_behind_by_an_error(bar_console):
    def fail():
        with progress_bar("embedding") as update:
            update(1, 3)
            raise VireidError("no")

    with pytest.raises(VireidError, match="no"):
        fail()
    assert "embedding" in bar_console.file.getvalue()
    assert shown(bar_console) == ""


def test_no_bar_is_left_behind_where_nothing_was_counted(bar_console):
    with progress_bar("embedding"):
        pass
    assert "embedding" in bar_console.file.getvalue()
    assert shown(bar_console) == ""


def test_the_bar_is_not_among_the_results(capsys):
    with progress_bar("embedding") as update:
        update(2, 2)
    said = capsys.readouterr()
    assert said.out == ""
    assert "embedding" in said.err
    assert said.err.endswith("\n")


def test_nothing_is_said_of_what_was_not_counted(capsys):
    with progress_bar("embedding"):
        pass
    assert capsys.readouterr() == ("", "")
