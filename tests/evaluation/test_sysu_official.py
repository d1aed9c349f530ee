"""The official MATLAB code's figures and the published draw, at the real size, from the public split files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from vireid.data import SysuPermutations, read_sysu_permutations
from vireid.evaluation import Protocol, evaluate, sysu_trials
from vireid.types import Embeddings, Modality, Record, Records

GOLDEN = Path(__file__).parents[1] / "golden"
LISTS = Path(__file__).parents[3] / "shared" / "reference" / "sysu_mm01_exp"

pytestmark = pytest.mark.skipif(
    not LISTS.exists(),
    reason="needs SYSU-MM01's public split files in ../shared/reference, which are not ours to commit",
)


@pytest.fixture(scope="module")
def records() -> Records:
    counts = json.loads((LISTS / "image_counts.json").read_text())
    persons = scipy.io.loadmat(LISTS / "test_id.mat")["id"].ravel().tolist()
    return Records.build(
        Path("sysu"),
        [
            Record(
                path=f"cam{camera}/{person:04d}/{number:04d}.jpg",
                person=person,
                camera=camera,
                modality=Modality.INFRARED if camera in (3, 6) else Modality.VISIBLE,
                split="test",
            )
            for camera in range(1, 7)
            for person in persons
            for number in range(1, counts.get(f"cam{camera}/{person:04d}", 0) + 1)
        ],
    )


@pytest.fixture(scope="module")
def permutations(tmp_path_factory: pytest.TempPathFactory) -> SysuPermutations:
    root = tmp_path_factory.mktemp("sysu")
    (root / "exp").mkdir()
    shutil.copy(LISTS / "rand_perm_cam.mat", root / "exp")
    return read_sysu_permutations(root)


@pytest.fixture(scope="module")
def embeddings(records: Records) -> Embeddings:
    """The made features of the golden file, by its recipe."""
    features = np.empty((len(records), 32))
    for camera in range(1, 7):
        for person in np.unique(records.persons).tolist():
            rows = records.rows(cameras=[camera], persons=[person])
            own = np.random.RandomState(person).randn(32) + 0.3 * np.random.RandomState(1000 + camera).randn(32)
            features[rows] = own + 1.6 * np.random.RandomState(100000 * camera + person).randn(len(rows), 32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return Embeddings(features=features.astype(np.float32), paths=records.paths)


def protocol(**facts: object) -> Protocol:
    plain = {"data_set": "sysu", "direction": "i2v", "feature": "made", "checkpoint_rule": "none"}
    return Protocol(**{**plain, "mode": "all", "shots": 1, "draw": "official", **facts})


# Single precision rounds the features; Euclidean distance then sees lengths not quite 1, which may swap a pair.
@pytest.mark.parametrize(("distance", "tolerance"), [("cosine", 1e-12), ("euclidean", 3e-6)])
def test_all_ten_trials_equal_the_official_code(
    records: Records, embeddings: Embeddings, permutations: SysuPermutations, distance: str, tolerance: float
) -> None:
    golden = np.load(GOLDEN / "sysu_official.npz")
    trials = sysu_trials(records, mode="all", draw="official", permutations=permutations)
    result = evaluate(records, embeddings, trials, protocol(), distance=distance)
    for row, trial in enumerate(result.trials):
        assert [trial.gallery, trial.queries] == golden["all_1_n"].tolist()
        np.testing.assert_allclose(trial.cmc, golden["all_1_cmc"][row], atol=1e-12)
        assert trial.map == pytest.approx(golden["all_1_map"][row], abs=tolerance)


@pytest.mark.parametrize(
    ("mode", "shots", "gallery", "valid"),
    [("all", 1, 301, 3803), ("all", 10, 3010, 3803), ("indoor", 1, 112, 2208), ("indoor", 10, 1120, 2208)],
)
def test_sizes_are_those_of_the_data_set(
    records: Records,
    embeddings: Embeddings,
    permutations: SysuPermutations,
    mode: str,
    shots: int,
    gallery: int,
    valid: int,
) -> None:
    trials = sysu_trials(records, mode=mode, shots=shots, draw="official", permutations=permutations, trials=1)
    (found,) = evaluate(records, embeddings, trials, protocol(mode=mode, shots=shots)).trials
    assert (found.queries, found.gallery, found.valid) == (3803, gallery, valid)


def test_seeded_draw_is_the_published_one(records: Records) -> None:
    golden = np.load(GOLDEN / "sysu_seeded_draws.npz")
    compared = 0
    for mode in ("all", "indoor"):
        for trial in sysu_trials(records, mode=mode):
            if f"{mode}_{trial.number}" in golden.files:
                assert records.paths[trial.gallery_rows].tolist() == golden[f"{mode}_{trial.number}"].tolist()
                assert len(trial.query_rows) == golden[f"{mode}_n_query"]
                compared += 1
    assert compared == len(golden.files) - 2
