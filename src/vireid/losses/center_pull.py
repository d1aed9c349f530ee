"""The centre loss: samples close to their centre, and nothing else."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from vireid.losses.batch import check_batch, full_precision
from vireid.losses.center import line_centers, number_identities
from vireid.losses.distance import paired_distance

__all__ = ["center_loss"]


def center_loss(features: Float[Tensor, "..."], labels: Int[Tensor, "..."]) -> Float[Tensor, ""]:
    r"""Mean distance of each sample to the centre of its identity, whatever its modality:
    :math:`\frac1b \sum_i \|f_i - c_{y_i}\|`.

    It pushes nothing apart; alone it is least where all features are equal.

    Args:
        features: b x d; half precision is computed in float32.
        labels: identity of each row, any integers in any order.

    Raises:
        VireidError: not one label for each row, or an empty batch.

    Reference:
        The "center loss" that MSCMNet's Fig. 7 compares with; after Wen et al., A Discriminative Feature Learning
        Approach for Deep Face Recognition, ECCV 2016.

    Deviation:
        Wen et al. halve the summed squares of distances to centres that are learned beside the network. Here it is the
        mean distance to the centres of the batch, the pull of this package's other centre losses, so that Fig. 7
        compares the losses' ideas and not their units. What MSCMNet's authors ran is not public.

    >>> import torch
    >>> center_loss(torch.tensor([[0.0], [2.0], [1.5]]), torch.tensor([0, 0, 1]))
    tensor(0.6667)
    """
    check_batch(features, labels)
    features = full_precision(features)
    identities = number_identities(labels, at_most=len(labels))
    centers = line_centers(features, identities.places, identities)
    return paired_distance(features, centers[identities.places]).mean()
