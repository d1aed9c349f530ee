from pathlib import Path

import numpy as np
import pytest
from slow_scoring import slow_score

from vireid.evaluation import Protocol, Trial, evaluate, folder_trials, llcm_trials, regdb_trials, sysu_trials
from vireid.evaluation.rules import dropped
from vireid.figures.outcomes import QueryOutcomes, query_outcomes
from vireid.types import Embeddings, Modality, Record, Records, VireidError


def world(
    seed: int = 0, images: int = 90, people: int = 9, shared: bool = False, whole: bool = False
) -> tuple[Records, Embeddings]:
    """People seen by SYSU-MM01's cameras, or by cameras that see both kinds of light, with features that half help.

    Whole numbers make Euclidean scores exact and often equal, so that the gallery's own order decides.
    """
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(images):
        camera = int(draw.integers(1, 7))
        infrared = bool(draw.integers(0, 2)) if shared else camera in (3, 6)
        modality = Modality.INFRARED if infrared else Modality.VISIBLE
        person = int(draw.integers(0, people))
        rows.append(Record(path=f"{number:03}.png", person=person, camera=camera, modality=modality, split="test"))
    records = Records.build(Path("nowhere"), rows)
    features = np.eye(people, 12)[records.persons] * 1.5 + draw.normal(size=(images, 12))
    features = np.round(features) if whole else features
    order = draw.permutation(images)
    return records, Embeddings(features=features.astype(np.float32)[order], paths=records.paths[order])


def make_trials(name: str, records: Records) -> list[Trial]:
    return {
        "sysu": lambda: sysu_trials(records, mode="all", trials=4),
        "indoor": lambda: sysu_trials(records, mode="indoor", trials=3),
        "regdb": lambda: regdb_trials(records, direction="v2i", trial=1),
        "llcm": lambda: llcm_trials(records, direction="i2v", trials=3),
        "llcm-swapped": lambda: llcm_trials(records, direction="v2i", evaluator="llcm-swapped", trials=3),
        "llcm-full": lambda: llcm_trials(records, direction="v2i", evaluator="llcm-full"),
        "folder": lambda: folder_trials(records, direction="i2v"),
    }[name]()


PROTOCOLS = ["sysu", "indoor", "regdb", "llcm", "llcm-swapped", "llcm-full", "folder"]
ANY = Protocol(data_set="folder", direction="i2v", feature="made", checkpoint_rule="none")


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("seed", range(3))
def test_averages_are_those_of_the_evaluation(name, seed):
    records, embeddings = world(seed, shared=name not in ("sysu", "indoor"))
    trials = make_trials(name, records)
    outcomes = query_outcomes(records, embeddings, trials)
    expected = evaluate(records, embeddings, trials, ANY).mean
    assert outcomes.rank1 == pytest.approx(expected["cmc"][0], abs=1e-9)
    assert outcomes.map == pytest.approx(expected["map"], abs=1e-9)
    for rank in (2, 5, 20):
        rates = [(outcomes.ranks[outcomes.trials == number] <= rank).mean() for number in range(len(trials))]
        assert np.mean(rates) == pytest.approx(expected["cmc"][rank - 1], abs=1e-9)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_equal_scores_are_ordered_as_in_the_evaluation(name):
    records, embeddings = world(5, shared=name not in ("sysu", "indoor"), whole=True)
    trials = make_trials(name, records)
    outcomes = query_outcomes(records, embeddings, trials, distance="euclidean")
    expected = evaluate(records, embeddings, trials, ANY, distance="euclidean").mean
    assert outcomes.rank1 == pytest.approx(expected["cmc"][0], abs=1e-9)
    assert outcomes.map == pytest.approx(expected["map"], abs=1e-9)


def slow_outcomes(records: Records, embeddings: Embeddings, trials: list[Trial]) -> list[dict[str, object]]:
    """One query after the other, its gallery sorted in plain Python."""
    vector = dict(zip(embeddings.paths.tolist(), embeddings.features.tolist()))

    def compare(query: int, row: int) -> float:
        """(|q|^2 - |q - g|^2) / 2."""
        asked, there = vector[records[query].path], vector[records[row].path]
        return sum(a * a - (a - b) ** 2 for a, b in zip(asked, there)) / 2

    cameras = sorted({int(records.cameras[row]) for trial in trials for row in trial.gallery_rows})
    outcomes = []
    for number, trial in enumerate(trials):
        for query in trial.query_rows.tolist():
            person, camera = int(records.persons[query]), int(records.cameras[query])
            ids, places = records.persons[trial.gallery_rows], records.cameras[trial.gallery_rows]
            cut = dropped(np.full_like(ids, person), ids, np.full_like(places, camera), places, trial.rule)
            seen = [row for at, row in enumerate(trial.gallery_rows.tolist()) if cut is None or not cut[at]]
            score = {row: compare(query, row) for row in seen}
            order = sorted(seen, key=lambda row: -score[row])
            true = [row for row in order if records.persons[row] == person]
            if not true:
                continue
            _, precision, _, _ = slow_score(
                [[score[row] for row in seen]],
                [person],
                [int(records.persons[row]) for row in seen],
                [99],
                [int(records.cameras[row]) for row in seen],
                "regdb",
            )
            here = [[row for row in order if records.cameras[row] == one] for one in cameras]
            outcomes.append(
                {
                    "trials": number,
                    "rows": query,
                    "precisions": precision,
                    "found_rows": order[0],
                    "scores": score[order[0]],
                    "wrong_persons": -1 if records.persons[order[0]] == person else int(records.persons[order[0]]),
                    "right_rows": true[0],
                    "right_scores": score[true[0]],
                    "right_in_camera": [
                        int(rows[0] in true) if any(row in true for row in rows) else -1 for rows in here
                    ],
                }
            )
    return outcomes


@pytest.mark.parametrize("name", PROTOCOLS)
def test_each_outcome_is_that_of_a_loop_over_queries(name):
    records, embeddings = world(7, shared=name not in ("sysu", "indoor"), whole=True)
    trials = make_trials(name, records)
    outcomes = query_outcomes(records, embeddings, trials, distance="euclidean")
    expected = slow_outcomes(records, embeddings, trials)
    assert expected
    for column in expected[0]:
        np.testing.assert_allclose(
            getattr(outcomes, column), [one[column] for one in expected], atol=1e-6, err_msg=column
        )
    assert ((outcomes.ranks == 1) == (outcomes.found_rows == outcomes.right_rows)).all()


def test_pieces_of_queries_change_nothing(monkeypatch):
    records, embeddings = world(3, whole=True)
    trials = sysu_trials(records, mode="all", trials=2)
    whole = query_outcomes(records, embeddings, trials, distance="euclidean")
    monkeypatch.setattr("vireid.figures.outcomes._CELLS", 50)
    pieces = query_outcomes(records, embeddings, trials, distance="euclidean")
    for column in ("trials", "rows", "ranks", "precisions", "found_rows", "right_in_camera"):
        np.testing.assert_array_equal(getattr(whole, column), getattr(pieces, column))


def few(*rows: tuple[int, int, bool]) -> Records:
    """Person, camera and whether it is infrared."""
    return Records.build(
        Path("nowhere"),
        [
            Record(
                path=f"{number}.png",
                person=person,
                camera=camera,
                modality=Modality.INFRARED if infrared else Modality.VISIBLE,
                split="test",
            )
            for number, (person, camera, infrared) in enumerate(rows)
        ],
    )


def outcomes_of(records: Records, features: list[list[float]]) -> QueryOutcomes:
    embeddings = Embeddings(features=np.float32(features), paths=records.paths)
    return query_outcomes(records, embeddings, folder_trials(records, direction="i2v"))


def test_a_query_without_a_match_is_left_out():
    records = few((1, 3, True), (2, 3, True), (1, 1, False), (-1, 2, False))
    outcomes = outcomes_of(records, [[1, 0], [1, 0], [0.5, 0.5], [1, 0]])
    np.testing.assert_array_equal(outcomes.rows, [0])
    np.testing.assert_array_equal(outcomes.ranks, [2])
    # A stranger nobody has named stands first.
    np.testing.assert_array_equal(outcomes.found_rows, [3])
    np.testing.assert_array_equal(outcomes.wrong_persons, [-1])
    np.testing.assert_array_equal(outcomes.gallery_cameras, [1, 2])
    np.testing.assert_array_equal(outcomes.right_in_camera, [[1, -1]])


def test_what_cannot_be_told_is_refused():
    records = few((1, 3, True), (2, 1, False))
    embeddings = Embeddings(features=np.ones((2, 2), dtype=np.float32), paths=records.paths)
    with pytest.raises(VireidError, match="no query of trial 1 has a true match"):
        query_outcomes(records, embeddings, folder_trials(records, direction="i2v"))
    with pytest.raises(VireidError, match="need at least one trial, got none"):
        query_outcomes(records, embeddings, [])
    short = Embeddings(features=np.ones((1, 2), dtype=np.float32), paths=records.paths[:1])
    with pytest.raises(VireidError, match=r"1 of 2 have none and 0 paths stand there twice, .* is '1\.png'"):
        query_outcomes(records, short, folder_trials(records, direction="i2v"))
    twice = Embeddings(features=np.ones((3, 2), dtype=np.float32), paths=records.paths[[0, 1, 1]])
    with pytest.raises(VireidError, match="0 of 2 have none and 1 paths stand there twice"):
        query_outcomes(records, twice, folder_trials(records, direction="i2v"))
