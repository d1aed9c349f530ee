"""The loss of a recipe: identity loss plus one metric loss, weighted."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vireid.losses import (
    batch_hard_triplet_loss,
    center_triplet_loss,
    identity_loss,
    quadruple_center_loss,
    weighted_regularized_triplet_loss,
)
from vireid.models import NetworkOutput
from vireid.training.loop import Criterion
from vireid.types import VireidError

__all__ = ["MetricLoss", "make_criterion"]

MetricLoss = Literal["quadruple-center", "weighted-triplet", "batch-hard", "center-triplet", "none"]


def make_criterion(
    *,
    metric: MetricLoss = "quadruple-center",
    variant: Literal["paper", "released"] = "paper",
    margin: float = 0.7,
    alpha: float | None = None,
    identity_weight: float = 1.0,
    metric_weight: float = 1.0,
) -> Criterion:
    """Make the loss of a training; the default is eq. 17 of MSCMNet.

    Args:
        metric: on the pooled features; ``none`` trains on identities alone.
        variant, alpha: of the quadruple-centre loss; alpha by default is the variant's own.
        margin: of every metric loss but ``weighted-triplet``, which has none.
        identity_weight, metric_weight: of the two terms.

    Raises:
        VireidError: negative weights, or nothing to train on.
    """
    trained = identity_weight > 0 or (metric != "none" and metric_weight > 0)
    if min(identity_weight, metric_weight) < 0 or not trained:
        raise VireidError(
            "a loss needs weights of at least 0 and one of them above 0, got identity_weight "
            f"{identity_weight}, metric_weight {metric_weight} with metric {metric!r}"
        )

    def criterion(output: NetworkOutput, labels: Tensor) -> dict[str, Tensor]:
        terms = {"identity": identity_weight * identity_loss(output.logits, labels)}
        if metric == "quadruple-center":
            loss = quadruple_center_loss(output.features, labels, variant=variant, margin=margin, alpha=alpha)
            terms["quadruple_center"] = metric_weight * loss
        elif metric == "weighted-triplet":
            terms["weighted_triplet"] = metric_weight * weighted_regularized_triplet_loss(output.features, labels)
        elif metric == "batch-hard":
            terms["batch_hard"] = metric_weight * batch_hard_triplet_loss(output.features, labels, margin)
        elif metric == "center-triplet":
            terms["center_triplet"] = metric_weight * center_triplet_loss(output.features, labels, margin)
        return terms

    return criterion
