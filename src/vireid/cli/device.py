"""Where to compute."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException

from vireid.exports import can_run_on, is_export
from vireid.types import VireidError

__all__ = ["accelerator_for", "pick_device"]


Accelerator = Literal["auto", "cpu", "cuda", "mps"]


def accelerator_for(checkpoint: Path, accelerator: Accelerator) -> Accelerator:
    """The accelerator itself, but ``cpu`` for ``auto`` where an export cannot compute on the best device.

    Raises:
        VireidError: an export that cannot be read.
    """
    if accelerator != "auto" or not is_export(checkpoint) or can_run_on(checkpoint, pick_device("auto")):
        return accelerator
    return "cpu"


def pick_device(accelerator: Accelerator) -> torch.device:
    """The first device of an accelerator for this process alone; ``auto`` takes the best there is.

    Raises:
        VireidError: an accelerator that this machine has not.
    """
    try:
        # Said outright: under torchrun or Slurm, Fabric would count the other processes in.
        return Fabric(accelerator=accelerator, devices=1, plugins=[LightningEnvironment()]).device
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise VireidError(f"cannot compute on {accelerator}: {error}") from error
