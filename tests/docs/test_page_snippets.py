"""Python in the pages that a reader may copy does what the page says."""

import re

import numpy as np


def test_groups_are_compared_as_a_slow_loop_compares_them(pages):
    [source] = re.findall(r"```python\n(.*?def compare_groups.*?)```", pages["docs/responsible_use.md"], re.DOTALL)
    names = {}
    exec(source, names)
    random = np.random.default_rng(0)
    query_ids, gallery_ids = np.repeat(np.arange(6), 3), np.repeat(np.arange(6), 4)
    scores = random.normal(size=(18, 24)) + 1.5 * (query_ids[:, None] == gallery_ids)
    group_of = dict.fromkeys(range(4), "long coats") | dict.fromkeys(range(4, 6), "short coats")
    rows = names["compare_groups"](
        scores, group_of, 1.0,
        query_ids=query_ids, gallery_ids=gallery_ids, query_cameras=np.full(18, 3), gallery_cameras=np.full(24, 1),
    )  # fmt: skip
    for group, people in (("long coats", range(4)), ("short coats", (4, 5))):
        firsts, alarms = [], []
        for row, person in enumerate(query_ids):
            if person in people:
                firsts.append(gallery_ids[scores[row].argmax()] == person)
                alarms += [scores[row, column] >= 1.0 for column in range(24) if gallery_ids[column] != person]
        assert rows[group][0] == len(people)
        np.testing.assert_allclose(rows[group][1:], (np.mean(firsts), np.mean(alarms)))
    assert set(rows) == {"long coats", "short coats"}


def test_the_arithmetic_of_alarms_is_right(pages):
    text = pages["docs/responsible_use.md"]

    def right(p, d, f):
        return d * p / (d * p + f * (1 - p))

    assert f"= {right(1e-4, 0.8, 1e-3):.0%}".replace("%", " %") in text
    assert "one in 8,600" in text
    assert round(1 / right(1e-4, 0.116, 0.1), -2) == 8600
    measured = pages["benchmarks/open_set_2-core-cpu_2026-11-21.md"]
    for shown, printed in (
        ("27.9 %", "27.9%"),
        ("22.6 %", "| 50% | 22.6%"),
        ("11.6 %", "| 10% | 11.6%"),
        ("4.4 %", "| 1% | 4.4%"),
    ):
        assert shown in text
        assert printed in measured
