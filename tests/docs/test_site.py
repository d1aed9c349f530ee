"""The site builds without a warning and without a network, and its pages load nothing from elsewhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What a browser fetches by itself; an ordinary link is no such thing.
FETCHED = re.compile(
    r'<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|data)="([^"]+)"|<link\b[^>]*>'
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    # No network: whoever asks for one is sent to a port where nobody answers.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    built = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    return folder


def test_nothing_is_fetched_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        for match in FETCHED.finditer(page.read_text(encoding="utf-8")):
            tag = match[0]
            if not tag.startswith("<link") or re.search(
                r'rel="(?:stylesheet|icon|preload|preconnect|dns-prefetch)"', tag
            ):
                assert not re.search(r'(?:src|href|data)="(?:https?:)?//', tag), f"{page}: {tag}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", style.read_text(encoding="utf-8")), style


def test_no_markup_is_left_over_in_the_reference(site):
    for page in sorted((site / "reference").rglob("*.html")):
        # Sources are shown as they are.
        text = re.sub(
            r'<details class="mkdocstrings-source">.*?</details>', "", page.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        for leftover in (":math:", "math::", "\\(", "arithmatex", "<blockquote", "&gt;&gt;&gt;<", "::<"):
            assert leftover not in text, f"{leftover} in {page}"


def test_every_exported_name_has_its_place(site):
    import reference_pages

    for room in reference_pages.ROOMS:
        text = (site / "reference" / room / "index.html").read_text(encoding="utf-8")
        for name in reference_pages.exported(room):
            assert f'id="vireid.{room}.{name}"' in text


def test_the_search_knows_pages_from_inside_and_outside(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    places = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {"gallery/", "reference/losses/", "CONTRIBUTING/", "benchmarks/gallery_2-core-cpu_2026-11-21/"} <= places
    assert any("quadruple_center_loss" in entry["title"] for entry in index["docs"])


def test_lines_in_the_map_are_those_of_the_source(site):
    text = (site / "paper_map" / "index.html").read_text(encoding="utf-8")
    places = re.findall(r">(\w+/\w+\.py):(\d+)<", text)
    assert len(places) > 60
    for file, line in places:
        assert (ROOT / "src/vireid" / file).read_text(encoding="utf-8").splitlines()[int(line) - 1].strip()
