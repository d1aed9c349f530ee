"""A reference page for each room, made of the names that it exports, and links to them wherever a page names them."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "types",
    "data",
    "synthetic",
    "transforms",
    "models",
    "losses",
    "training",
    "evaluation",
    "exports",
    "retrieval",
    "figures",
    "sharing",
    "service",
)
# A name in running text, and after it the words that the line meant has, in a comment that no reader sees.
NAMED = re.compile(r"(?<![`\[])`(vireid\.[\w.]+)`(?!\])(?:<!-- line: (.+?) -->)?")
FENCED = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.DOTALL | re.MULTILINE)
WITH_LINES = "paper_map.md"


@functools.cache
def library() -> griffe.Module:
    """The library's source, read but not run."""
    loaded = griffe.load("vireid", search_paths=[ROOT / "src"])
    assert isinstance(loaded, griffe.Module)
    return loaded


def find(name: str) -> griffe.Object:
    """What a dotted name stands for.

    Raises:
        KeyError: there is no such name.
    """
    found = library()
    for part in name.split(".")[1:]:
        if part not in found.members:
            raise KeyError(f"the library has no {name}")
        found = found.members[part]
        if found.is_alias:
            assert isinstance(found, griffe.Alias)
            found = found.final_target
    assert isinstance(found, griffe.Object)
    return found


def exported(room: str) -> list[str]:
    """The names that a room exports, as it lists them."""
    return [str(name) for name in find(f"vireid.{room}").exports or []]


def named_in(text: str) -> set[str]:
    """All names of the library that stand in the running text of a page."""
    return {match[1] for match in NAMED.finditer(FENCED.sub("", text))}


def faults_of(text: str) -> list[str]:
    """What a page says of the library that is not so: names that it has not, words that a source has not once."""
    faults = []
    for match in NAMED.finditer(FENCED.sub("", text)):
        try:
            line_of(match[1], match[2])
        except KeyError as error:
            faults.append(error.args[0])
    return faults


def inner_names(pages: list[str]) -> dict[str, list[str]]:
    """For each room the names that pages speak of and the room does not export, without modules."""
    shown = {find(f"vireid.{room}.{name}").path for room in ROOMS for name in exported(room)}
    inner: dict[str, set[str]] = {room: set() for room in ROOMS}
    for name in set().union(*map(named_in, pages)):
        room, thing = _room_of(name), find(name)
        if room is None or thing.is_module:
            continue
        while thing.parent is not None and not thing.parent.is_module:
            thing = thing.parent
        if thing.path not in shown:
            inner[room].add(thing.path)
    return {room: sorted(names) for room, names in inner.items()}


def line_of(name: str, words: str | None) -> tuple[str, int]:
    """The file, as a path in the repository, and the line where a name is defined, or where its source has some words.

    Raises:
        KeyError: there is no such name, or its source has the words not exactly once.
    """
    thing = find(name)
    path = Path(str(thing.filepath))
    first = 1 if thing.is_module else thing.lineno or 1
    last = thing.endlineno if not thing.is_module else None
    lines = path.read_text(encoding="utf-8").splitlines()[first - 1 : last]
    if words is not None:
        hits = [number for number, line in enumerate(lines) if words in line]
        if len(hits) != 1:
            raise KeyError(f"the source of {name} must have {words!r} in exactly one line, it has it in {len(hits)}")
        return path.relative_to(ROOT).as_posix(), first + hits[0]
    # The first line of what is decorated is its decorator.
    heads = (number for number, line in enumerate(lines) if re.match(rf"\s*(class|def) {thing.name}\b", line))
    return path.relative_to(ROOT).as_posix(), first + next(heads, 0)


def with_links(text: str, *, lines: bool) -> str:
    """The text of a page with each name of the library a link to its place in the reference.

    Args:
        text: Markdown.
        lines: add after each name the file and the line.
    """
    kept: list[str] = []
    text = FENCED.sub(lambda match: kept.append(match[0]) or f"\0{len(kept) - 1}\0", text)
    if lines:
        text = re.sub(r"(`|-->), (?=`vireid\.)", r"\1<br>", text)
    text = NAMED.sub(lambda match: _linked(match[1], match[2], lines=lines), text)
    return re.sub(r"\0(\d+)\0", lambda match: kept[int(match[1])], text)


def _linked(name: str, words: str | None, *, lines: bool) -> str:
    room, thing = _room_of(name), find(name)
    path, line = line_of(name, words)
    place = f"{path.removeprefix('src/vireid/')}:{line}"
    if room is None:
        return f"`{name.removeprefix('vireid.')}`<br><small>{place}</small>" if lines else f"`{name}`"
    # Of a module the reference shows the room; of what lies inside a class or function, that where it is not public.
    target = f"vireid.{room}" if thing.is_module else thing.path
    short = name if not lines else name.removeprefix("vireid.")
    link = f"[`{short}`][{target}]"
    return f"{link}<br><small>[{place}][{target}]</small>" if lines else link


def _room_of(name: str) -> str | None:
    room = name.split(".")[1]
    return room if room in ROOMS else None


def _page(room: str, inner: list[str]) -> str:
    names = [f"vireid.{room}.{name}" for name in exported(room)]
    options = "    options: { members: [], show_root_heading: false, show_root_toc_entry: false, show_source: false }"
    head = f"---\ntitle: {room}\n---\n\n# vireid.{room} {{ #vireid.{room} }}\n"
    parts = [head, f"::: vireid.{room}\n{options}\n"]
    for title, listed in (("", names), ("Inside the room", inner)):
        if title:
            parts += [f"## {title}\n", "Not exported by the room, but named on other pages.\n"] if listed else []
        if listed:
            parts.append(_table(listed))
            level = 3 if title else 2
            parts += [f"::: {name}\n    options: {{ heading_level: {level} }}\n" for name in listed]
    if not names:
        parts.append("It exports no names yet.\n")
    return "\n".join(parts)


def _table(names: list[str]) -> str:
    rows = [f"| [`{name.rsplit('.', 1)[1]}`][{name}] | {_summary(find(name))} |" for name in names]
    return "\n".join(["| | |", "|---|---|", *rows]) + "\n"


def _summary(thing: griffe.Object) -> str:
    """The first paragraph of a docstring in one line, up to its formula; of what has no docstring, its value."""
    if thing.docstring is None:
        return f"`{thing.value}`".replace("|", "\\|") if isinstance(thing, griffe.Attribute) else ""
    line = " ".join(thing.docstring.value.strip().partition("\n\n")[0].split())
    return re.split(r":? :math:|::", line)[0].replace("|", "\\|")


def _contents() -> str:
    rows = [f"| [`{room}`]({room}.md) | {_summary(find(f'vireid.{room}'))} |" for room in ROOMS]
    head = (
        "---\ntitle: Reference\n---\n\n# Reference\n\nEach room imports only those above it. The command line is "
        "described [by itself](commands.md).\n"
    )
    return "\n".join([head, "| room | |", "|---|---|", *rows]) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each room, and one that lists them."""
    library.cache_clear()
    pages = {file.src_uri: file.content_string for file in files.documentation_pages()}
    faults = [f"{page}: {fault}" for page, text in pages.items() for fault in faults_of(text)]
    if faults:
        raise PluginError("\n".join(faults))
    inner = inner_names(list(pages.values()))
    for room in ROOMS:
        files.append(File.generated(config, f"reference/{room}.md", content=_page(room, inner[room])))
    files.append(File.generated(config, "reference/index.md", content=_contents()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let each name of the library in a page lead to the reference."""
    if page.file.src_uri.startswith("reference/"):
        return markdown
    return with_links(markdown, lines=page.file.src_uri == WITH_LINES)
