"""Where to compute."""

from __future__ import annotations

from typing import Literal

import torch
from lightning.fabric import Fabric

__all__ = ["pick_device"]


def pick_device(accelerator: Literal["auto", "cpu", "cuda", "mps"]) -> torch.device:
    """The first device of an accelerator; ``auto`` takes the best there is."""
    return Fabric(accelerator=accelerator, devices=1).device
