"""From embeddings to a result: matching by path, what the result says, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from vireid.evaluation import Protocol, evaluate, folder_trials, llcm_trials, score, sysu_trials
from vireid.evaluation.similarity import normalise
from vireid.types import Embeddings, Modality, Record, Records, VireidError

RECORDS = Records.build(
    Path("root"),
    [
        Record(
            path=f"cam{camera}/{person:04d}/{n:04d}.jpg",
            person=person,
            camera=camera,
            modality=Modality.INFRARED if camera in (3, 6) else Modality.VISIBLE,
            split="test",
        )
        for camera in range(1, 7)
        for person in (0, 4, 9, 10)
        for n in range(3)
    ],
)
SYSU = Protocol(
    data_set="sysu", direction="i2v", feature="bn", checkpoint_rule="last epoch", mode="all", shots=1, draw="seeded"
)


def made_embeddings(width: int = 16, seed: int = 0) -> Embeddings:
    features = np.random.default_rng(seed).standard_normal((len(RECORDS), width)).astype(np.float32)
    return Embeddings(features=features, paths=RECORDS.paths)


def by_hand(embeddings: Embeddings, trial, distance: str = "cosine"):
    features = embeddings.features.astype(np.float64)
    if distance == "cosine":
        features /= np.linalg.norm(features, axis=1, keepdims=True)
    query, gallery = features[trial.query_rows], features[trial.gallery_rows]
    return score(
        -np.linalg.norm(query[:, None] - gallery, axis=2),
        query_ids=RECORDS.persons[trial.query_rows],
        gallery_ids=RECORDS.persons[trial.gallery_rows],
        query_cameras=RECORDS.cameras[trial.query_rows],
        gallery_cameras=RECORDS.cameras[trial.gallery_rows],
        rule=trial.rule,
    )


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_trials_together_equal_each_alone(distance: str) -> None:
    embeddings = made_embeddings()
    for trials in (
        sysu_trials(RECORDS, mode="all", trials=4),
        llcm_trials(RECORDS, direction="v2i", evaluator="llcm-swapped", trials=3),
    ):
        result = evaluate(RECORDS, embeddings, trials, SYSU, distance=distance)
        for found, trial in zip(result.trials, trials):
            expected = by_hand(embeddings, trial, distance)
            np.testing.assert_allclose(found.cmc, expected.cmc, atol=1e-12)
            assert (found.map, found.minp) == pytest.approx((expected.map, expected.minp), abs=1e-12)


def test_embeddings_are_matched_by_path_in_any_order_and_with_extra_rows() -> None:
    embeddings = made_embeddings()
    trials = sysu_trials(RECORDS, mode="all", trials=2)
    order = np.random.default_rng(1).permutation(len(RECORDS))
    moved = Embeddings(
        features=np.concatenate([np.ones((1, 16), dtype=np.float32), embeddings.features[order]]),
        paths=np.concatenate([["train/other.jpg"], RECORDS.paths[order]]),
    )
    expected, found = (evaluate(RECORDS, one, trials, SYSU).mean for one in (embeddings, moved))
    np.testing.assert_allclose(found["cmc"], expected["cmc"])
    assert (found["map"], found["minp"]) == pytest.approx((expected["map"], expected["minp"]))


def test_a_missing_image_is_named_and_counted() -> None:
    embeddings = made_embeddings()
    kept = RECORDS.cameras != 3
    some = Embeddings(features=embeddings.features[kept], paths=RECORDS.paths[kept])
    with pytest.raises(VireidError, match=r"but 12 of \d+ have none, the first 'cam3/0000/0000.jpg'.*'cam1/0000/0000"):
        evaluate(RECORDS, some, sysu_trials(RECORDS, mode="all"), SYSU)
    none = Embeddings(features=np.zeros((0, 4), dtype=np.float32), paths=np.array([], dtype=str))
    with pytest.raises(VireidError, match="every image of the trials needs an embedding"):
        evaluate(RECORDS, none, sysu_trials(RECORDS, mode="all"), SYSU)


def test_two_embeddings_of_one_image_are_refused() -> None:
    embeddings = made_embeddings()
    twice = Embeddings(
        features=np.concatenate([embeddings.features, embeddings.features[:1]]),
        paths=np.concatenate([RECORDS.paths, RECORDS.paths[:1]]),
    )
    with pytest.raises(VireidError, match=r"'cam1/0000/0000.jpg' has several"):
        evaluate(RECORDS, twice, sysu_trials(RECORDS, mode="all"), SYSU)


def test_no_trial_is_refused() -> None:
    with pytest.raises(VireidError, match="at least one trial, got none"):
        evaluate(RECORDS, made_embeddings(), [], SYSU)


def test_identical_features_rank_in_gallery_order() -> None:
    # Every score is equal, so person 0, first in the gallery, is found at once and the others one identity later each.
    constant = Embeddings(features=np.ones((len(RECORDS), 4), dtype=np.float32), paths=RECORDS.paths)
    result = evaluate(RECORDS, constant, sysu_trials(RECORDS, mode="all"), SYSU)
    assert result.mean["cmc"][:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert set(result.std["cmc"]) == {0.0}


def test_zero_vectors_give_finite_results() -> None:
    zero = Embeddings(features=np.zeros((len(RECORDS), 4), dtype=np.float32), paths=RECORDS.paths)
    assert evaluate(RECORDS, zero, sysu_trials(RECORDS, mode="all"), SYSU).mean["cmc"][0] == 0.25


def test_normalise_keeps_very_large_and_very_small_vectors() -> None:
    found = normalise(np.array([[3e38, 0], [3e-38, 4e-38], [0, 0]], dtype=np.float32))
    np.testing.assert_allclose(found, [[1, 0], [0.6, 0.8], [0, 0]], rtol=1e-5)


def test_json_has_exactly_the_promised_form() -> None:
    trials = sysu_trials(RECORDS, mode="all", trials=3)
    result = evaluate(RECORDS, made_embeddings(), trials, SYSU, rerank=True)
    found = json.loads(json.dumps(result.to_json()))
    assert list(found) == ["protocol", "trials", "mean", "std"]
    assert len(found["trials"]) == 3
    for trial in found["trials"]:
        assert set(trial) == {"cmc", "map", "minp", "queries", "gallery", "valid"}
        assert len(trial["cmc"]) == 20
    assert found["mean"]["map"] == pytest.approx(np.mean([trial["map"] for trial in found["trials"]]))
    assert found["std"]["cmc"][0] == pytest.approx(np.std([trial["cmc"][0] for trial in found["trials"]]))
    assert found["protocol"] == {
        "name": "sysu all-search 1-shot seeded i2v",
        "data_set": "sysu",
        "direction": "i2v",
        "feature": "bn",
        "checkpoint_rule": "last epoch",
        "method": "not known",
        "reconstruction": "none",
        "mode": "all",
        "shots": 1,
        "draw": "seeded",
        "evaluator": None,
        "split": None,
        "trials": 3,
        "distance": "cosine",
        "reranking": "k-reciprocal (k1=20, k2=6, lambda=0.3)",
        "test_time_augmentation": "none",
        "made_world": False,
        "trial_rule": "one model, 3 galleries drawn anew, mean",
    }


def test_spread_of_one_trial_is_zero() -> None:
    protocol = Protocol(data_set="folder", direction="i2v", feature="bn", checkpoint_rule="last epoch")
    result = evaluate(RECORDS, made_embeddings(), folder_trials(RECORDS, direction="i2v"), protocol)
    assert result.std == {"cmc": [0.0] * 20, "map": 0.0, "minp": 0.0}
    assert result.protocol.trial_rule == "one model, one pass over the whole gallery"


def test_a_protocol_names_what_its_data_set_needs() -> None:
    with pytest.raises(VireidError, match="a result on sysu must name its shots, draw"):
        Protocol(data_set="sysu", direction="i2v", feature="bn", checkpoint_rule="last epoch", mode="all")
    with pytest.raises(VireidError, match="a result on llcm must name its evaluator"):
        Protocol(data_set="llcm", direction="i2v", feature="bn", checkpoint_rule="last epoch")
    with pytest.raises(VireidError, match="its direction must be 'i2v'"):
        Protocol(
            data_set="sysu", direction="v2i", feature="bn", checkpoint_rule="best", mode="all", shots=1, draw="seeded"
        )


def test_reranking_changes_the_scores_of_each_trial() -> None:
    trials = sysu_trials(RECORDS, mode="all", trials=2)
    plain, reranked = (evaluate(RECORDS, made_embeddings(), trials, SYSU, rerank=rerank) for rerank in (False, True))
    assert plain.protocol.reranking == "none"
    assert plain.mean["map"] != reranked.mean["map"]
