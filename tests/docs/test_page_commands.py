"""Every command in the pages is one that the real parser takes; none is run."""

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import command_pages
import pytest

from vireid.cli import main as command_line

ROOT = Path(__file__).resolve().parents[2]
# Blocks of a shell, between fences or indented by four spaces below a blank line.
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```|(?<=\n\n)((?: {4}[^\n]*\n|\n)+)", re.MULTILINE | re.DOTALL)
SHELLS = ("", "sh", "bash", "shell", "console")
INLINE = re.compile(r"(?<!`)`(vireid [^`\n]+)`(?!`)")
STARTED = re.compile(r"^(?:\S+=\S* )*(?:(?:srun|torchrun) .*?)?(?:-m )?vireid +(?=\S)")


def commands_of(text):
    """The arguments of each command of vireid in the blocks of a page."""
    for match in BLOCK.finditer(text):
        if match[2] and match[2] not in SHELLS:
            continue
        for line in (match[3] or match[4]).replace("\\\n", " ").splitlines():
            begun = STARTED.match(line.strip())
            if begun:
                yield line.strip(), shlex.split(line.strip()[begun.end() :], comments=True)


@pytest.fixture
def parse(monkeypatch):
    """Parse a command as `vireid` does; what it would run is replaced. Returns what the parser complained of."""
    lazily = re.findall(
        r"^ +from (vireid\.cli\.\w+) import (\w+)", Path(command_line.__file__).read_text(), re.MULTILINE
    )
    assert lazily
    for module in {module for module, _ in lazily} - {"vireid.cli.console"}:
        names = {name: lambda *arguments, **keywords: 0 for inner, name in lazily if inner == module}
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**names))

    def call(arguments):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            try:
                code = command_line.main(arguments)
            except SystemExit as end:
                code = end.code or 0
        return "" if code == 0 else said.getvalue() or f"exit code {code}"

    return call


def test_every_command_of_a_page_parses(pages, parse):
    wrong, seen = [], set()
    for page, text in pages.items():
        for line, arguments in commands_of(text):
            if tuple(arguments) not in seen and (complaint := parse(arguments)):
                wrong.append(f"{page}: {line}\n{complaint}")
            seen.add(tuple(arguments))
    assert not wrong, "\n".join(wrong)
    assert len(seen) > 60


def test_a_wrong_flag_is_seen(parse):
    assert "--no-such-flag" in parse(["synth", "world", "--no-such-flag"])
    assert "duke" in parse(["doctor", "x", "--dataset", "duke"])
    assert parse(["nothing"])
    assert parse(["synth", "world", "--persons", "4"]) == ""


def test_flags_of_commands_in_running_text_exist(pages):
    words = {words[0] for words in command_pages.commands()}
    helps = {name: command_pages.help_of((name,)) for name in sorted(words)}
    helps["train"] += command_pages.help_of(("train", "mscmnet"))
    helps["gallery"] += "".join(command_pages.help_of(("gallery", name)) for name in command_pages.GALLERY_COMMANDS)
    wrong = []
    for page, text in pages.items():
        for said in INLINE.findall(text):
            name, *rest = said.split()[1:]
            if name.startswith(("-", "=")) or not name.isalpha():
                continue
            flags = [re.split("[=,.]", word)[0] for word in rest if word.startswith("--")]
            missing = [flag for flag in flags if flag != "--help" and not re.search(rf"{flag}\b", helps.get(name, ""))]
            if name.islower() and (name not in helps or missing):
                wrong.append(f"{page}: {said}: {missing or 'no such command'}")
    assert not wrong, "\n".join(wrong)


def test_the_page_of_commands_has_them_all():
    page = command_pages.page_of_commands()
    for name in re.findall(r'@app\.command\(name="(\w+)"\)', Path(command_line.__file__).read_text()):
        assert f"## vireid {name}\n\n```text\nusage: vireid {name}" in page
    assert "--network.mimb-mix" in page
    assert "\x1b" not in page
