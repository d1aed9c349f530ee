"""Docstrings of the library as Markdown: they are written for the source, with a little of Sphinx's markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import griffe

FIELD = re.compile(
    r"^(Reference|Deviation|Assumptions):"
    r"(?: (.+(?:\n(?!Reference|Deviation|Assumptions)\S.*)*)|\n((?: +.*(?:\n|$)|\n(?= ))+))",
    re.MULTILINE,
)
NAME = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)")
CODE = re.compile(r"(```.*?```|``[^`]+``)", re.DOTALL)


class MarkdownDocstrings(griffe.Extension):
    """Turn every docstring of a package into Markdown once all of the package is loaded."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Go through the package; names in backticks become links to what they name."""
        for thing in _all_of(pkg):
            if thing.docstring is not None:
                thing.docstring.value = as_markdown(thing.docstring.value, lambda name, thing=thing: _find(thing, name))


def as_markdown(text: str, find: Callable[[str], str | None]) -> str:
    """A docstring as Markdown that a parser of Google's style reads.

    Args:
        text: the docstring.
        find: the full path of a name as the docstring's object sees it, None for what is no name.
    """
    text = _one_item_each(text)
    # A doctest is code; to Markdown it looks like a quotation.
    text = re.sub(r"^( *)(>>> .*(?:\n\1\S.*)*)", r"\1```pycon\n\1\2\n\1```", text, flags=re.MULTILINE)
    text = re.sub(r"^( *)\.\. math::\n+((?:\1 +.*\n?|\n)+)", _displayed, text, flags=re.MULTILINE)
    text = FIELD.sub(_field, text)
    text = re.sub(r"::$", ":", text, flags=re.MULTILINE)
    text = re.sub(r":math:`([^`]+)`", lambda match: f"\\({' '.join(match[1].split())}\\)", text)
    pieces = CODE.split(text)
    pieces[::2] = [NAME.sub(lambda match: _link(match[1], find), piece) for piece in pieces[::2]]
    return "".join(pieces)


def _one_item_each(text: str) -> str:
    """Give each of several arguments that share a description an item of its own."""
    lines, inside = [], False
    items = re.split(r"\n(?! {5}|\n)", text)
    for item in items:
        inside = item.rstrip() in ("Args:", "Attributes:") or (inside and item.startswith("    "))
        shared = re.match(r"    (\w+(?:, \w+)+)(:.*)", item, re.DOTALL) if inside else None
        lines += [f"    {name}{shared[2]}" for name in shared[1].split(", ")] if shared else [item]
    return "\n".join(lines)


def _displayed(match: re.Match[str]) -> str:
    margin, formula = match[1], " ".join(match[2].split())
    return f"{margin}\\[\n{margin}{formula}\n{margin}\\]\n\n"


def _field(match: re.Match[str]) -> str:
    words = match[2] or match[3] or ""
    body = "\n".join(line.removeprefix("    ") for line in words.splitlines())
    return f"**{match[1]}.** {body.strip()}\n\n"


def _link(name: str, find: Callable[[str], str | None]) -> str:
    path = find(name)
    return f'<autoref identifier="{path}" optional><code>{name}</code></autoref>' if path else f"`{name}`"


def _all_of(owner: griffe.Object) -> Iterator[griffe.Object]:
    yield owner
    for member in owner.members.values():
        if isinstance(member, griffe.Object):
            yield from _all_of(member)


def _find(thing: griffe.Object, name: str) -> str | None:
    first, *rest = name.split(".")
    if first == "vireid":
        return name
    try:
        found = thing.resolve(first)
        path = thing.modules_collection[found].canonical_path
    except (griffe.NameResolutionError, griffe.AliasResolutionError, griffe.CyclicAliasError, KeyError):
        return None
    return ".".join([path, *rest]) if path.startswith("vireid.") else None
