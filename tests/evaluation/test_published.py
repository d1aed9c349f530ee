"""The published numbers in the package: whole, unambiguous, and found by their words."""

import pytest

from vireid.evaluation.published import PublishedResult, published_results, read_published
from vireid.types import VireidError

HEADER = "method,year,venue,dataset,setting,rank1,rank10,rank20,map,minp,class,source\n"
ROW = "Base,2024,PR,SYSU-MM01,ablation all-search,69.9,95.7,98.5,66.9,,ablation,Table IV\n"


def test_the_seven_rows_of_the_ablation_stand_in_the_paper_s_order():
    rows = published_results(dataset="SYSU-MM01", setting="ablation all-search")
    assert [(row.method, row.rank1, row.map) for row in rows] == [
        ("Base", 69.9, 66.9),
        ("Base+QFE", 73.0, 69.3),
        ("Base+MIMB", 74.3, 69.8),
        ("Base+QFE+MIMB", 75.1, 70.3),
        ("Base+QFE+QCT", 76.5, 71.8),
        ("Base+MIMB+QCT", 77.1, 71.8),
        ("Base+QFE+MIMB+QCT", 78.5, 74.2),
    ]


def test_the_whole_table_is_there_with_rates_that_were_not_printed_left_out():
    rows = published_results()
    assert len(rows) == 93
    assert {row.dataset for row in rows} == {"SYSU-MM01", "RegDB", "LLCM"}
    [agw] = published_results(method="AGW", dataset="RegDB", setting="visible-to-infrared")
    assert (agw.rank1, agw.rank10, agw.map, agw.minp, agw.year) == (70.0, None, 66.3, 50.19, 2021)


def test_a_filter_that_matches_each_other_s_rows_only_gives_none():
    assert published_results(method="MFEN", dataset="LLCM") == ()


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ({"method": "MSCMnet"}, "no published result has the method 'MSCMnet'; there are AGW, "),
        ({"dataset": "sysu"}, "no published result has the dataset 'sysu'; there are LLCM, RegDB, SYSU-MM01"),
        ({"setting": "all"}, "no published result has the setting 'all'; there are ablation all-search, all-search"),
    ],
)
def test_an_unknown_word_is_refused_with_those_that_there_are(filters, text):
    with pytest.raises(VireidError, match=text):
        published_results(**filters)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (HEADER + ROW.replace("69.9", "699"), r"percent, from 0 to 100, but Base has \(699.0"),
        (HEADER + ROW.replace("95.7", "50"), r"cannot fall with k, but Base has \[69.9, 50.0, 98.5\]"),
        (HEADER + ROW.replace("66.9", ""), "line 2 of the published results is not whole .ValueError"),
        (HEADER + "Base,2024\n", "line 2 of the published results is not whole"),
        (HEADER.replace("source", "from") + ROW, "line 2 of the published results is not whole .KeyError: 'source'"),
        (HEADER + ROW + ROW, "line 3 of the published results gives Base SYSU-MM01 ablation all-search a second time"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(content, text):
    with pytest.raises(VireidError, match=text):
        read_published(content)


def test_a_row_reads_as_written():
    assert read_published(HEADER + ROW) == [
        PublishedResult(
            method="Base",
            year=2024,
            venue="PR",
            dataset="SYSU-MM01",
            setting="ablation all-search",
            rank1=69.9,
            rank10=95.7,
            rank20=98.5,
            map=66.9,
            minp=None,
            kind="ablation",
            source="Table IV",
        )
    ]
