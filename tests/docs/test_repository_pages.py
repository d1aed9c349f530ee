"""Links written for the repository work in the site, and in the repository."""

import re
from pathlib import Path

import pytest
import repository_pages

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("page", "link", "shown"),
    [
        ("docs/gallery.md", "service.md#limits", "service.md#limits"),
        ("docs/gallery.md", "images/page.jpg", "images/page.jpg"),
        (
            "docs/gallery.md",
            "../benchmarks/gallery_2-core-cpu_2026-11-21.md",
            "benchmarks/gallery_2-core-cpu_2026-11-21.md",
        ),
        ("docs/gallery.md", "../benchmarks", "benchmarks.md"),
        ("docs/how-to/own_data.md", "../data.md#own-crops", "../data.md#own-crops"),
        ("docs/how-to/own_data.md", "../../CONTRIBUTING.md", "../CONTRIBUTING.md"),
        ("docs/how-to/own_data.md", "../../src/vireid/losses/center.py", "../reference/losses.md"),
        ("docs/tour.md", "../src/vireid/types.py", "reference/types.md"),
        ("docs/tour.md", "../src/vireid", "reference/index.md"),
        ("docs/tour.md", "../src/vireid/cli/main.py", "reference/commands.md"),
        ("docs/tour.md", "../examples", "examples/README.md"),
        ("docs/tour.md", "../README.md", "index.md"),
        ("benchmarks/a_b_c.md", "../docs/methods.md#not-here", "../methods.md#not-here"),
        ("benchmarks/a_b_c.md", "d_e_f.md", "d_e_f.md"),
        ("CHANGELOG.md", "docs/cluster.md", "cluster.md"),
        ("docs/tour.md", "#top", "#top"),
        ("docs/tour.md", "https://example.org/docs/x.md", "https://example.org/docs/x.md"),
    ],
)
def test_links_are_worked_out_again(page, link, shown):
    assert repository_pages.with_site_links(f"See [this]({link}).", page) == f"See [this]({shown})."


def test_code_has_no_links():
    text = "`[a](../x.md)`\n\n```python\nf[a](../x.md)\n```\n\n[b](../CHANGELOG.md)"
    assert repository_pages.with_site_links(text, "docs/a.md") == text.replace("../CHANGELOG", "CHANGELOG")


def test_links_of_every_page_lead_somewhere_in_the_repository(pages):
    wrong = []
    for page, text in pages.items():
        for match in repository_pages.LINK_OR_CODE.finditer(text):
            link = match[3]
            if not link or re.match(r"[a-z]+:", link):
                continue
            if not (ROOT / repository_pages.repository_path(link, page)).exists():
                wrong.append(f"{page}: {link}")
    assert not wrong


def test_every_benchmark_is_listed_with_its_title():
    listed = repository_pages.benchmark_list()
    for file in (ROOT / "benchmarks").glob("*.md"):
        assert f"](benchmarks/{file.name}) | 2-core-cpu |" in listed
    assert "[The demo on three seeds]" in listed


def test_files_that_are_linked_come_along():
    text = "[a](../benchmarks/gallery.py) [b](gallery.md) [c](../benchmarks) [d](../CITATION.cff) [e](../no.py)"
    assert repository_pages.linked_files(text, "docs/x.md") == {"benchmarks/gallery.py", "CITATION.cff"}
