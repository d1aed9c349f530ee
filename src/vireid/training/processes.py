"""The processes that work on one job together, started by torchrun or by Slurm's srun."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.plugins.precision import MixedPrecision
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException

from vireid.types import VireidError

__all__ = ["Precision", "Processes", "join_processes", "processes_of_job"]

Precision = Literal["32", "bf16", "16"]


@dataclass(frozen=True, slots=True)
class Processes:
    """Where this process stands among those of its job.

    Attributes:
        rank: from 0; process 0 alone writes files and prints.
        count: over all machines.
        machines: each with the same number of processes.
    """

    rank: int = 0
    count: int = 1
    machines: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.rank == 0


def processes_of_job() -> Processes:
    """What torchrun or srun says of this process in its environment; one process alone where neither started it.

    A Slurm job of several tasks counts as several processes inside ``srun`` only: a batch script itself runs once.

    Raises:
        VireidError: srun without ``--ntasks-per-node``, from which the processes of each machine are known.
    """
    if torch.distributed.is_torchelastic_launched():
        return Processes(
            rank=int(os.environ["RANK"]),
            count=int(os.environ["WORLD_SIZE"]),
            machines=int(os.environ["WORLD_SIZE"]) // int(os.environ["LOCAL_WORLD_SIZE"]),
        )
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        if "SLURM_NTASKS_PER_NODE" not in os.environ:
            raise VireidError(
                "the processes of each machine must be known, but Slurm was given the number of all tasks only; start "
                "the job with --nodes and --ntasks-per-node"
            )
        return Processes(
            rank=int(os.environ["SLURM_PROCID"]),
            count=int(os.environ["SLURM_NTASKS"]),
            machines=int(os.environ["SLURM_NTASKS"]) // int(os.environ["SLURM_NTASKS_PER_NODE"]),
        )
    return Processes()


def join_processes(accelerator: str = "auto", precision: Precision = "32") -> Fabric:
    """Lightning Fabric on this process's device, joined to the other processes of the job where there are any.

    All of them must call it; it waits for them.

    Args:
        accelerator: ``auto``, ``cpu``, ``cuda`` ...; the processes of a machine take its devices in turn.
        precision: ``32``, ``bf16`` or ``16`` autocast; ``16`` scales the loss and needs a GPU.

    Raises:
        VireidError: precision 16 without a GPU, more processes on a machine than it has GPUs, or see
            `processes_of_job`.
    """
    job = processes_of_job()
    options: dict[str, Any] = {"accelerator": accelerator, "devices": job.count // job.machines}
    plugins: list[Any] = [_environment(job)]
    if job.count > 1:
        # Every step computes the same things; a loss may leave parameters out of all of them, such as a head.
        options |= {"num_nodes": job.machines, "strategy": DDPStrategy(static_graph=True)}
    if precision == "bf16":
        options["precision"] = "bf16-mixed"
    if precision == "16":
        device = Fabric(accelerator=accelerator, devices=1, plugins=[LightningEnvironment()]).device
        if device.type != "cuda":
            raise VireidError(
                f"precision 16 needs a CUDA GPU, this run is on {device}; use 32, or bf16 where it is fast"
            )
        plugins.append(MixedPrecision("16-mixed", "cuda"))
    try:
        fabric = Fabric(**options, plugins=plugins)
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise VireidError(f"cannot compute on {job.count} x {accelerator}: {error}") from error
    if job.count > 1:
        fabric.launch()
    return fabric


def _environment(job: Processes) -> ClusterEnvironment:
    if job.count == 1:
        # Said outright: Fabric would take a Slurm job of several tasks for several processes without srun as well.
        return LightningEnvironment()
    if torch.distributed.is_torchelastic_launched():
        return TorchElasticEnvironment()
    return SLURMEnvironment(auto_requeue=False)
