from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vireid.figures.report import Picture, Report, Section, Table, render_report

HOSTILE = "<script>alert('\"1\"')</script> & `x` {{ 7 * 7 }} ]]> é"


class Seen(HTMLParser):
    """Every element with its attributes, and all text that is shown."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def picture(folder: Path, *, noise: int = 0, photographs: bool = False, width: int = 60) -> Picture:
    pixels = np.random.default_rng(0).integers(0, 256, (40, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "it.png", dpi=(300, 300))
    (folder / "it.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>' + "<!-- -->" * noise)
    return Picture(
        png=folder / "it.png",
        svg=folder / "it.svg",
        alt=f"alt {HOSTILE}",
        caption=f"caption {HOSTILE}",
        photographs=photographs,
    )


def page_of(folder: Path) -> Report:
    return Report(
        title=f"title {HOSTILE}",
        notices=[f"notice {HOSTILE}"],
        summary=[(f"name {HOSTILE}", f"fact {HOSTILE}")],
        sections=[
            Section(
                title="Results", tables=[Table(caption="c", header=["", "Rank-1"], rows=[["a", "1"]], numbers=True)]
            ),
            Section(
                title="Ranked lists",
                text=[f"text {HOSTILE}"],
                pictures=[picture(folder)],
                tables=[
                    Table(
                        caption=f"table {HOSTILE}",
                        header=["", f"head {HOSTILE}"],
                        rows=[[f"row {HOSTILE}", f"cell {HOSTILE}"]],
                        marked=frozenset([0]),
                        note=f"note {HOSTILE}",
                    )
                ],
            ),
        ],
    )


def test_words_of_others_stay_words(tmp_path):
    seen = Seen(render_report(page_of(tmp_path)))
    assert not seen.all("script")
    assert "49" not in seen.text
    for where in ("title", "notice", "name", "fact", "text", "head", "row", "cell", "note", "caption", "table"):
        assert f"{where} {HOSTILE}" in seen.text
    assert [each["alt"] for each in seen.all("img")] == [f"alt {HOSTILE}"]
    assert f"table {HOSTILE}" in [each.get("aria-label") for each in seen.all("div")]
    assert not [name for _, attributes in seen.elements for name in attributes if name.startswith("on")]


def test_the_page_asks_for_nothing_outside(tmp_path):
    page = render_report(page_of(tmp_path))
    seen = Seen(page)
    for _, attributes in seen.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            if name in attributes:
                assert re.match(r"data:image/|#[\w-]+$", attributes[name] or ""), attributes[name]
    assert not re.search(r"url\(|@import|https?:", page)
    assert not seen.all("link")
    policy = next(each["content"] for each in seen.all("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_a_reader_without_eyes_finds_the_way(tmp_path):
    seen = Seen(render_report(page_of(tmp_path)))
    assert seen.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in seen.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) <= 1
    anchors = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(set(anchors)) == len(anchors)
    assert {f"#{anchor}" for anchor in anchors} >= {each["href"] for each in seen.all("a")}
    assert {"#results", "#ranked-lists"} <= {each["href"] for each in seen.all("a")}
    assert all(each.get("scope") in ("row", "col") for each in seen.all("th"))
    assert len(seen.all("caption")) == len(seen.all("table")) == 2


def inside(page: str) -> tuple[str, bytes]:
    [source] = [each["src"] for each in Seen(page).all("img")]
    kind, content = re.fullmatch(r"data:image/([\w+]+);base64,(.*)", source or "").groups()
    return kind, base64.b64decode(content)


@pytest.mark.parametrize(
    ("noise", "photographs", "kind"), [(0, False, "svg+xml"), (0, True, "jpeg"), (60_000, False, "png")]
)
def test_a_picture_is_kept_as_what_suits_it(tmp_path, noise, photographs, kind):
    given = picture(tmp_path, noise=noise, photographs=photographs)
    found, content = inside(render_report(Report(title="t", sections=[Section(title="s", pictures=[given])])))
    assert found == kind
    assert (content == given.svg.read_bytes()) == (kind == "svg+xml")


def test_pictures_are_as_wide_as_a_screen_shows(tmp_path):
    given = picture(tmp_path, noise=60_000, width=3000)
    page = render_report(Report(title="t", sections=[Section(title="s", pictures=[given])]))
    [image] = Seen(page).all("img")
    # 10 inches in print.
    assert (image["width"], image["height"]) == ("1550", "21")
    (tmp_path / "shown.png").write_bytes(inside(page)[1])
    assert Image.open(tmp_path / "shown.png").size == (1800, 24)


def test_the_generator_tells_a_report_apart(tmp_path):
    assert '<meta name="generator" content="vireid report">' in render_report(Report(title="t"))[:2000]
