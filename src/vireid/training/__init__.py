"""The loop that trains a network, and what it leaves on disk."""

from vireid.training.batches import PartMaps, Targets
from vireid.training.criterion import make_criterion
from vireid.training.failed_step import FailedStep, load_failed_step
from vireid.training.hardware import code_fingerprint, describe_hardware, library_versions
from vireid.training.log import StepReport
from vireid.training.loop import TrainingStopped, fit
from vireid.training.optim import learning_rate_factor, make_optimizer, set_learning_rate
from vireid.training.processes import Precision, Processes, join_processes, processes_of_job
from vireid.training.run_record import RunRecord, read_run
from vireid.training.step import Criterion, LossBatch

__all__ = [
    "Criterion",
    "FailedStep",
    "LossBatch",
    "PartMaps",
    "Precision",
    "Processes",
    "RunRecord",
    "StepReport",
    "Targets",
    "TrainingStopped",
    "code_fingerprint",
    "describe_hardware",
    "fit",
    "join_processes",
    "learning_rate_factor",
    "library_versions",
    "load_failed_step",
    "make_criterion",
    "make_optimizer",
    "processes_of_job",
    "read_run",
    "set_learning_rate",
]
