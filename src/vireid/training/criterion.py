"""The loss of a recipe: identity loss, one metric loss and what a method adds, weighted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from vireid.losses import (
    batch_hard_triplet_loss,
    center_guided_pair_loss,
    center_loss,
    center_triplet_loss,
    division_loss,
    identity_center_mining_loss,
    identity_loss,
    marginal_exponential_center_loss,
    orthogonality_loss,
    parsing_loss,
    quadruple_center_loss,
    squared_difference_triplet_loss,
    weighted_regularized_triplet_loss,
)
from vireid.models import QUADRUPLE_STREAMS, NetworkOutput, Stream
from vireid.training.batches import Targets
from vireid.training.step import Criterion
from vireid.types import Modality, VireidError

__all__ = ["MetricLoss", "make_criterion"]

MetricLoss = Literal[
    "quadruple-center",
    "weighted-triplet",
    "squared-difference",
    "batch-hard",
    "center-triplet",
    "center",
    "marginal-exponential-center",
    "none",
]


def make_criterion(
    *,
    streams: Sequence[Stream] = QUADRUPLE_STREAMS,
    metric: MetricLoss = "quadruple-center",
    variant: Literal["paper", "released"] = "paper",
    margin: float = 0.7,
    alpha: float | None = None,
    identity_weight: float = 1.0,
    metric_weight: float = 1.0,
    part_identity_weight: float = 1.0,
    center_guided_weight: float = 0.0,
    orthogonality_weight: float = 0.0,
    parsing_weight: float = 0.0,
    division_weight: float = 0.0,
    center_mining_weight: float = 0.0,
) -> Criterion:
    """Make the loss of a training; the default is eq. 17 of MSCMNet.

    Args:
        streams: of the network; they say which rows are infrared.
        metric: on the pooled features; ``none`` trains on identities alone. The quadruple-centre loss takes up to two
            streams a modality; a modality of one stream stands for both of its own, so that the modalities weigh the
            same.
        variant, alpha: of the quadruple-centre loss; alpha by default is the variant's own.
        margin: of every metric loss that has one.
        identity_weight, metric_weight: of the two terms.
        part_identity_weight: of the mean identity loss of all parts, where the network pools parts.
        center_guided_weight, orthogonality_weight: DEEN's losses on the branches of its expansion (0.8 and 0.01); the
            centre-guided loss has margin 0.2.
        parsing_weight, division_weight: CSCL's losses on predicted part maps and on part features.
        center_mining_weight: CSCL's identity-aware centre mining, with the same margin as the metric loss.

    Returns:
        A function of the network's output and the `Targets`, to terms by name. It raises VireidError where the network
        has not what a weighted term needs.

    Raises:
        VireidError: an unknown metric, negative weights, or nothing to train on.
    """
    if metric not in get_args(MetricLoss):
        raise VireidError(f"the metric loss must be one of {get_args(MetricLoss)}, got {metric!r}")
    weights = {
        "identity_weight": identity_weight,
        "metric_weight": metric_weight,
        "part_identity_weight": part_identity_weight,
        "center_guided_weight": center_guided_weight,
        "orthogonality_weight": orthogonality_weight,
        "parsing_weight": parsing_weight,
        "division_weight": division_weight,
        "center_mining_weight": center_mining_weight,
    }
    trained = identity_weight > 0 or (metric != "none" and metric_weight > 0)
    if not min(weights.values()) >= 0 or not trained:
        said = ", ".join(f"{name} {value}" for name, value in weights.items())
        raise VireidError(
            f"a loss needs weights of at least 0 and one of them above 0, got {said} with metric {metric!r}"
        )
    measure = _metric_loss(metric, streams=streams, variant=variant, margin=margin, alpha=alpha)

    def criterion(output: NetworkOutput, targets: Targets) -> dict[str, Tensor]:
        features, extras = output.features, output.extras
        sets = len(features) // len(targets.labels)
        labels = targets.labels.repeat(sets)
        terms = {"identity": identity_weight * identity_loss(output.logits, labels)}
        if metric != "none":
            terms[metric.replace("-", "_")] = metric_weight * measure(features, labels, sets)
        if part_identity_weight and "part_logits" in extras:
            per_part = [identity_loss(logits, labels) for logits in extras["part_logits"]]
            terms["part_identity"] = part_identity_weight * torch.stack(per_part).mean()
        if center_guided_weight:
            original, *branches = _feature_sets(features, sets)
            infrared = _infrared_rows(original, streams)
            pairs = [center_guided_pair_loss(original, branch, targets.labels, infrared) for branch in branches]
            terms["center_guided_pair"] = center_guided_weight * torch.stack(pairs).sum()
        if orthogonality_weight:
            branches = torch.stack(_feature_sets(features, sets)[1:])
            terms["orthogonality"] = orthogonality_weight * orthogonality_loss(branches)
        if parsing_weight:
            terms["parsing"] = parsing_weight * _parsing(extras, targets)
        if division_weight:
            if "part_features" not in extras:
                raise VireidError("the division loss keeps parts apart, but this network has none; set its parts")
            terms["division"] = division_weight * division_loss(extras["part_features"])
        if center_mining_weight:
            mined = identity_center_mining_loss(
                features, labels, _infrared_rows(features, streams, sets), margin=margin
            )
            terms["center_mining"] = center_mining_weight * mined
        return terms

    return criterion


def _metric_loss(
    metric: MetricLoss,
    *,
    streams: Sequence[Stream],
    variant: Literal["paper", "released"],
    margin: float,
    alpha: float | None,
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """The loss as a function of features, labels and the number of feature sets."""
    match metric:
        case "quadruple-center":
            order = _four_streams(streams)

            def quadruple_center(features: Tensor, labels: Tensor, sets: int) -> Tensor:
                # slices, since a list of rows would have to be sent to the device
                features, labels = (
                    torch.cat([rows.unflatten(0, (sets, len(streams), -1))[:, index].flatten(0, 1) for index in order])
                    for rows in (features, labels)
                )
                return quadruple_center_loss(features, labels, variant=variant, margin=margin, alpha=alpha)

            return quadruple_center
        case "weighted-triplet":
            return lambda features, labels, _: weighted_regularized_triplet_loss(features, labels)
        case "squared-difference":
            return lambda features, labels, _: squared_difference_triplet_loss(features, labels)
        case "batch-hard":
            return lambda features, labels, _: batch_hard_triplet_loss(features, labels, margin)
        case "center-triplet":
            return lambda features, labels, _: center_triplet_loss(features, labels, margin)
        case "center":
            return lambda features, labels, _: center_loss(features, labels)
        case "marginal-exponential-center":
            return lambda features, labels, sets: marginal_exponential_center_loss(
                features, labels, _infrared_rows(features, streams, sets), margin=margin
            )
        case "none":
            return lambda features, labels, _: features.new_zeros(())


def _four_streams(streams: Sequence[Stream]) -> list[int]:
    """Which stream stands for each of Vg, Vc, Tg, Tc."""
    order = []
    for modality in Modality:
        own = [index for index, stream in enumerate(streams) if stream.modality is modality]
        if len(own) > 2:
            raise VireidError(
                f"the quadruple-centre loss takes one or two streams a modality, but {len(own)} are {modality.value}; "
                "choose another metric loss"
            )
        order += own * 2 if len(own) == 1 else own
    return order


def _infrared_rows(features: Tensor, streams: Sequence[Stream], sets: int = 1) -> Tensor:
    """Which rows are infrared; made where the features are, since sending it there would cost every step a copy."""
    images = len(features) // (sets * len(streams))
    of_stream = [
        torch.full((images,), stream.modality is Modality.INFRARED, device=features.device) for stream in streams
    ]
    return torch.cat(of_stream).repeat(sets)


def _feature_sets(features: Tensor, sets: int) -> tuple[Tensor, ...]:
    """The original's rows and each branch's."""
    if sets == 1:
        raise VireidError(
            "the losses on branches need a network with a diverse embedding expansion, but this one has none; set its "
            "expansion branches, or the centre-guided and orthogonality weights to 0"
        )
    return features.chunk(sets)


def _parsing(extras: dict[str, Tensor], targets: Targets) -> Tensor:
    """The parsing loss, averaged over all places that predict part maps."""
    predicted = [maps for name, maps in extras.items() if name.startswith("part_maps")]
    if not predicted:
        raise VireidError("the parsing loss needs a network that predicts part maps; set its parts")
    if targets.part_maps is None:
        raise VireidError("the parsing loss needs given part maps; train with a folder of them, or set its weight to 0")
    given = targets.part_maps
    losses = [parsing_loss(maps, given.repeat(len(maps) // len(given), 1, 1)) for maps in predicted]
    return torch.stack(losses).mean()
