"""The quadruple centre loss: loops transcribed from the paper, properties, an edge table, bad input."""

import jaxtyping
import pytest
import torch
from torch import Tensor

from vireid.losses import QuadrupleCenterVariant, quadruple_center_loss, quadruple_center_terms
from vireid.types import VireidError

VARIANTS: tuple[QuadrupleCenterVariant, ...] = ("paper", "released")


def made_batch(
    *, identities: tuple[int, ...] = (7, 0, 3), images: int = 4, width: int = 5, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Features of four streams, stacked; the two streams of a modality see the same images."""
    draws = torch.Generator().manual_seed(0)
    person = torch.tensor(identities).repeat_interleave(images)
    order = [torch.randperm(len(person), generator=draws) for _ in range(2)]
    labels = torch.cat([person[order[0]], person[order[0]], person[order[1]], person[order[1]]])
    return 0.3 * torch.randn(len(labels), width, generator=draws, dtype=dtype), labels


def slow_loss(features: Tensor, labels: Tensor, variant: str, margin: float, alpha: float) -> float:
    """Eq. 9, 10, 12 to 16 as loops over single images, with means in place of the sums."""
    rows = features.double().tolist()
    names = labels.tolist()
    length = len(rows) // 4
    stream = [row // length for row in range(4 * length)]  # 0 Vg, 1 Vc, 2 Tg, 3 Tc

    def center(name: int, streams: tuple[int, ...]) -> list[float]:
        own = [row for row, n, s in zip(rows, names, stream, strict=True) if n == name and s in streams]
        return [sum(column) / len(own) for column in zip(*own, strict=True)]

    def norm(a: list[float], b: list[float]) -> float:
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5

    quar = dual = own = negative = 0.0
    others = len(set(names)) - 1
    for row, name, s in zip(rows, names, stream, strict=True):
        across = (2, 3) if s < 2 else (0, 1)
        quar += norm(row, center(name, across[:1])) / len(rows)
        dual += norm(row, center(name, across)) / len(rows)
        own += norm(row, center(name, (s,))) / len(rows)
        for other in set(names) - {name}:
            negative += max(margin - norm(row, center(other, (0, 1, 2, 3))), 0.0) / (others * len(rows))
    if variant == "paper":
        return alpha * quar + (1 - alpha) * dual + negative
    return ((1 - alpha) * dual + alpha * own + negative) / 2


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("alpha", [0.0, 0.05, 0.7, 1.0])
def test_equals_the_loops(variant: QuadrupleCenterVariant, dtype: torch.dtype, tolerance: float, alpha: float):
    features, labels = made_batch(dtype=dtype)
    loss = quadruple_center_loss(features, labels, variant=variant, margin=0.9, alpha=alpha)
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(slow_loss(features, labels, variant, 0.9, alpha), abs=tolerance)


def test_default_alpha_is_the_variants():
    features, labels = made_batch()
    for variant, alpha in (("paper", 0.05), ("released", 0.0)):
        given = quadruple_center_loss(features, labels, variant=variant, alpha=alpha)
        assert quadruple_center_loss(features, labels, variant=variant).item() == given.item()


@pytest.mark.parametrize("variant", VARIANTS)
def test_terms_sum_to_the_loss(variant: QuadrupleCenterVariant):
    features, labels = made_batch()
    terms = quadruple_center_terms(features, labels, variant=variant, alpha=0.3)
    assert (
        set(terms)
        == {
            "paper": {"quadruple_center", "dual_center", "negative_margin"},
            "released": {"own_stream", "dual_center", "negative_margin"},
        }[variant]
    )
    assert all(term.item() > 0 for term in terms.values())
    total = quadruple_center_loss(features, labels, variant=variant, alpha=0.3)
    assert sum(term.item() for term in terms.values()) == pytest.approx(total.item(), abs=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradcheck(variant: QuadrupleCenterVariant):
    features, labels = made_batch(images=2, width=3)
    features.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f: quadruple_center_loss(f, labels, variant=variant, margin=0.9, alpha=0.3), features
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_properties(variant: QuadrupleCenterVariant):
    features, labels = made_batch()
    length = len(labels) // 4

    def loss(f: Tensor, y: Tensor, margin: float = 0.9) -> float:
        return quadruple_center_loss(f, y, variant=variant, margin=margin, alpha=0.3).item()

    base = loss(features, labels)
    # the order within each stream does not matter
    order = torch.cat([torch.randperm(length) + length * stream for stream in range(4)])
    assert loss(features[order], labels[order]) == pytest.approx(base, abs=1e-12)
    # day and night are treated alike
    swap = torch.cat([torch.arange(2 * length, 4 * length), torch.arange(2 * length)])
    assert loss(features[swap], labels[swap]) == pytest.approx(base, abs=1e-12)
    # nor do names of identities, a shift or a rotation of the space matter
    assert loss(features, 1000 - 7 * labels) == pytest.approx(base, abs=1e-12)
    rotation = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64)).Q
    assert loss(features @ rotation + 3, labels) == pytest.approx(base, abs=1e-12)
    # distances and margin have one unit
    assert loss(10 * features, labels, margin=9.0) == pytest.approx(10 * base, abs=1e-11)
    # the two streams of a modality may trade places, but for the paper's preference for the global ones
    trade = torch.cat([torch.arange(length) + length * stream for stream in (1, 0, 3, 2)])
    same = abs(loss(features[trade], labels[trade]) - base) < 1e-12
    assert same == (variant == "released")


EDGES = {
    "one identity": (torch.randn(8, 3), torch.zeros(8, dtype=torch.long)),
    "one image a stream": (torch.randn(4, 3), torch.full((4,), 5)),
    "all features equal": (torch.ones(16, 3), torch.tensor([0, 0, 9, 9] * 4)),
    "all features zero": (torch.zeros(16, 3), torch.tensor([0, 0, 9, 9] * 4)),
    "duplicates within an identity": (torch.eye(2).repeat(8, 1), torch.tensor([0, 1] * 8)),
    "unequal counts": (torch.randn(20, 3), torch.tensor([4, 4, 4, 4, -1] * 4)),
    "labels in int32": (torch.randn(16, 3), torch.tensor([0, 1, 1, 0] * 4, dtype=torch.int32)),
    "huge features": (1e15 * torch.randn(16, 3), torch.tensor([0, 1, 1, 0] * 4)),
    "tiny features": (1e-15 * torch.randn(16, 3), torch.tensor([0, 1, 1, 0] * 4)),
    "one dimension": (torch.randn(16, 1), torch.tensor([0, 1, 1, 0] * 4)),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("edge", EDGES)
def test_edges_have_a_finite_loss_and_gradient(edge: str, variant: QuadrupleCenterVariant):
    features, labels = EDGES[edge]
    features = features.clone().requires_grad_()
    loss = quadruple_center_loss(features, labels, variant=variant, alpha=0.3)
    loss.backward()
    assert features.grad is not None
    assert loss.isfinite()
    assert features.grad.isfinite().all()


def test_one_identity_has_no_negatives():
    features, labels = EDGES["one identity"]
    assert quadruple_center_terms(features, labels, variant="paper")["negative_margin"].item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype):
    features, labels = made_batch(dtype=torch.float32)
    half = (400 * features).to(dtype)  # squares beyond float16
    loss = quadruple_center_loss(half, labels, variant="paper")
    assert loss.dtype == torch.float32
    assert loss.item() == quadruple_center_loss(half.float(), labels, variant="paper").item()


def test_autocast_does_not_lower_the_precision():
    features, labels = made_batch(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = quadruple_center_loss(features, labels, variant="paper")
    assert inside.item() == quadruple_center_loss(features, labels, variant="paper").item()


def test_nan_shows():
    features, labels = made_batch()
    features[0, 0] = float("nan")
    assert quadruple_center_loss(features, labels, variant="paper").isnan()


@pytest.mark.parametrize(
    ("rows", "labels", "keywords", "message"),
    [
        (8, [0] * 7, {}, r"one label for each row, got features \(8, 3\) and labels \(7,\)"),
        (0, [], {}, "at least one feature"),
        (6, [0] * 6, {}, "got 6 rows, which four does not divide"),
        (8, [0, 0, 0, 0, 0, 4, 0, 0], {}, "identity 4 has no row in the visible global stream"),
        (8, [0, 4, 0, 4, 0, 4, 0, 0], {}, "identity 4 has no row in the infrared channel stream"),
        (8, [0] * 8, {"variant": "best"}, "must be one of .*paper.*released.*, got 'best'"),
        (8, [0] * 8, {"margin": -0.1}, "margin must be a finite number of at least 0, got -0.1"),
        (8, [0] * 8, {"margin": float("nan")}, "got nan"),
        (8, [0] * 8, {"alpha": 1.5}, "from 0 to 1, got 1.5"),
    ],
)
def test_bad_input(rows: int, labels: list[int], keywords: dict, message: str, monkeypatch: pytest.MonkeyPatch):
    # without the shape hook, as users run it
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match=message):
        quadruple_center_loss(torch.zeros(rows, 3), torch.tensor(labels).long(), **{"variant": "paper"} | keywords)
