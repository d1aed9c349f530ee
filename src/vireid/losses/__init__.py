"""What a network is pulled towards: one idea a file, each a pure function."""

from vireid.losses.center import identity_centers
from vireid.losses.center_guided import center_guided_pair_loss
from vireid.losses.center_mining import identity_center_mining_loss
from vireid.losses.center_pull import center_loss
from vireid.losses.center_triplet import center_triplet_loss
from vireid.losses.distance import paired_distance, pairwise_distance
from vireid.losses.division import division_loss
from vireid.losses.identity import identity_loss
from vireid.losses.marginal_exponential_center import marginal_exponential_center_loss
from vireid.losses.orthogonality import orthogonality_loss
from vireid.losses.parsing import parsing_loss
from vireid.losses.quadruple_center import QuadrupleCenterVariant, quadruple_center_loss, quadruple_center_terms
from vireid.losses.squared_difference import squared_difference_triplet_loss
from vireid.losses.triplet import batch_hard_triplet_loss, weighted_regularized_triplet_loss
from vireid.losses.values import check_labels, check_part_maps

__all__ = [
    "QuadrupleCenterVariant",
    "batch_hard_triplet_loss",
    "center_guided_pair_loss",
    "center_loss",
    "center_triplet_loss",
    "check_labels",
    "check_part_maps",
    "division_loss",
    "identity_center_mining_loss",
    "identity_centers",
    "identity_loss",
    "marginal_exponential_center_loss",
    "orthogonality_loss",
    "paired_distance",
    "pairwise_distance",
    "parsing_loss",
    "quadruple_center_loss",
    "quadruple_center_terms",
    "squared_difference_triplet_loss",
    "weighted_regularized_triplet_loss",
]
