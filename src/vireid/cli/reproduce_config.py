"""What reproduce is told; its flags are made of this."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from vireid.cli.config import Accelerator, OptionalFolder, Run

__all__ = ["ReproduceConfig"]


@dataclass(frozen=True, kw_only=True)
class ReproduceConfig:
    """A training, once more."""

    run: Positional[Run]
    """Run directory of vireid train."""
    out: Annotated[Path | None, arg(metavar="OUT", help_behavior_hint="(default: RUN-reproduced)")] = None
    """Folder of the second training; a killed one goes on."""
    root: Annotated[Path | None, arg(metavar="ROOT", help_behavior_hint="(default: the run's)")] = None
    """Folder of the data set, where it has moved."""
    accelerator: Accelerator = "auto"
    """Where to train."""
    workers: int = 0
    """Processes that decode images ahead; results do not depend on it."""
    cache: OptionalFolder = None
    """Decoded images, as --cache of vireid train; results do not depend on it."""
