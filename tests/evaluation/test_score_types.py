"""Scores and labels come as many types: each gives the result of the slow loop, or a sentence."""

import jaxtyping
import numpy as np
import pytest
import torch
from slow_scoring import slow_score

from vireid.evaluation import score, score_features
from vireid.types import VireidError


def case(rule: str) -> tuple[np.ndarray, dict]:
    """Whole numbers from 0 to 99, which all number types hold, with ties."""
    random = np.random.default_rng(5)
    return random.integers(0, 100, (9, 33)), {
        "query_ids": random.integers(0, 4, 9),
        "gallery_ids": random.integers(0, 4, 33),
        "query_cameras": random.integers(1, 5, 9),
        "gallery_cameras": random.integers(1, 5, 33),
        "rule": rule,
    }


KINDS = {
    "half": lambda table: torch.from_numpy(table).half(),
    "bfloat16": lambda table: torch.from_numpy(table).bfloat16(),
    "whole": lambda table: torch.from_numpy(table),
    "bytes": lambda table: torch.from_numpy(table.astype(np.uint8)),
    "turned": lambda table: torch.from_numpy(np.ascontiguousarray(table.T)).float().T,
    "with a gradient": lambda table: torch.from_numpy(table).double().requires_grad_(),
    "half array": lambda table: table.astype(np.float16),
    "whole array": lambda table: table,
    "byte array": lambda table: table.astype(np.uint8),
    "other byte order": lambda table: table.astype(">f4"),
    "turned array": lambda table: np.asfortranarray(table.astype(np.float32)),
    "nested lists": lambda table: table.tolist(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["sysu", "regdb"])
def test_any_number_type_scores_as_the_slow_loop(kind: str, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users run it
    table, labels = case(rule)
    cmc, mean_precision, mean_penalty, valid = slow_score(table.tolist(), **labels)
    found = score(KINDS[kind](table), **labels)
    np.testing.assert_allclose(found.cmc, cmc, atol=1e-12)
    assert (found.map, found.minp) == pytest.approx((mean_precision, mean_penalty), abs=1e-12)
    assert found.valid == valid


@pytest.mark.parametrize("kind", ["whole", "whole array"])
def test_whole_numbers_keep_the_digits_that_single_precision_has_not(kind: str, monkeypatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    table = np.array([[1 << 24, (1 << 24) + 1]])
    labels = {"query_ids": [1], "gallery_ids": [0, 1], "query_cameras": [1], "gallery_cameras": [2, 2]}
    assert score(KINDS[kind](table), **labels, rule="regdb").cmc[0] == 1.0


@pytest.mark.parametrize("rule", ["sysu", "regdb", "llcm", "llcm-full", "folder"])
def test_labels_may_be_tensors_or_bytes(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    table, labels = case(rule)
    tensors = {name: torch.from_numpy(values) for name, values in labels.items() if name != "rule"}
    expected = score(table.astype(np.float32), **labels)
    found = score(table.astype(np.float32), **tensors, rule=rule)
    assert found.to_json() == expected.to_json()
    small = {name: values.astype(np.uint8) for name, values in labels.items() if name != "rule"}
    assert score(table.astype(np.float32), **small, rule=rule).to_json() == expected.to_json()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([["a", "b"]], "scores must be real numbers in rows of equal length, got an array of <U1; convert them"),
        ([[1.0, 2.0], [3.0]], "^scores must be real numbers in rows of equal length, but they make no array"),
        (np.zeros(2), r"scores must be queries x gallery, got an array of shape \(2,\)"),
        (torch.zeros(1, 2, 1), r"scores must be queries x gallery, got an array of shape \(1, 2, 1\)"),
    ],
)
def test_scores_of_no_use_are_refused(scores, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    labels = {"query_ids": [1], "gallery_ids": [0, 1], "query_cameras": [1], "gallery_cameras": [2, 2]}
    with pytest.raises(VireidError, match=message):
        score(scores, **labels, rule="regdb")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_ids": [1.0]}, r"^query_ids must be one integer for each row of the scores, so 1, got float64"),
        ({"gallery_ids": [1, 2, 3]}, r"^gallery_ids must be one integer for each column of the scores, so 2, got"),
        ({"query_cameras": []}, r"^query_cameras must be one integer for each row of the scores, so 1, got"),
        ({"gallery_cameras": ["1", "2"]}, r"^gallery_cameras must be one integer for each column of the scores"),
        ({"gallery_ids": [True, False]}, r"^gallery_ids must be one integer .* got bool of shape \(2,\)"),
        ({"query_ids": [-2]}, r"a query needs a known identity \(0 or higher\), but 1 are negative"),
        ({"gallery_ids": [-1, -7], "rule": "llcm-full"}, "'llcm-full' counts .* but 2 gallery identities are negative"),
    ],
)
def test_labels_of_no_use_are_refused(change: dict, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    labels = {"query_ids": [1], "gallery_ids": [0, 1], "query_cameras": [1], "gallery_cameras": [2, 2], "rule": "regdb"}
    with pytest.raises(VireidError, match=message):
        score(np.zeros((1, 2), dtype=np.float32), **{**labels, **change})


@pytest.mark.parametrize("shapes", [((4,), (3, 4)), ((2, 4), (4,)), ((2, 4), (3, 5))])
def test_features_that_are_no_rows_of_one_width_are_refused(shapes: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    labels = {"query_ids": [1, 1], "gallery_ids": [0, 1, 1], "query_cameras": [1, 1], "gallery_cameras": [2, 2, 2]}
    with pytest.raises(VireidError, match="queries and gallery must be rows of equal width"):
        score_features(*(np.ones(shape, dtype=np.float32) for shape in shapes), **labels, rule="regdb")
