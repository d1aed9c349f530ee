"""DEEN's centre-guided pair loss: a branch's centre comes close to the other modality's original, not to its own."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor

from vireid.losses.batch import check_batch, check_margin, full_precision
from vireid.losses.center import (
    Identities,
    check_both_modalities,
    mean_over_lines,
    modality_centers,
    nearest_other,
    number_identities,
)
from vireid.losses.distance import paired_distance, pairwise_distance
from vireid.types import VireidError

__all__ = ["center_guided_pair_loss"]


def center_guided_pair_loss(
    original: Float[Tensor, "..."],
    branch: Float[Tensor, "..."],
    labels: Int[Tensor, "..."],
    infrared: Bool[Tensor, "..."],
    *,
    margin: float = 0.2,
) -> Float[Tensor, ""]:
    r"""Pull a branch's centre in one modality to the original's centre in the other, past three distances.

    With :math:`c^v_k, c^t_k` the original's visible and infrared centres of identity k and :math:`b^v_k, b^t_k` the
    branch's, the loss is :math:`\frac12 \{L(b^v, c^t, c^v) + L(b^t, c^v, c^t)\}`, where for the branch's centres b, the
    original's o of the other modality and s of the same one

    .. math::
        L(b, o, s) = \frac1P \sum_k [\|b_k - o_k\| - \|b_k - s_k\|_{const} + m]_+
        + \tfrac12 [\|b_k - o_k\| - \min_{l \ne k} \|b_k - b_l\| + m]_+
        + \tfrac12 [\|b_k - o_k\| - \min_{l \ne k} \|s_k - s_l\| + m]_+.

    The distance marked *const* carries no gradient: the branch is not pushed away from its own original.

    Args:
        original: b x d features of the images as they are; half precision is computed in float32.
        branch: b x d features of the same images from one branch.
        labels: identity of each row, any integers in any order; each must be there in both modalities.
        infrared: which rows are infrared; the others are visible.
        margin: m, in units of feature distance, from 0.

    Raises:
        VireidError: original and branch of different shapes, not one label and one modality for each row, an identity
            that a modality lacks, or a margin out of range. On another device than the CPU an identity that a modality
            lacks makes the loss NaN.

    Reference:
        DEEN (Zhang, Wang: Diverse Embedding Expansion Network and Low-Light Cross-Modality Benchmark for
        Visible-Infrared Person Re-identification, CVPR 2023), the centre-guided pair mining loss, as in the published
        code that the tests compare with.

    Deviation:
        With one identity in the batch there is no other centre and the last two terms are 0.

    >>> import torch
    >>> labels, infrared = torch.zeros(2, dtype=torch.long), torch.tensor([False, True])
    >>> center_guided_pair_loss(torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0], [2.0]]), labels, infrared)
    tensor(1.2000)
    """
    check_batch(original, labels)
    check_margin(margin)
    if branch.shape != original.shape:
        raise VireidError(
            "a pair is an image's original feature and its feature from a branch, so both need one shape; got original "
            f"{tuple(original.shape)} and branch {tuple(branch.shape)}"
        )
    check_both_modalities(labels, infrared)
    identities = number_identities(labels, at_most=len(labels) // 2)
    visible, infrared_centers = modality_centers(full_precision(original), identities, infrared)
    branch_visible, branch_infrared = modality_centers(full_precision(branch), identities, infrared)
    forth = _pull_past(branch_visible, infrared_centers, visible, identities, margin)
    back = _pull_past(branch_infrared, visible, infrared_centers, identities, margin)
    return (forth + back) / 2


def _pull_past(
    branch: Float[Tensor, "k d"],
    other: Float[Tensor, "k d"],
    same: Float[Tensor, "k d"],
    identities: Identities,
    margin: float,
) -> Float[Tensor, ""]:
    """L(b, o, s) of the formula."""
    reach = paired_distance(branch, other) + margin
    own = (reach - paired_distance(branch, same).detach()).clamp(min=0)
    among_branch = (reach - nearest_other(pairwise_distance(branch, branch), identities)).clamp(min=0)
    among_original = (reach - nearest_other(pairwise_distance(same, same), identities)).clamp(min=0)
    return mean_over_lines(own + among_branch / 2 + among_original / 2, identities)
