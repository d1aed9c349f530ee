"""Scores as whole numbers: the same order, with both zeros equal and ties in the gallery's order."""

import numpy as np
import pytest
import torch

from vireid.evaluation.order import descending_keys, digits

EDGES = [-np.inf, -3e38, -7.5, -1e-40, -0.0, 0.0, 1e-40, 0.25, 7.5, 3e38, np.inf]


def rows() -> np.ndarray:
    """All edges twice, each row in another order."""
    random = np.random.default_rng(3)
    return np.stack([random.permutation(np.float32([*EDGES, *EDGES])) for _ in range(20)])


def test_keys_sort_as_scores_do_and_equal_ones_by_place() -> None:
    scores = rows()
    keys = descending_keys(scores)
    assert all(len(set(row.tolist())) == len(row) for row in keys)
    for row, found in zip(scores, np.argsort(-keys, axis=1)):
        assert found.tolist() == sorted(range(len(row)), key=lambda place, row=row: (-row[place], place))
    assert np.array_equal(scores, rows())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_digits_compare_as_scores_do(dtype: torch.dtype) -> None:
    values = torch.tensor([*EDGES, 1.0, 1.0 + 1e-12, -1.0, -1.0 - 1e-12], dtype=torch.float64).to(dtype)
    parts = digits(values)
    assert all(((part >= 0) & (part < 1 << 32)).all() for part in parts)
    assert (parts[0] > 0).all()
    for one, first in enumerate(values.tolist()):
        for other, second in enumerate(values.tolist()):
            left, right = (tuple(int(part[place]) for part in parts) for place in (one, other))
            assert (left < right, left == right) == (first < second, first == second)
