"""Docstrings as Markdown, and formulas as drawings."""

import re
from pathlib import Path

import docstrings
import formulas
import griffe
import pytest

ROOT = Path(__file__).resolve().parents[2]


def markdown(text, **names):
    return docstrings.as_markdown(text, names.get)


def test_doctests_are_fenced():
    assert markdown("Add.\n\n>>> 1 + 1\n2\n\nMore.") == "Add.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nMore."


def test_formulas_lose_sphinxs_markup():
    assert markdown("The :math:`a_b\n+ c` of ``:math:``") == "The \\(a_b + c\\) of ``:math:``"
    assert markdown("As::\n\n    a = b\n") == "As:\n\n    a = b\n"
    shown = markdown("With\n\n.. math::\n    a\n    + b\n\nand so on.")
    assert shown == "With\n\n\\[\na + b\n\\]\n\nand so on."


def test_arguments_that_share_a_description_get_one_each():
    text = "Do.\n\nArgs:\n    a, b: see `c`\n        there.\n    d: last.\n\nRaises:\n    E: x, y: z."
    shared = "    a: see `c`\n        there.\n    b: see `c`\n        there.\n"
    assert markdown(text) == f"Do.\n\nArgs:\n{shared}    d: last.\n\nRaises:\n    E: x, y: z."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Do.\n\nReference: A, eq. 1,\nand B.", "Do.\n\n**Reference.** A, eq. 1,\nand B.\n\n"),
        ("Reference:\n    A.\n\nDeviation:\n    B\n    c.", "**Reference.** A.\n\n**Deviation.** B\nc.\n\n"),
        ("Reference: A.\nDeviation: B.", "**Reference.** A.\n\n**Deviation.** B.\n\n"),
    ],
)
def test_sources_and_deviations_are_set_off(text, shown):
    assert re.sub(r"\n{2,}", "\n\n", markdown(text)) == shown


def test_names_become_links_where_they_are_names():
    shown = markdown("`ALB` and `p` and ``ALB``", ALB="vireid.models.alb.ALB")
    link = '<autoref identifier="vireid.models.alb.ALB" optional><code>ALB</code></autoref>'
    assert shown == f"{link} and `p` and ``ALB``"


def test_names_are_found_as_the_docstring_sees_them():
    loaded = griffe.load(
        "vireid", search_paths=[ROOT / "src"], extensions=griffe.Extensions(docstrings.MarkdownDocstrings())
    )
    text = loaded["models.mimb.MIMB"].docstring.value
    assert '<autoref identifier="vireid.models.alb.ALB" optional>' in text
    assert "`cross-attention`" in text
    whole = "\n".join(thing.docstring.value for thing in docstrings._all_of(loaded) if thing.docstring)
    assert ":math:`" not in whole
    assert ".. math::" not in whole


def test_every_formula_of_the_library_can_be_drawn():
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py")]
    inline = [found for text in texts for found in re.findall(r":math:`([^`]+)`", text)]
    assert len(inline) > 40
    for formula in inline:
        assert formulas.draw(" ".join(formula.split())).startswith("<svg role=")


def test_a_formula_is_as_tall_as_the_text_and_says_what_it_shows():
    drawn = formulas.draw(r"a < b")
    assert 'aria-label="a &lt; b"' in drawn
    assert 'fill="currentColor"' in drawn
    height = float(re.search(r"height:([\d.]+)em", drawn)[1])
    assert 0.5 < height < 1.2
    assert float(re.search(r"height:([\d.]+)em", formulas.draw(r"\frac12"))[1]) > height
    # Every part of the outline lies within the box.
    _, top, width, tall = (float(n) for n in re.search(r'viewBox="([^"]+)"', drawn)[1].split())
    points = re.findall(r"(-?\d+) (-?\d+)", re.search(r' d="([^"]+)"', drawn)[1])
    assert all(-3 <= int(x) <= width + 3 and top - 3 <= int(y) <= top + tall + 3 for x, y in points)


def test_a_formula_that_cannot_be_read_stops_the_build():
    with pytest.raises(ValueError, match="nosuchthing"):
        formulas.draw(r"\nosuchthing{a}")


def test_only_formulas_are_replaced_in_a_page():
    page = '<p>\\(x\\) <span class="arithmatex">\\(x\n_1\\)</span></p>'
    shown = formulas.on_page_content(page, page=None, config=None, files=None)
    assert shown.startswith('<p>\\(x\\) <span class="formula"><svg')
    assert 'aria-label="x _1"' in shown
