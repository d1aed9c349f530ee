"""The page of the command line: what each command says to ``--help``, asked of the real parser at every build."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from unittest import mock

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from vireid.cli import main as command_line

GALLERY_COMMANDS = ("info", "delete", "export", "compact")


def commands() -> list[tuple[str, ...]]:
    """The words that name each command, in the order of the help; of the recipes of ``train``, one."""
    names = re.findall(r"^ *• (\S+)", help_of(()), flags=re.MULTILINE)
    inner = {"train": (("train", "mscmnet"),), "gallery": tuple(("gallery", name) for name in GALLERY_COMMANDS)}
    return [words for name in names for words in ((name,), *inner.get(name, ()))]


def help_of(words: tuple[str, ...]) -> str:
    """What a command says to ``--help``, 80 columns wide and without colours."""
    out = io.StringIO()
    with _plain(), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        command_line.main([*words, "--help"])
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines())


@contextlib.contextmanager
def _plain() -> Iterator[None]:
    with mock.patch.dict(os.environ, {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}):
        yield


def page_of_commands() -> str:
    """The page, as Markdown."""
    parts = [
        "---\ntitle: Commands\n---\n\n# Commands\n",
        "Each command says this to `--help`. The flags of a recipe are shown for `mscmnet`; the other recipes have the "
        "same ones with values of their own.\n",
        f"```text\n{help_of(())}\n```\n",
    ]
    for words in commands():
        level = "##" if len(words) == 1 else "###"
        parts.append(f"{level} vireid {' '.join(words)}\n\n```text\n{help_of(words)}\n```\n")
    return "\n".join(parts)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, "reference/commands.md", content=page_of_commands()))
    return files
