"""``vireid table``: each format to the letter, runs in their place, and what is refused."""

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from markdown_it import MarkdownIt

from vireid.cli.markdown_table import markdown_table
from vireid.cli.table_formats import comparison_csv, comparison_latex, comparison_markdown
from vireid.evaluation import Evaluation, Protocol, store_result
from vireid.evaluation.comparison import Comparison, Group, Row
from vireid.evaluation.published import published_results
from vireid.models import fingerprint
from vireid.types import Score

SMALL = Comparison(
    dataset="SYSU-MM01",
    setting="all-search",
    digits=(2, 2, 2, 2, 2),
    groups=(
        Group(
            title="plain",
            comparable=True,
            rows=(
                Row(
                    method="AGW",
                    ours=False,
                    year=2021,
                    venue="TPAMI",
                    rates=(47.5, 84.39, None, 47.65, 35.3),
                    source="Table I",
                ),
                Row(
                    method="part_mix|50%",
                    ours=True,
                    year=None,
                    venue="",
                    rates=(71.234, 84.39, None, 41.5, 36.0),
                    spread=(0.5, 0.25, 0.0, 1.0, 2.0),
                    runs=3,
                    source="runs/a_1, runs/b",
                    notes=("mean ± standard deviation", "50% of A & B"),
                ),
            ),
        ),
        Group(
            title="other data (9 queries, 1,000 gallery images): not comparable",
            comparable=False,
            rows=(
                Row(
                    method="mine",
                    ours=True,
                    year=None,
                    venue="",
                    rates=(99.0, 100.0, None, 99.0, 99.0),
                    source="runs/c",
                    notes=("50% of A & B",),
                ),
            ),
        ),
    ),
)

MARKDOWN = r"""## SYSU-MM01, all-search, percent

### plain

| method                      | venue      |          Rank-1  |         Rank-10  |           mAP  |            mINP  | notes |
|:----------------------------|:-----------|-----------------:|-----------------:|---------------:|-----------------:|:------|
| AGW                         | TPAMI 2021 |           47.50  |         **84.39**|       **47.65**|           35.30  | 1     |
| part_mix\|50% (ours, n = 3) | -          |**71.23** ± 0.50  |**84.39** ± 0.25  |  41.50 ± 1.00  |**36.00** ± 2.00  | 2 a b |

### other data (9 queries, 1,000 gallery images): not comparable

| method      | venue | Rank-1 | Rank-10 |   mAP |  mINP | notes |
|:------------|:------|-------:|--------:|------:|------:|:------|
| mine (ours) | -     |  99.00 |  100.00 | 99.00 | 99.00 | 3 b   |

- 1: Table I
- 2: runs/a_1, runs/b
- 3: runs/c
- a: mean ± standard deviation
- b: 50% of A & B
"""  # noqa: E501

LATEX = r"""% \usepackage{booktabs}
\begin{table}
  \centering
  \caption{SYSU-MM01, all-search, percent}
  \begin{tabular}{llrrrrl}
    \toprule
    Method & Venue & Rank-1 & Rank-10 & mAP & mINP & Notes \\
    \midrule
    \multicolumn{7}{l}{\emph{plain}} \\
    AGW & TPAMI 2021 & 47.50 & \textbf{84.39} & \textbf{47.65} & 35.30 & 1 \\
    part\_mix\textbar{}50\% (ours, n = 3) & -- & \textbf{71.23} $\pm$ 0.50 & \textbf{84.39} $\pm$ 0.25 & 41.50 $\pm$ 1.00 & \textbf{36.00} $\pm$ 2.00 & 2 a b \\
    \midrule
    \multicolumn{7}{l}{\emph{other data (9 queries, 1,000 gallery images): not comparable}} \\
    mine (ours) & -- & 99.00 & 100.00 & 99.00 & 99.00 & 3 b \\
    \bottomrule
  \end{tabular}
  \par\smallskip\raggedright\footnotesize
  1: Table I\par
  2: runs/a\_1, runs/b\par
  3: runs/c\par
  a: mean $\pm$ standard deviation\par
  b: 50\% of A \& B\par
\end{table}
"""  # noqa: E501

CSV = """\
dataset,setting,group,comparable,method,ours,year,venue,rank1,rank10,rank20,map,minp,\
rank1_std,rank10_std,rank20_std,map_std,minp_std,runs,notes,source
SYSU-MM01,all-search,plain,yes,AGW,no,2021,TPAMI,47.5,84.39,,47.65,35.3,,,,,,,,Table I
SYSU-MM01,all-search,plain,yes,part_mix|50%,yes,,,71.234,84.39,,41.5,36.0,0.5,0.25,0.0,1.0,2.0,3,\
mean ± standard deviation; 50% of A & B,"runs/a_1, runs/b"
SYSU-MM01,all-search,"other data (9 queries, 1,000 gallery images): not comparable",no,\
mine,yes,,,99.0,100.0,,99.0,99.0,,,,,,1,50% of A & B,runs/c
"""


def test_markdown_to_the_letter():
    assert comparison_markdown(SMALL) == MARKDOWN


def test_latex_to_the_letter():
    assert comparison_latex(SMALL) == LATEX


def test_csv_to_the_letter():
    assert comparison_csv([SMALL]) == CSV


def rendered_rows(text):
    """Cells of each table's body as HTML shows them, one list of rows a table."""
    html = MarkdownIt("commonmark").enable("table").render(text)
    bodies = re.findall(r"<tbody>(.*?)</tbody>", html, re.DOTALL)
    return [
        [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
        for body in bodies
    ]


def test_a_renderer_of_markdown_sees_the_same_table():
    plain, other = rendered_rows(comparison_markdown(SMALL))
    assert plain[0] == ["AGW", "TPAMI 2021", "47.50", *(f"<strong>{n}</strong>" for n in (84.39, 47.65)), "35.30", "1"]
    assert plain[1][0] == "part_mix|50% (ours, n = 3)"
    assert plain[1][2] == "<strong>71.23</strong> ± 0.50"
    assert [len(row) for row in [*plain, *other]] == [7, 7, 7]


def hostile(method):
    row = Row(
        method=method, ours=True, year=None, venue="", rates=(1.0, None, None, 1.0, None), source=f"runs/{method}"
    )
    group = Group(title="plain", comparable=True, rows=(row,))
    return Comparison(dataset="D", setting="s", digits=(2,) * 5, groups=(group,))


@pytest.mark.parametrize("name", ["a*b*c", "_a_ b", "__init__", "a_b", "`code`", "a\\*b*"])
def test_a_name_is_never_taken_for_markdown(name):
    text = comparison_markdown(hostile(name))
    [[row]] = rendered_rows(text)
    assert row[0] == f"{name} (ours)"
    assert f"<li>1: runs/{name}</li>" in MarkdownIt("commonmark").enable("table").render(text)


def test_no_name_is_an_option_of_a_row_or_a_longer_dash():
    text = comparison_latex(hostile("[2cm] a--b---c"))
    assert "    {[}2cm] a-{}-b-{}-{}-c (ours) & -- & " in text
    assert "    {*} (ours) & " in comparison_latex(hostile("*"))


def test_a_cell_of_several_lines_stays_one_cell():
    [[row]] = rendered_rows(markdown_table(["a", "b"], [["one\ntwo", "x|y"]], left=["a"]))
    assert row == ["one two", "x|y"]


def check_latex(text):
    """What a run of LaTeX would stumble over: braces, environments, cells of a row, characters that mean something."""
    assert text.isascii()
    bare = re.sub(r"\\[\\&%$#_{}]", "", text)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    ends = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", bare):
        if what == "begin":
            ends.append(name)
        else:
            assert ends.pop() == name
    assert not ends
    columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", bare)[1])
    for line in re.search(r"\\begin\{tabular\}.*\n((?:.*\n)*?).*\\end\{tabular\}", text)[1].splitlines():
        if line.strip() in (r"\toprule", r"\midrule", r"\bottomrule"):
            continue
        assert line.endswith(r" \\")
        cells = re.sub(r"\\[&]", "", line).count("&") + 1
        assert cells == columns or rf"\multicolumn{{{columns}}}{{l}}" in line
    commands = set(re.findall(r"\\([a-zA-Z]+)", text)) - {"begin", "end"}
    assert commands <= {
        *("usepackage", "centering", "caption", "toprule", "midrule", "bottomrule", "multicolumn", "emph", "textbf"),
        *("par", "smallskip", "raggedright", "footnotesize", "pm", "textbar", "textless", "textgreater"),
        *("textbackslash", "textasciitilde", "textasciicircum"),
    }
    rest = "\n".join(line for line in bare.splitlines() if not line.startswith("% "))
    assert not re.search(r"[#_^~<>|%\x00-\x09\x0b-\x1f]", rest)
    assert set(re.findall(r"\$.*?\$", rest)) <= {r"$\pm$"}
    assert rest.count("$") % 2 == 0


@pytest.mark.parametrize(("dataset", "setting"), [("sysu", "all-search"), ("llcm", "infrared-to-visible")])
def test_latex_of_the_published_tables_would_compile(vireid, dataset, setting):
    said = vireid("table", "--dataset", dataset, "--setting", setting, "--format", "latex")
    assert said.code == 0, said.err
    check_latex(said.out)


def test_every_character_that_means_something_to_latex_is_escaped():
    hostile = Row(
        method=r"a\b{c}_d^e~f#g$h%i&j<k>l|m",
        ours=True,
        year=None,
        venue="",
        rates=(1.0, None, None, 1.0, None),
        source="C:\\runs\\x_1, 100% \x1b[2J",
        notes=("± 3",),
    )
    group = Group(title="plain (50% & more)", comparable=True, rows=(hostile,))
    text = comparison_latex(Comparison(dataset="A_B", setting="c", digits=(2,) * 5, groups=(group,)))
    check_latex(text)
    assert (
        r"a\textbackslash{}b\{c\}\_d\textasciicircum{}e\textasciitilde{}f\#g\$h\%i\&j\textless{}k\textgreater{}l"
        in text
    )
    # What would act on a terminal is shown, not sent.
    assert r"100\% \textbackslash{}x1b[2J" in text


# From here on the command: runs are folders with some weights and the results of these.

PROTOCOLS = {
    "all": {"data_set": "sysu", "direction": "i2v", "mode": "all", "shots": 1, "draw": "seeded"},
    "indoor": {"data_set": "sysu", "direction": "i2v", "mode": "indoor", "shots": 1, "draw": "seeded"},
    "regdb": {"data_set": "regdb", "direction": "v2i", "split": 1},
    "folder": {"data_set": "folder", "direction": "i2v"},
}
COUNTS = {"all": (3803, 3803, 301), "indoor": (3803, 2208, 112), "regdb": (2060, 2060, 2060), "folder": (9, 9, 9)}


def evaluation(search="all", rank1=0.8, *, counts=None, **facts):
    queries, valid, gallery = counts or COUNTS[search]
    score = Score(cmc=np.linspace(rank1, 1, 20), map=0.7, minp=0.6, queries=queries, valid=valid, gallery=gallery)
    known = {"feature": "bn", "checkpoint_rule": "last epoch", "method": "mscmnet", **PROTOCOLS[search]}
    return Evaluation(
        protocol=Protocol(**{**known, **facts}), trials=[score] * (10 if search in ("all", "indoor") else 1)
    )


@pytest.fixture
def make_run(tmp_path):
    def make(name, *evaluations, seed=0, epochs=6, dataset="sysu"):
        run = tmp_path / name
        run.mkdir()
        (run / "weights.safetensors").write_bytes(name.encode())
        settings = {"epochs": epochs, "seed": seed, "trial": 1, "dataset": dataset, "out": name, "root": "world"}
        (run / "config.json").write_text(json.dumps({"settings": settings}))
        for each in evaluations:
            store_result(run, each, weights=fingerprint(run, "bn"))
        return run

    return make


def rows_of(said):
    assert said.code == 0, said.err
    return list(csv.DictReader(io.StringIO(said.out)))


def own(said):
    return [row for row in rows_of(said) if row["ours"] == "yes"]


def test_without_a_run_the_published_rows_alone(vireid):
    rows = rows_of(vireid("table", "--format", "csv"))
    published = published_results(dataset="SYSU-MM01", setting="all-search")
    assert sorted((row["method"], float(row["rank1"]), row["source"]) for row in rows) == sorted(
        (row.method, row.rank1, row.source) for row in published
    )
    assert {row["minp"] for row in rows if row["method"] == "DDAG"} == {""}


def test_of_data_that_papers_search_both_ways_both_are_shown(vireid):
    both = {"visible-to-infrared", "infrared-to-visible"}
    for dataset in ("regdb", "llcm"):
        rows = rows_of(vireid("table", "--dataset", dataset, "--format", "csv"))
        assert {row["setting"] for row in rows} == both
    # Published in one direction only.
    [row] = rows_of(vireid("table", "--dataset", "regdb", "--method", "PMT", "--format", "csv"))
    assert row["setting"] == "infrared-to-visible"


def test_a_run_on_the_real_images_stands_among_its_peers_in_every_search_it_was_measured_in(vireid, make_run):
    run = make_run("first", evaluation(), evaluation("indoor", reranking="k-reciprocal (k1=20)"))
    rows = own(vireid("table", run, "--format", "csv"))
    assert [(row["setting"], row["group"], row["comparable"], row["method"]) for row in rows] == [
        ("all-search", "plain", "yes", "mscmnet"),
        ("indoor-search", "re-ranked", "yes", "mscmnet"),
    ]
    assert float(rows[0]["rank1"]) == pytest.approx(80)
    assert (rows[0]["year"], rows[0]["notes"]) == ("", "")
    assert str(run) in rows[0]["source"]
    said = vireid("table", run)
    assert "| mscmnet (ours) | -           |" in said.out
    assert "- a: re-ranked: k-reciprocal (k1=20)\n" in said.out


def test_a_run_on_a_made_world_never_stands_beside_published_rows(vireid, tiny_run, tiny_world, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run", ignore=shutil.ignore_patterns("results"))
    arguments = ("--dataset", "sysu", "--root", tiny_world, "--accelerator", "cpu")
    assert vireid("evaluate", "--checkpoint", run, *arguments).code == 0
    [row] = own(vireid("table", run, "--format", "csv"))
    assert (row["comparable"], row["group"]) == ("no", "a made world: not comparable")
    assert row["notes"].startswith("images of a made world (vireid synth), not of SYSU-MM01")
    # Of a world without the mark the counts tell.
    [file] = (run / "results").iterdir()
    document = json.loads(file.read_text())
    document["protocol"]["made_world"] = False
    file.write_text(json.dumps(document))
    [row] = own(vireid("table", run, "--format", "csv"))
    assert row["comparable"] == "no"
    assert re.fullmatch(r"other data \(\d+ queries, \d+ gallery images\): not comparable", row["group"])
    assert row["notes"].startswith("not the images of SYSU-MM01, whose all-search has 3,803 queries")


def test_seeds_are_averaged_unless_asked_otherwise(vireid, make_run):
    runs = [make_run(f"seed-{n}", evaluation(rank1=0.7 + n / 10), seed=n) for n in range(3)]
    runs.append(make_run("longer", evaluation(rank1=0.5), seed=3, epochs=12))
    together = own(vireid("table", *runs, "--format", "csv"))
    assert [(row["runs"], float(row["rank1"])) for row in together] == [("3", pytest.approx(80)), ("1", 50)]
    assert float(together[0]["rank1_std"]) == pytest.approx(10)
    assert together[0]["notes"] == "mean ± standard deviation (n - 1) of 3 runs: seeds 0, 1, 2"
    assert len(own(vireid("table", *runs, "--format", "csv", "--separate"))) == 4


def test_what_evaluate_wrote_elsewhere_is_taken_and_says_that_nobody_can_check_it(vireid, tmp_path):
    file = tmp_path / "out.json"
    file.write_text(json.dumps(evaluation().to_json()))
    [row] = own(vireid("table", file, "--format", "csv"))
    assert row["group"] == "plain"
    assert row["notes"] == "a file outside a run: nothing shows that the weights have stayed the same"


def test_a_training_on_another_data_set_is_said(vireid, make_run):
    [row] = own(vireid("table", make_run("r", evaluation(), dataset="regdb"), "--format", "csv"))
    assert row["notes"] == "trained on regdb"


def test_a_stale_result_is_refused_and_one_without_weights_is_marked(vireid, make_run):
    run = make_run("first", evaluation())
    (run / "weights.safetensors").write_bytes(b"trained longer")
    for given in (run, next((run / "results").glob("*.json"))):
        said = vireid("table", given)
        assert said.code == 2
        assert "is stale: it was measured with the weights " in said.err
        assert f"measure again (vireid evaluate --checkpoint {run}) or remove the file" in said.err
    (run / "weights.safetensors").unlink()
    [row] = own(vireid("table", run, "--format", "csv"))
    assert row["notes"] == "the run's weights are gone: nothing shows that the result is theirs"


def test_what_belongs_elsewhere_is_named_and_not_shown(vireid, make_run):
    runs = make_run("first", evaluation()), make_run("own", evaluation("folder"))
    said = vireid("table", *runs)
    assert said.code == 0
    assert f"not shown: {runs[1]} has own data, without a published table\n" in said.err
    assert "own data" not in said.out


def test_a_file_holds_what_would_be_printed(vireid, make_run, tmp_path):
    run = make_run("first", evaluation())
    printed = vireid("table", run, "--format", "latex").out
    said = vireid("table", run, "--format", "latex", "--out", tmp_path / "t.tex")
    assert said.out == f"written to {tmp_path / 't.tex'}\n"
    assert (tmp_path / "t.tex").read_text() == printed
    check_latex(printed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--setting", "outdoor"],
            "there is no table 'outdoor': SYSU-MM01 has all-search, indoor-search, ablation all",
        ),
        (["--dataset", "regdb", "--setting", "all-search"], "'all-search': RegDB has visible-to-infrared, infrared-to"),
        (["--dataset", "market"], "Expected one of"),
        (["--method", "MSCMnet"], "no published result has the method 'MSCMnet'; there are AGW, "),
        (["--method", "MMN"], "nothing to show for SYSU-MM01, all-search: no published row there is of MMN"),
        (["nowhere"], "there is no run and no result at nowhere"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(vireid, arguments, message):
    said = vireid("table", *arguments)
    assert said.code == 2
    assert message in " ".join(said.err.split())


def test_runs_that_have_nothing_to_show_are_refused(vireid, make_run, tmp_path):
    empty, run, folder = make_run("empty"), make_run("first", evaluation()), make_run("own", evaluation("folder"))
    copy = shutil.copytree(run, tmp_path / "copy")
    damaged = tmp_path / "damaged.json"
    damaged.write_text('{"protocol": ')
    [file] = (run / "results").glob("*.json")
    for given, message in {
        (empty,): f"{empty} has no results yet; run vireid evaluate first",
        (run, run): f"a result may be given once, but {run} gives {file.name} again; leave it out",
        (run, file): f"a result may be given once, but {file} gives {file.name} again; leave it out",
        (run, copy): "have the same protocol and the same weights; leave one of them out",
        (damaged,): f"{damaged} is not a result of vireid evaluate (JSONDecodeError",
        (folder,): f"{folder} has own data, without a published table",
        (run, "--dataset", "regdb"): f"RegDB, infrared-to-visible: {run} has SYSU-MM01, all-search; choose with",
    }.items():
        said = vireid("table", *given)
        assert (said.code, said.out) == (2, ""), message
        assert message in said.err
