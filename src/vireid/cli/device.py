"""Where to compute."""

from __future__ import annotations

from typing import Literal

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException

from vireid.types import VireidError

__all__ = ["pick_device"]


def pick_device(accelerator: Literal["auto", "cpu", "cuda", "mps"]) -> torch.device:
    """The first device of an accelerator for this process alone; ``auto`` takes the best there is.

    Raises:
        VireidError: an accelerator that this machine has not.
    """
    try:
        # Said outright: under torchrun or Slurm, Fabric would count the other processes in.
        return Fabric(accelerator=accelerator, devices=1, plugins=[LightningEnvironment()]).device
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise VireidError(f"cannot compute on {accelerator}: {error}") from error
