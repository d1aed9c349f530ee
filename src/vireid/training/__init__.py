"""The loop that trains a network, and what it leaves on disk."""

from vireid.training.batches import PartMaps, Targets
from vireid.training.criterion import make_criterion
from vireid.training.log import StepReport
from vireid.training.loop import Criterion, Precision, fit
from vireid.training.optim import learning_rate_factor, make_optimizer, set_learning_rate

__all__ = [
    "Criterion",
    "PartMaps",
    "Precision",
    "StepReport",
    "Targets",
    "fit",
    "learning_rate_factor",
    "make_criterion",
    "make_optimizer",
    "set_learning_rate",
]
