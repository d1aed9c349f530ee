"""The losses between modality centres: loops over identities, properties, an edge table, bad input."""

import math
from collections.abc import Callable
from functools import partial
from itertools import product

import jaxtyping
import pytest
import torch
from torch import Tensor

from vireid.losses import (
    center_guided_pair_loss,
    identity_center_mining_loss,
    marginal_exponential_center_loss,
)
from vireid.types import VireidError

# unsorted, unequal counts, identity 0, modalities in any order
LABELS = torch.tensor([4, 0, 4, 0, -3, 4, 0, -3, -3, 4])
INFRARED = torch.tensor([0, 1, 1, 0, 0, 0, 1, 1, 1, 1]).bool()
FEATURES = 0.5 * torch.randn(10, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
TURN = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)).Q
TWO = (torch.tensor([0, 0, 1, 1]), torch.tensor([False, True, False, True]))  # labels, infrared

Rows = list[list[float]]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def guided_pair(features: Tensor, labels: Tensor, infrared: Tensor, margin: float = 0.4) -> Tensor:
    """A branch that is the original moved: what the tests ask of one set of features, they ask of the pair."""
    return center_guided_pair_loss(features, 0.8 * features.roll(1, dims=1), labels, infrared, margin=margin)


LOSSES: dict[str, Loss] = {
    "guided pair": guided_pair,
    "exponential": partial(marginal_exponential_center_loss, margin=0.3, scale=1.7),
    "mining": partial(identity_center_mining_loss, margin=0.3),
}


def centers_of(rows: Rows, names: list[int], night: list[bool]) -> dict[tuple[int, bool], list[float]]:
    found = {}
    for name, modality in product(set(names), (False, True)):
        own = [row for row, n, m in zip(rows, names, night, strict=True) if (n, m) == (name, modality)]
        found[name, modality] = [sum(column) / len(own) for column in zip(*own, strict=True)]
    return found


def slow_guided_pair(rows: Rows, names: list[int], night: list[bool]) -> float:
    original = centers_of(rows, names, night)
    branch = centers_of([[0.8 * value for value in row[-1:] + row[:-1]] for row in rows], names, night)
    total = 0.0
    for k, m in original:
        reach = math.dist(branch[k, m], original[k, not m]) + 0.4
        total += max(reach - math.dist(branch[k, m], original[k, m]), 0)
        for centers in (branch, original):
            nearest = min(math.dist(centers[k, m], centers[other, m]) for other in set(names) - {k})
            total += max(reach - nearest, 0) / 2
    return total / len(original)


def slow_exponential(rows: Rows, names: list[int], night: list[bool]) -> float:
    centers = centers_of(rows, names, night)
    total = 0.0
    for row, name in zip(rows, names, strict=True):
        own = [math.exp(1.7 * math.dist(row, center)) for (k, _), center in centers.items() if k == name]
        others = [math.exp(-1.7 * math.dist(row, center)) for (k, _), center in centers.items() if k != name]
        farther = math.log(sum(own) / len(own)) / 1.7
        nearer = -math.log(sum(others) / len(others)) / 1.7
        total += math.log(1 + math.exp(1.7 * (farther - nearer + 0.3))) / 1.7
    return total / len(rows)


def slow_mining(rows: Rows, names: list[int], night: list[bool]) -> float:
    centers = centers_of(rows, names, night)
    gap = {k: math.dist(centers[k, False], centers[k, True]) for k in set(names)}
    pull = sum(value / sum(gap.values()) * value for value in gap.values())
    push = 0.0
    for k, m in centers:
        nearest = min(math.dist(centers[k, m], centers[other, not m]) for other in set(names) - {k})
        push += max(gap[k] - nearest + 0.3, 0)
    return pull + push / len(centers)


SLOW = {"guided pair": slow_guided_pair, "exponential": slow_exponential, "mining": slow_mining}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_equals_the_loops(name: str, dtype: torch.dtype, tolerance: float):
    features = FEATURES.to(dtype)
    loss = LOSSES[name](features, LABELS, INFRARED)
    assert loss.dtype == dtype
    expected = SLOW[name](features.double().tolist(), LABELS.tolist(), INFRARED.tolist())
    assert loss.item() == pytest.approx(expected, abs=tolerance)


def test_gradcheck_exponential():
    loss = LOSSES["exponential"]
    assert torch.autograd.gradcheck(lambda f: loss(f, LABELS, INFRARED), FEATURES.clone().requires_grad_())


def center(features: Tensor, identity: int, infrared: bool) -> Tensor:
    return features[(identity == LABELS) & (infrared == INFRARED)].mean(dim=0)


def slopes(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Gradient by central differences."""
    found = torch.zeros_like(at)
    for place in product(*map(range, at.shape)):
        step = torch.zeros_like(at)
        step[place] = 1e-6
        found[place] = (loss(at + step) - loss(at - step)) / 2e-6
    return found


def test_mining_weights_are_constant_to_the_gradient():
    features = FEATURES.clone().requires_grad_()
    LOSSES["mining"](features, LABELS, INFRARED).backward()

    def gaps(values: Tensor) -> Tensor:
        return torch.stack([(center(values, k, False) - center(values, k, True)).norm() for k in (-3, 0, 4)])

    def held(values: Tensor) -> Tensor:
        """The loss with the weights of `FEATURES`, whatever the values."""
        moved, fixed = gaps(values), gaps(FEATURES)
        free = (moved * moved).sum() / moved.sum()
        return LOSSES["mining"](values, LABELS, INFRARED) - free + (fixed / fixed.sum() * moved).sum()

    torch.testing.assert_close(features.grad, slopes(held, FEATURES), rtol=0, atol=1e-7)


def test_mining_closes_the_widest_gap_first_and_widens_none():
    features = torch.tensor([[0.0], [1.0], [50.0], [53.0]]).requires_grad_()
    identity_center_mining_loss(features, *TWO, margin=0.0).backward()
    assert features.grad is not None
    assert features.grad.flatten().tolist() == pytest.approx([-0.25, 0.25, -0.75, 0.75])


def test_mining_keeps_the_nearest_other_identity_a_margin_away():
    # both gaps are 1; v_0 - t_1 is 3, t_0 - v_1 is 1, so one of two directions is short of the margin by 1.5
    features = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    assert identity_center_mining_loss(features, *TWO, margin=1.5).item() == pytest.approx(1 + 1.5 / 2)
    assert identity_center_mining_loss(features, *TWO, margin=0.0).item() == pytest.approx(1)


def test_guided_pair_holds_the_distance_to_ones_own_original():
    # one identity: only the first term is left; the branch goes to the other modality, not away from its own
    original = torch.tensor([[0.0], [10.0]]).requires_grad_()
    branch = torch.tensor([[1.0], [9.0]]).requires_grad_()
    center_guided_pair_loss(original, branch, *(part[:2] for part in TWO)).backward()
    assert original.grad is not None
    assert branch.grad is not None
    assert branch.grad.flatten().tolist() == pytest.approx([-0.5, 0.5])
    assert original.grad.flatten().tolist() == pytest.approx([-0.5, 0.5])


def test_guided_pair_gradient_is_that_of_the_held_loss():
    branch = (0.8 * FEATURES @ TURN).requires_grad_()

    def held(values: Tensor) -> Tensor:
        """The loss less its free first term, plus that term with the distance at `branch`."""
        total = center_guided_pair_loss(FEATURES, values, LABELS, INFRARED, margin=0.4)
        for k, m in product((4, 0, -3), (False, True)):
            reach = (center(values, k, m) - center(FEATURES, k, not m)).norm() + 0.4
            free = (center(values, k, m) - center(FEATURES, k, m)).norm()
            constant = (center(branch.detach(), k, m) - center(FEATURES, k, m)).norm()
            total = total + ((reach - constant).clamp(min=0) - (reach - free).clamp(min=0)) / 6
        return total

    center_guided_pair_loss(FEATURES, branch, LABELS, INFRARED, margin=0.4).backward()
    torch.testing.assert_close(branch.grad, slopes(held, branch.detach()), rtol=0, atol=1e-7)


def test_exponential_nears_the_hinge_as_the_scale_grows():
    rows, names, night = FEATURES.tolist(), LABELS.tolist(), INFRARED.tolist()
    centers = centers_of(rows, names, night)
    hinge = 0.0
    for row, name in zip(rows, names, strict=True):
        farthest = max(math.dist(row, center) for (k, _), center in centers.items() if k == name)
        nearest = min(math.dist(row, center) for (k, _), center in centers.items() if k != name)
        hinge += max(farthest - nearest + 0.3, 0) / len(rows)
    loss = marginal_exponential_center_loss(FEATURES, LABELS, INFRARED, margin=0.3, scale=1e5)
    assert loss.item() == pytest.approx(hinge, abs=1e-4)


@pytest.mark.parametrize("kind", ["intra", "inter"])
def test_exponential_draws_rows_to_both_own_centers(kind: str):
    # identity 0's infrared rows stand 2 apart (intra) or its two modalities do (inter); identity 1 is far away
    rows = {"intra": [0.0, 0.0, -1.0, 1.0], "inter": [-1.0, -1.0, 1.0, 1.0]}[kind]
    features = torch.tensor([[value, 0.0] for value in rows] + [[0.0, 3.0]] * 2).requires_grad_()
    labels, infrared = torch.tensor([0, 0, 0, 0, 1, 1]), torch.tensor([0, 0, 1, 1, 0, 1]).bool()
    marginal_exponential_center_loss(features, labels, infrared, margin=0.3).backward()
    assert features.grad is not None
    moves = -features.grad[:4, 0]
    assert (moves * features.detach()[:4, 0]).sum() < 0


@pytest.mark.parametrize("name", LOSSES)
def test_properties(name: str):
    loss = LOSSES[name]
    base = loss(FEATURES, LABELS, INFRARED).item()
    order = torch.randperm(10, generator=torch.Generator().manual_seed(4))
    assert loss(FEATURES[order], LABELS[order], INFRARED[order]).item() == pytest.approx(base, abs=1e-12)
    assert loss(FEATURES, 40 - 3 * LABELS, INFRARED).item() == pytest.approx(base, abs=1e-12)
    # day and night are treated alike
    assert loss(FEATURES, LABELS, ~INFRARED).item() == pytest.approx(base, abs=1e-12)
    # inputs are not written
    kept = FEATURES.clone()
    loss(FEATURES, LABELS, INFRARED)
    assert torch.equal(FEATURES, kept)


def test_a_rotation_and_a_shift_of_the_space_change_nothing():
    moved = FEATURES @ TURN + 3
    for name in ("exponential", "mining"):
        base = LOSSES[name](FEATURES, LABELS, INFRARED).item()
        assert LOSSES[name](moved, LABELS, INFRARED).item() == pytest.approx(base, abs=1e-12)
    branch = FEATURES.flip(1)
    base = center_guided_pair_loss(FEATURES, branch, LABELS, INFRARED).item()
    turned = center_guided_pair_loss(moved, branch @ TURN + 3, LABELS, INFRARED).item()
    assert turned == pytest.approx(base, abs=1e-12)


def test_distances_and_margins_have_one_unit():
    scaled: dict[str, Loss] = {
        "guided pair": partial(guided_pair, margin=4.0),
        "exponential": partial(marginal_exponential_center_loss, margin=3.0, scale=0.17),
        "mining": partial(identity_center_mining_loss, margin=3.0),
    }
    for name, loss in scaled.items():
        base = LOSSES[name](FEATURES, LABELS, INFRARED).item()
        assert loss(10 * FEATURES, LABELS, INFRARED).item() == pytest.approx(10 * base, abs=1e-11)


NORMAL = torch.randn(8, 3, generator=torch.Generator().manual_seed(5))
PAIRS = torch.tensor([0, 0, 9, 9, 0, 9, 0, 9])
HALVES = torch.arange(8) >= 4
EDGES = {
    "all features equal": (torch.ones(8, 3), PAIRS, HALVES),
    "all features zero": (torch.zeros(8, 3), PAIRS, HALVES),
    "one row an identity and modality": (NORMAL[:4], torch.tensor([1, 0, 0, 1]), HALVES[2:6]),
    "duplicates": (torch.eye(2).repeat(4, 1), torch.tensor([0, 1] * 4), HALVES),
    "equally near others": (
        torch.tensor([[0.0], [0.0], [1.0], [1.0], [-1.0], [-1.0]]),
        torch.tensor([0, 0, 1, 1, 2, 2]),
        torch.tensor([False, True] * 3),
    ),
    "labels in int32": (NORMAL, PAIRS.int(), HALVES),
    "huge features": (1e15 * NORMAL, PAIRS, HALVES),
    "tiny features": (1e-15 * NORMAL, PAIRS, HALVES),
    "subnormal features": (1e-40 * NORMAL, PAIRS, HALVES),
    "one identity": (NORMAL, torch.full((8,), 5), HALVES),
}


@pytest.mark.parametrize(
    ("edge", "name"), [pair for pair in product(EDGES, LOSSES) if pair != ("one identity", "exponential")]
)
def test_edges_have_a_finite_loss_and_gradient(edge: str, name: str):
    features, labels, infrared = EDGES[edge]
    features = features.clone().requires_grad_()
    loss = LOSSES[name](features, labels, infrared)
    loss.backward()
    assert features.grad is not None
    assert loss.isfinite()
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_computed_in_single(name: str):
    half = (400 * FEATURES).to(torch.float16)
    loss = LOSSES[name](half, LABELS, INFRARED)
    assert loss.dtype == torch.float32
    whole = half.float()
    if name == "guided pair":  # the branch is made of the half
        expected = center_guided_pair_loss(whole, (0.8 * half.roll(1, dims=1)).float(), LABELS, INFRARED, margin=0.4)
        assert loss.item() == expected.item()
    else:
        assert loss.item() == LOSSES[name](whole, LABELS, INFRARED).item()


def test_one_identity():
    features, labels, infrared = EDGES["one identity"]
    features = 1e4 * features  # far, and still no other identity is near
    gap = (features[:4].mean(dim=0) - features[4:].mean(dim=0)).norm().item()
    assert LOSSES["mining"](features, labels, infrared).item() == pytest.approx(gap, rel=1e-6)
    with pytest.raises(VireidError, match="all 8 rows are of identity 5; sample at least two identities a batch"):
        LOSSES["exponential"](features, labels, infrared)


@pytest.mark.parametrize("name", LOSSES)
def test_bad_input(name: str, monkeypatch: pytest.MonkeyPatch):
    # without the shape hook, as users run it
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    loss = LOSSES[name]
    with pytest.raises(VireidError, match=r"got features \(10, 4\) and labels \(9,\)"):
        loss(FEATURES, LABELS[:9], INFRARED)
    with pytest.raises(VireidError, match="at least one feature"):
        loss(FEATURES[:0], LABELS[:0], INFRARED[:0])
    with pytest.raises(VireidError, match=r"each of the 10 rows, got torch.bool \(9,\)"):
        loss(FEATURES, LABELS, INFRARED[:9])
    with pytest.raises(VireidError, match=r"True \(infrared\) or False \(visible\) .* got torch.int64 \(10,\)"):
        loss(FEATURES, LABELS, INFRARED.long())
    with pytest.raises(VireidError, match="identity -3 has no infrared row; sample identities that have both"):
        loss(FEATURES, LABELS, INFRARED & (LABELS != -3))
    with pytest.raises(VireidError, match="both modalities, but identity 4 has no visible row"):
        loss(FEATURES, LABELS, INFRARED | (LABELS == 4))
    with pytest.raises(VireidError, match="margin must be a finite number of at least 0, got -1"):
        loss(FEATURES, LABELS, INFRARED, margin=-1.0)  # pyright: ignore[reportCallIssue]


def test_bad_scale():
    with pytest.raises(VireidError, match="scale must be a finite number above 0, got 0"):
        marginal_exponential_center_loss(FEATURES, LABELS, INFRARED, margin=0.3, scale=0.0)


def test_a_branch_of_other_images():
    with pytest.raises(VireidError, match=r"got original \(10, 4\) and branch \(9, 4\)"):
        center_guided_pair_loss(FEATURES, FEATURES[:9], LABELS, INFRARED)


@pytest.mark.parametrize("name", ["exponential", "mining"])
def test_descent_joins_modalities_and_parts_identities(name: str):
    def widest_gap_for_nearest_people(features: Tensor) -> float:
        days, nights = ([center(features, k, m) for k in (-3, 0, 4)] for m in (False, True))
        gap = max((day - night).norm().item() for day, night in zip(days, nights, strict=True))
        people = torch.stack([(day + night) / 2 for day, night in zip(days, nights, strict=True)])
        return gap / torch.pdist(people).min().item()

    features = FEATURES.clone().requires_grad_()
    assert widest_gap_for_nearest_people(features) > 1
    for _ in range(100):
        (slope,) = torch.autograd.grad(LOSSES[name](features, LABELS, INFRARED), features)
        features = (features - 0.1 * slope).detach().requires_grad_()
    assert widest_gap_for_nearest_people(features) < 0.5
