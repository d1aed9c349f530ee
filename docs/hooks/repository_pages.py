"""Bring pages that live outside ``docs`` into the site, and let links written for the repository work in it.

A link in a page is written as the repository needs it: ``../benchmarks/gallery.md`` from a page of ``docs``. In the
site, what lies in ``docs`` loses that folder, and everything else keeps its path, so each link is worked out again.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils.meta import get_data

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = "benchmarks.md"
# Folders outside `docs` whose pages the site has, and the page of each.
LISTS = {"benchmarks": BENCHMARKS, "examples": "examples/README.md", "fuzzing": "fuzzing/README.md"}
ALONE = ["CHANGELOG.md", "CONTRIBUTING.md"]
# Links in running text, and code, in which there are none.
LINK_OR_CODE = re.compile(
    r"^( *)(```|~~~).*?^\1\2|`[^`\n]+`|(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))", re.DOTALL | re.MULTILINE
)


def outside_pages() -> list[str]:
    """Pages outside ``docs`` that the site has, as paths in the repository."""
    found = [path for folder in LISTS for path in sorted((ROOT / folder).glob("*.md"))]
    return [path.relative_to(ROOT).as_posix() for path in found] + ALONE


def linked_files(text: str, page: str) -> set[str]:
    """Files of the repository, no pages, that a page links to; both as paths in the repository."""
    targets = {repository_path(match[3], page) for match in LINK_OR_CODE.finditer(text) if match[3]}
    return {
        target
        for target in targets
        if (ROOT / target).is_file() and not target.startswith(("docs/", "..")) and not target.endswith(".md")
    }


def repository_path(link: str, page: str) -> str:
    """Where in the repository a link of a page leads, as a path."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def site_path(path: str) -> str:
    """Where in the site's sources a path of the repository is found."""
    if path == "README.md":
        return "index.md"
    if path in LISTS:
        return LISTS[path]
    # A room's source stands for its page of the reference.
    source = re.fullmatch(r"src/vireid(?:/(\w+?)(?:\.py|/.*)?)?", path)
    if source and (ROOT / path).exists():
        return f"reference/{'commands' if source[1] == 'cli' else source[1] or 'index'}.md"
    return path.removeprefix("docs/")


def with_site_links(text: str, page: str) -> str:
    """The text of a page with its links as the site needs them.

    Args:
        text: Markdown.
        page: its path in the repository.
    """
    here = posixpath.dirname(site_path(page))

    def relink(match: re.Match[str]) -> str:
        link = match[3]
        if not link or re.match(r"[a-z]+:", link) or link.startswith("/"):
            return match[0]
        return posixpath.relpath(site_path(repository_path(link, page)), here or ".") + (match[4] or "")

    return LINK_OR_CODE.sub(relink, text)


def benchmark_list() -> str:
    """The page that lists the benchmarks."""
    rows = []
    for path in sorted((ROOT / "benchmarks").glob("*.md")):
        text, _ = get_data(path.read_text(encoding="utf-8"))
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        topic, hardware, date = path.stem.rsplit("_", 2)
        name = title[1] if title else topic
        rows.append(f"| [{name[0].upper()}{name[1:]}](benchmarks/{path.name}) | {hardware} | {date} |")
    head = (
        "# Benchmarks\n\nWhat was measured, on which machine, and when. Each page holds what its script printed, and a "
        "reading of it.\n"
    )
    return "\n".join([head, "| topic | hardware | date |", "|---|---|---|", *rows]) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside, and the files that pages link to."""
    wanted: set[str] = set()
    for file in list(files.documentation_pages()):
        wanted |= linked_files(file.content_string, f"docs/{file.src_uri}")
    for path in outside_pages():
        text = (ROOT / path).read_text(encoding="utf-8")
        wanted |= linked_files(text, path)
        files.append(File.generated(config, path, abs_src_path=os.fspath(ROOT / path)))
    for path in sorted(wanted):
        if not path.startswith("src/vireid/"):
            files.append(File.generated(config, path, abs_src_path=os.fspath(ROOT / path)))
    files.append(File.generated(config, BENCHMARKS, content=benchmark_list()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page work in the site."""
    path = page.file.src_uri
    if path == BENCHMARKS or path.startswith("reference/"):
        return markdown
    outside = path.partition("/")[0] in LISTS or path in ALONE
    return with_site_links(markdown, path if outside else f"docs/{path}")
