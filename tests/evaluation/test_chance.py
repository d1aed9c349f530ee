"""Chance, exactly: against every order of a small gallery and against simulated orders of a larger one."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from vireid.evaluation import Trial, chance, score
from vireid.types import Modality, Record, Records, VireidError


def world(query: list[tuple[int, int]], gallery: list[tuple[int, int]], rule: str) -> tuple[Records, Trial]:
    """Queries, then gallery, each (person, camera)."""
    rows = [(person, camera, index < len(query)) for index, (person, camera) in enumerate([*query, *gallery])]
    records = Records.build(
        Path("root"),
        [
            Record(
                path=f"{index:05d}.png",
                person=person,
                camera=camera,
                modality=Modality.INFRARED if infrared else Modality.VISIBLE,
                split="test",
            )
            for index, (person, camera, infrared) in enumerate(rows)
        ],
    )
    numbers = np.arange(len(rows))
    return records, Trial(number=1, query_rows=numbers[: len(query)], gallery_rows=numbers[len(query) :], rule=rule)


@pytest.mark.parametrize("rule", ["sysu", "regdb", "llcm", "llcm-full", "folder"])
def test_chance_is_the_mean_over_every_order(rule: str) -> None:
    query = [(1, 3), (1, 6), (2, 3), (9, 6)]  # the last has no match
    gallery = [(1, 1), (1, 2), (1, 3), (2, 2), (2, 4), (4, 2), (5, 1)]
    orders = np.array(list(itertools.permutations(range(len(gallery)))), dtype=np.float64)
    expected = []
    for person, camera in query[:3]:
        result = score(
            orders,
            query_ids=[person] * len(orders),
            gallery_ids=[identity for identity, _ in gallery],
            query_cameras=[camera] * len(orders),
            gallery_cameras=[place for _, place in gallery],
            rule=rule,
        )
        expected.append([*result.cmc, result.map, result.minp])
    records, trial = world(query, gallery, rule)
    found = chance(records, [trial])
    np.testing.assert_allclose([*found["cmc"], found["map"], found["minp"]], np.mean(expected, axis=0), atol=1e-12)


@pytest.mark.parametrize("rule", ["sysu", "folder"])
def test_chance_is_what_random_scores_approach(rule: str) -> None:
    random = np.random.default_rng(0)
    query = [(int(person), int(camera)) for person in range(30) for camera in (3, 6)]
    gallery = [(int(person), int(camera)) for person in range(30) for camera in (1, 2, 4) for _ in range(person % 4)]
    records, trial = world(query, gallery, rule)
    repeats = 300
    labels = {
        "query_ids": np.tile(records.persons[trial.query_rows], repeats),
        "gallery_ids": records.persons[trial.gallery_rows],
        "query_cameras": np.tile(records.cameras[trial.query_rows], repeats),
        "gallery_cameras": records.cameras[trial.gallery_rows],
    }
    simulated = score(random.random((len(query) * repeats, len(gallery))), rule=rule, **labels)
    found = chance(records, [trial])
    # 18,000 draws: the standard error of a share is below 0.004.
    np.testing.assert_allclose(found["cmc"], simulated.cmc, atol=0.015)
    assert (found["map"], found["minp"]) == pytest.approx((simulated.map, simulated.minp), abs=0.005)


def test_equal_people_make_rank_one_one_in_their_number() -> None:
    records, trial = world([(3, 6)], [(person, 1) for person in range(96) for _ in range(10)], "sysu")
    np.testing.assert_allclose(chance(records, [trial])["cmc"], np.arange(1, 21) / 96, rtol=1e-10)


@pytest.mark.parametrize("people", range(2, 20))
def test_of_fewer_people_than_ranks_no_rate_is_above_one(people: int) -> None:
    gallery = [(person, camera) for person in range(people) for camera in (1, 2, 4, 5) for _ in range(1 + person % 5)]
    records, trial = world([(person, 6) for person in range(people)], gallery, "llcm")
    rates = chance(records, [trial])["cmc"]
    assert max(rates) <= 1
    assert rates[people - 1 :] == pytest.approx([1.0] * (21 - people), abs=1e-12)
    assert min(np.diff(rates)) >= 0


def test_chance_refuses_nothing_to_average() -> None:
    records, trial = world([(3, 6)], [(1, 1)], "sysu")
    with pytest.raises(VireidError, match="no query of the trial has a true match"):
        chance(records, [trial])
    with pytest.raises(VireidError, match="at least one trial, got none"):
        chance(records, [])
