"""The identity loss: each training person is a class."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from vireid.losses.batch import full_precision
from vireid.losses.values import check_labels
from vireid.types import VireidError

__all__ = ["identity_loss"]


def identity_loss(logits: Float[Tensor, "..."], labels: Int[Tensor, "..."]) -> Float[Tensor, ""]:
    r"""Mean cross-entropy of the classifier: :math:`-\frac{1}{b} \sum_i \log \mathrm{softmax}(z_i)_{y_i}`.

    Args:
        logits: b x classes, one class for each training identity; half precision is computed in float32.
        labels: class of each row, 0 to classes - 1; no value means "ignore".

    Raises:
        VireidError: not one label for each row, an empty batch, or a label that is not a class; labels on
            another device than the CPU are to be checked before, by `check_labels`.

    Reference:
        MSCMNet, L_ID in eq. 17.

    >>> import torch
    >>> identity_loss(torch.zeros(3, 4), torch.tensor([0, 1, 3]))
    tensor(1.3863)
    """
    if logits.ndim != 2 or labels.ndim != 1 or len(logits) != len(labels) or logits.numel() == 0:
        raise VireidError(
            "the identity loss needs logits b x classes and one label for each row, got logits "
            f"{tuple(logits.shape)} and labels {tuple(labels.shape)}"
        )
    check_labels(labels, logits.shape[1])
    return F.cross_entropy(full_precision(logits), labels.long())
