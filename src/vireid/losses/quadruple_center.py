"""MSCMNet's quadruple centre triplet loss: every stream is pulled to centres on the other side of the spectrum."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vireid.losses.batch import check_batch, check_margin, full_precision
from vireid.losses.center import line_centers, margin_to_centers, number_identities
from vireid.losses.distance import paired_distance
from vireid.losses.values import at_hand
from vireid.types import VireidError

__all__ = ["QuadrupleCenterVariant", "quadruple_center_loss", "quadruple_center_terms"]

QuadrupleCenterVariant = Literal["paper", "released"]

STREAMS = ("visible global", "visible channel", "infrared global", "infrared channel")
DEFAULT_ALPHA = {"paper": 0.05, "released": 0.0}


def quadruple_center_loss(
    features: Float[Tensor, "..."],
    labels: Int[Tensor, "..."],
    *,
    variant: QuadrupleCenterVariant,
    margin: float = 0.7,
    alpha: float | None = None,
) -> Float[Tensor, ""]:
    r"""Pull each feature to its identity's centre in the other modality, push it from the centres of other identities.

    With :math:`m(i), s(i)` the modality and the stream of row i, :math:`\bar m` the other modality, :math:`c_k` centres
    over all streams and P identities, both variants share the negative margin
    :math:`L_{NM} = \mathrm{mean}_i \mathrm{mean}_{j \ne y_i} [\rho - \|f_i - c_j\|]_+` and the dual centre
    :math:`D_{dual} = \mathrm{mean}_i \|f_i - c^{\bar m(i)}_{y_i}\|`.

    * ``paper``: :math:`\alpha D_{quar} + (1 - \alpha) D_{dual} + L_{NM}`, where
      :math:`D_{quar} = \mathrm{mean}_i \|f_i - c^{\bar m(i), global}_{y_i}\|` pulls both visible streams to the centre
      of the infrared global stream and both infrared streams to that of the visible global one.
    * ``released``: :math:`\frac12 \{(1 - \alpha) D_{dual} + \alpha D_{own} + L_{NM}\}`, where
      :math:`D_{own} = \mathrm{mean}_i \|f_i - c^{s(i)}_{y_i}\|` pulls a feature to its own stream's centre; off by
      default.

    Args:
        features: 4B x d pooled features before the BNNeck, streams stacked Vg, Vc, Tg, Tc, B rows each. Half precision
            is computed in float32.
        labels: 4B identities, any integers in any order; each identity must be in every stream.
        variant: the text of the paper, or the code that produced its log.
        margin: :math:`\rho`, in units of feature distance, from 0.
        alpha: 0 to 1; by default 0.05 for ``paper`` and 0 for ``released``.

    Raises:
        VireidError: rows that are not four equal streams with one label each, an identity that a stream lacks, an
            unknown variant, or a margin or alpha out of range. On another device than the CPU nobody looks whether an
            identity is in every stream; one that has no centre to be pulled to makes the loss NaN.

    Reference:
        MSCMNet, eq. 8 to 16.

    Deviation:
        Eq. 14 and 15 sum; here are means, so that the weight against the identity loss does not depend on the batch.
        The paper's L_QC is 4B and its L_NM is 4B(P - 1) times the value here. With one identity in the batch there is
        no other centre and the negative margin is 0. An identity counts once among the other ones, however many rows
        it has.

    >>> features = torch.tensor([[0.0], [2.0], [5.0], [7.0]])
    >>> quadruple_center_loss(features, torch.zeros(4, dtype=torch.long), variant="released")
    tensor(2.5000)
    """
    terms = quadruple_center_terms(features, labels, variant=variant, margin=margin, alpha=alpha)
    return torch.stack(list(terms.values())).sum()


def quadruple_center_terms(
    features: Float[Tensor, "..."],
    labels: Int[Tensor, "..."],
    *,
    variant: QuadrupleCenterVariant,
    margin: float = 0.7,
    alpha: float | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """The weighted terms whose sum is `quadruple_center_loss`, by name, for a log.

    ``paper``: ``quadruple_center``, ``dual_center``, ``negative_margin``. ``released``: ``own_stream``,
    ``dual_center``, ``negative_margin``. Arguments and errors are those of `quadruple_center_loss`.
    """
    if variant not in get_args(QuadrupleCenterVariant):
        raise VireidError(f"the variant must be one of {get_args(QuadrupleCenterVariant)}, got {variant!r}")
    check_batch(features, labels)
    check_margin(margin)
    if alpha is None:
        alpha = DEFAULT_ALPHA[variant]
    if not 0 <= alpha <= 1:
        raise VireidError(f"alpha shares out the pull between two terms and must be from 0 to 1, got {alpha}")
    if len(features) % len(STREAMS):
        raise VireidError(
            f"the quadruple centre loss needs four streams of equal length, stacked {', '.join(STREAMS)}; "
            f"got {len(features)} rows, which four does not divide"
        )

    features = full_precision(features)
    if at_hand(labels):
        _check_every_stream(labels)
    # Every identity is in every stream, so there are no more than a stream has rows.
    identities = number_identities(labels, at_most=len(labels) // len(STREAMS))
    places = identities.places
    in_stream = places.chunk(len(STREAMS))
    streams = [
        line_centers(rows, own, identities) for rows, own in zip(features.chunk(len(STREAMS)), in_stream, strict=True)
    ]
    visible_global, _, infrared_global, _ = streams
    half = len(features) // 2
    visible = line_centers(features[:half], places[:half], identities)
    infrared = line_centers(features[half:], places[half:], identities)
    every = line_centers(features, places, identities)

    dual = paired_distance(features, torch.cat([infrared[places[:half]], visible[places[half:]]])).mean()
    negative = margin_to_centers(features, every, identities.others, margin)
    if variant == "released":
        own = paired_distance(features, torch.cat([c[p] for c, p in zip(streams, in_stream, strict=True)])).mean()
        return {
            "own_stream": alpha / 2 * own,
            "dual_center": (1 - alpha) / 2 * dual,
            "negative_margin": negative / 2,
        }
    across = torch.cat([infrared_global[places[:half]], visible_global[places[half:]]])
    return {
        "quadruple_center": alpha * paired_distance(features, across).mean(),
        "dual_center": (1 - alpha) * dual,
        "negative_margin": negative,
    }


def _check_every_stream(labels: Int[Tensor, " b"]) -> None:
    """Refuse an identity without a row in one of the streams: it has no centre to be pulled to."""
    present = (labels[:, None] == labels).unflatten(1, (len(STREAMS), -1)).any(dim=2)
    missing = (~present).T.nonzero()
    if len(missing):
        stream, row = missing[0].tolist()
        raise VireidError(
            f"every identity of the batch must be in every stream, but identity {int(labels[row])} has no row "
            f"in the {STREAMS[stream]} stream; stack the streams {', '.join(STREAMS)} and sample identities that have "
            "both modalities"
        )
