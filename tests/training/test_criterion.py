import pytest
import torch

from vireid.losses import (
    batch_hard_triplet_loss,
    center_triplet_loss,
    identity_loss,
    quadruple_center_loss,
    weighted_regularized_triplet_loss,
)
from vireid.models import NetworkOutput
from vireid.training import Targets, make_criterion
from vireid.types import VireidError


@pytest.fixture
def output() -> NetworkOutput:
    torch.manual_seed(0)
    return NetworkOutput(torch.randn(16, 6), torch.randn(16, 2), extras={})


LABELS = torch.tensor([0, 0, 1, 1] * 4)


METRICS = {
    "quadruple-center": lambda features: quadruple_center_loss(
        features, LABELS, variant="released", margin=0.4, alpha=0.2
    ),
    "weighted-triplet": lambda features: weighted_regularized_triplet_loss(features, LABELS),
    "batch-hard": lambda features: batch_hard_triplet_loss(features, LABELS, 0.4),
    "center-triplet": lambda features: center_triplet_loss(features, LABELS, 0.4),
}


@pytest.mark.parametrize("metric", list(METRICS))
def test_terms_are_the_weighted_losses(metric, output):
    criterion = make_criterion(
        metric=metric, variant="released", margin=0.4, alpha=0.2, identity_weight=0.5, metric_weight=3.0
    )
    terms = criterion(output, Targets(LABELS))
    assert list(terms) == ["identity", metric.replace("-", "_")]
    first, second = terms.values()
    torch.testing.assert_close(first, 0.5 * identity_loss(output.logits, LABELS))
    torch.testing.assert_close(second, 3.0 * METRICS[metric](output.features))
    assert second > 0


def test_the_default_is_equation_17(output):
    terms = make_criterion()(output, Targets(LABELS))
    torch.testing.assert_close(terms["identity"], identity_loss(output.logits, LABELS))
    expected = quadruple_center_loss(output.features, LABELS, variant="paper", margin=0.7, alpha=0.05)
    torch.testing.assert_close(terms["quadruple_center"], expected)


def test_none_trains_on_identities_alone(output):
    assert list(make_criterion(metric="none")(output, Targets(LABELS))) == ["identity"]


@pytest.mark.parametrize(
    "weights",
    [
        {"identity_weight": -1.0},
        {"metric_weight": -0.1},
        {"metric": "none", "identity_weight": 0.0},
        {"identity_weight": 0.0, "metric_weight": 0.0},
    ],
)
def test_nothing_to_train_on_is_refused(weights):
    with pytest.raises(VireidError, match="a loss needs weights of at least 0 and one of them above 0, got identity_w"):
        make_criterion(**weights)
