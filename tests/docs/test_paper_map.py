"""Names in pages are names of the library; the map of MSCMNet's equations is whole and agrees with the source."""

import ast
import re
from pathlib import Path

import pytest
import reference_pages

ROOT = Path(__file__).resolve().parents[2]
EQUATIONS = 17
# Rooms that hold the method; elsewhere an equation may be cited without being computed.
METHOD = ("transforms", "models", "losses", "training")
CITED = re.compile(r"\beq\. (\d+)(?: (to|and) (\d+))?", re.IGNORECASE)


def rows_of_map(pages):
    text = pages["docs/paper_map.md"].partition("| symbol |")[0]
    return {int(number): row for number, row in re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)}


def citations():
    """(file, equation) for each equation that a docstring of the method's rooms cites."""
    for room in METHOD:
        for file in sorted((ROOT / "src/vireid" / room).glob("*.py")):
            nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            for node in nodes:
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    for first, joined, last in CITED.findall(node.value):
                        numbers = [int(first)] if not joined else [int(first), int(last)]
                        numbers = range(numbers[0], numbers[1] + 1) if joined == "to" else numbers
                        yield from ((file.relative_to(ROOT).as_posix(), number) for number in numbers)


def test_the_paper_has_one_number_everywhere():
    files = [
        file
        for pattern in ("src/**/*.py", "docs/**/*.md", "*.md", "CITATION.cff")
        for file in sorted(ROOT.glob(pattern))
    ]
    named = {}
    for file in files:
        text = " ".join(file.read_text(encoding="utf-8").split())
        for number in re.findall(r"MSCMNet[^.;]{0,40}?arXiv[ :](\d{4}\.\d{5})", text, re.IGNORECASE):
            named.setdefault(number, []).append(file.name)
    assert list(named) == ["2311.14395"], named
    assert {"distances.py", "embedding_map.py"} <= set(named["2311.14395"])


def test_every_name_in_a_page_is_there_and_every_line_meant_is_found_once(pages):
    assert not {page: faults for page, text in pages.items() if (faults := reference_pages.faults_of(text))}
    assert len(set().union(*map(reference_pages.named_in, pages.values()))) > 60


def test_a_page_that_names_what_is_not_there_is_told_so():
    text = "`vireid.models.Albatross`, `vireid.models.ALB`<!-- line: no such words -->, `vireid.models.ALB`"
    missing, moved = reference_pages.faults_of(text)
    assert missing == "the library has no vireid.models.Albatross"
    assert "'no such words' in exactly one line, it has it in 0" in moved


def test_every_equation_of_the_paper_has_a_row_and_a_place(pages):
    rows = rows_of_map(pages)
    assert sorted(rows) == list(range(1, EQUATIONS + 1))
    for row in rows.values():
        assert reference_pages.named_in(row)


def test_equations_that_docstrings_cite_are_mapped_to_their_file(pages):
    rows = rows_of_map(pages)
    places = {
        number: {reference_pages.line_of(match[1], match[2])[0] for match in reference_pages.NAMED.finditer(row)}
        for number, row in rows.items()
    }
    cited = set(citations())
    assert {number for _, number in cited} == set(range(1, EQUATIONS + 1))
    assert not [(file, number) for file, number in sorted(cited) if file not in places.get(number, ())]


@pytest.mark.parametrize(
    ("name", "words", "line"),
    [
        ("vireid.models.ALB", None, "class ALB(nn.Module):"),
        ("vireid.models.Scale", None, "class Scale:"),  # below its decorator
        ("vireid.models.ALB.forward", "(1 - self.mix) * f", "            v = f + self.mix * q if"),
        ("vireid.models.QUADRUPLE_STREAMS", None, "QUADRUPLE_STREAMS = ("),
        ("vireid.types.Modality", None, "class Modality("),
    ],
)
def test_the_line_is_the_one_meant(name, words, line):
    path, number = reference_pages.line_of(name, words)
    assert (ROOT / path).read_text(encoding="utf-8").splitlines()[number - 1].startswith(line)


def test_lines_that_moved_out_of_reach_are_refused():
    with pytest.raises(KeyError, match="in exactly one line, it has it in 0"):
        reference_pages.line_of("vireid.models.ALB.forward", "no such words")
    with pytest.raises(KeyError, match="in exactly one line, it has it in"):
        reference_pages.line_of("vireid.models.ALB.forward", "self")
    with pytest.raises(KeyError, match="Albatross"):
        reference_pages.find("vireid.models.Albatross")


def test_names_become_links_and_those_in_code_do_not():
    text = (
        "See `vireid.models.ALB.forward`<!-- line: mined = v + attend( -->, `vireid.models.mimb`.\n\n"
        "```python\n`vireid.x`\n```"
    )
    assert reference_pages.with_links(text, lines=False) == (
        "See [`vireid.models.ALB.forward`][vireid.models.alb.ALB.forward], [`vireid.models.mimb`][vireid.models].\n\n"
        "```python\n`vireid.x`\n```"
    )
    shown = reference_pages.with_links(text, lines=True)
    _, line = reference_pages.line_of("vireid.models.ALB.forward", "mined = v + attend(")
    assert f"<small>[models/alb.py:{line}][vireid.models.alb.ALB.forward]</small><br>[`models.mimb`]" in shown


def test_every_room_has_a_page_in_the_order_of_the_layers():
    rooms = {path.parent.name for path in (ROOT / "src/vireid").glob("*/__init__.py")} - {"cli"} | {"types"}
    assert set(reference_pages.ROOMS) == rooms
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"reference/(\w+)\.md", navigation)
    assert listed == ["index", "commands", *reference_pages.ROOMS]


def test_a_name_that_pages_need_and_a_room_keeps_inside_is_shown_once():
    inner = reference_pages.inner_names(
        ["`vireid.models.head.Head.forward`, `vireid.models.head.Head`, `vireid.models.ALB`"]
    )
    assert inner["models"] == ["vireid.models.head.Head"]
    assert not any(names for room, names in inner.items() if room != "models")
