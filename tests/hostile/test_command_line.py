"""Arguments and names that act on a terminal or a page."""

import pytest

from vireid.cli.main import main


@pytest.mark.parametrize(
    "name", ["\x1b[2J\x1b]0;owned\x07", "a\nvireid: all is well", "[bold]a[/bold]", "a\u2028b", "\udcff"]
)
@pytest.mark.parametrize("command", [["doctor"], ["evaluate", "--dataset", "folder", "--checkpoint", "x", "--root"]])
def test_a_name_is_shown_and_not_obeyed(tmp_path, monkeypatch, capsys, command, name):
    monkeypatch.chdir(tmp_path)
    arguments = [*command, name, "--dataset", "folder"] if command == ["doctor"] else [*command, name]
    assert main(arguments) in (1, 2)
    said = "".join(capsys.readouterr())
    assert said
    assert "\x1b[2J" not in said
    assert "\x07" not in said
    assert "\nvireid: all is well" not in said
    assert "Traceback" not in said
