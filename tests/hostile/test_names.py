"""Names of people, cameras, files and runs are text wherever they are shown: no tag, link, formula or command."""

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCardData
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from vireid.cli.table_formats import comparison_csv, comparison_latex, comparison_markdown
from vireid.evaluation.comparison import Comparison, Group, Row
from vireid.figures.report import Report, Section, Table, render_report
from vireid.sharing.card import plain
from vireid.types import printable

ODD = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "[a](javascript:alert(1))",
    "![a](http://x/y.png)",
    "<http://x.y>",
    "&lt;b&gt; &#60;",
    "~~a~~",
    "# a",
    "a\n---\n# b",
    "=HYPERLINK(1)",
    "+1+1",
    "-2+3|cmd",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\x1b[2J\x1b]0;owned\x07",
    "a\u202egpj.exe",
    "\u2066a\u2069",
    "a\u2028b",
    "\ud800",
    "\\input{/etc/passwd}",
    "$x^{2",
    "%",
    "a & b \\\\ \\hline",
    "'; DROP TABLE a; --",
    "---\nlicense: mit\n---",
    "!!python/object/apply:os.system ['x']",
    "a" * 5000,
]
names = st.sampled_from(ODD) | st.text(st.characters(), min_size=1, max_size=20)
ACTING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
quick = settings(max_examples=150, deadline=None, derandomize=True)


class Page(HTMLParser):
    """Tags and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Any]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def table_of(name: str) -> Comparison:
    rates = (1.0, None, None, 2.0, None)
    row = Row(method=name, ours=True, year=None, venue="", rates=rates, source=f"runs/{name}", notes=(name,))
    return Comparison(
        dataset="D", setting="s", digits=(2,) * 5, groups=(Group(title="t", comparable=True, rows=(row,)),)
    )


def squeezed(text: str) -> str:
    return "".join(text.split())


@quick
@given(names)
@example("a <b\n> c")
def test_a_name_in_markdown_is_text(name):
    text = comparison_markdown(table_of(name))
    assert not ACTING.search(text)
    page = Page(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))
    tags = {"h2", "h3", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "p"}
    assert {tag for tag, _ in page.tags} <= tags
    assert [attributes for tag, attributes in page.tags if attributes and tag not in ("th", "td")] == []
    assert squeezed(printable(name)) in squeezed(page.text)


@quick
@given(names)
def test_a_name_in_csv_is_no_formula(name):
    [row] = csv.DictReader(io.StringIO(comparison_csv([table_of(name)])))
    for cell in (row["method"], row["notes"], row["source"]):
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))
        assert not ACTING.search(cell)
    assert row["method"].removeprefix("'") == printable(name).removeprefix("'")
    assert row["rank1"] == "1.0"


# What latex takes for more than itself: each must stand behind a backslash, or be one of our commands.
OURS = re.compile(
    r"\\(text(backslash|asciitilde|asciicircum|less|greater|bar)\{\}|(begin|end)\{\w+\}|(top|mid|bottom)rule|textbf|"
    r"multicolumn|emph|caption|centering|par|smallskip|raggedright|footnotesize|[\\&%$#_{}])|^% .*|\$\\pm\$",
    re.MULTILINE,
)


@quick
@given(names)
def test_a_name_in_latex_is_no_command(name):
    text = comparison_latex(table_of(name))
    assert not ACTING.search(text)
    rest = OURS.sub("", text)
    assert not re.search(r"[\\%$#_~^]", rest)
    assert rest.count("{") == rest.count("}")


@quick
@given(names)
def test_a_name_in_a_report_is_text(name):
    def page_of(name: str) -> Page:
        table = Table(caption=name, header=["", name], rows=[[name, name]], numbers=True)
        section = Section(title=name, text=[name], tables=[table])
        return Page(render_report(Report(title=name, notices=[name], summary=[(name, name)], sections=[section])))

    page, plain_page = page_of(name), page_of("name")
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain_page.tags]
    hrefs = [dict(attributes).get("href", "#") for _, attributes in page.tags]
    assert all(href.startswith("#") for href in hrefs)


@quick
@given(names)
def test_a_name_on_a_card_is_text(name):
    words = plain(name)
    assert not ACTING.search(words)
    assert "\n" not in words
    page = Page(MarkdownIt("commonmark").enable("table").render(f"| a | b |\n|---|---|\n| {words} | x |\n"))
    assert {tag for tag, _ in page.tags} <= {"table", "thead", "tbody", "tr", "th", "td", "em"}
    assert page.tags[-1] == ("td", [])  # the second cell is still there


@quick
@given(names)
def test_a_name_in_the_first_lines_of_a_card_stays_in_its_place(name):
    entry = EvalResult(task_type="t", dataset_type="d", dataset_name=plain(name), metric_type="m", metric_value=1.0)
    data = ModelCardData(model_name=plain(name) or "x", eval_results=[entry], license="mit")
    read = yaml.safe_load(data.to_yaml())
    assert set(read) == {"license", "model-index"}
    assert read["model-index"][0]["results"][0]["dataset"]["name"] == plain(name)


@pytest.mark.parametrize(
    "sign", ["\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"]
)
def test_what_turns_the_order_of_text_is_shown(sign):
    assert printable(f"a{sign}b") == f"a\\u{ord(sign):04x}b"
