"""What ``vireid report`` can be asked for. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from vireid.cli.config import Accelerator, DatasetName, Flag, OptionalFolder, OptionalInt

__all__ = ["ReportConfig"]


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """A report of a run, beside others or beside itself untrained; scores are kept in RUN/results."""

    runs: Positional[Annotated[tuple[Path, ...], arg(metavar="RUN [RUN ...]", help_behavior_hint="")]]
    """Run directories: the last is reported, those before it are what it is compared with."""
    out: Annotated[Path, arg(metavar="DIR")]
    """Folder to make; an earlier report in it is replaced, other files are left alone and refused."""
    dataset: Annotated[DatasetName | None, arg(metavar="{sysu,regdb,llcm,folder}", help_behavior_hint="")] = None
    """What the data set is; by default what the run was trained on."""
    root: OptionalFolder = None
    """Folder of the data set; by default the one that the run was trained on."""
    trial: OptionalInt = None
    """RegDB: which of its ten splits; by default the run's own."""
    mode: Literal["all", "indoor"] = "all"
    """SYSU-MM01: gallery from cameras 1, 2, 4, 5 or from 1, 2."""
    no_images: Flag = False
    """Leave every image of a person out."""
    seed: int = 0
    """Of who is pictured."""
    accelerator: Accelerator = "auto"
    """Where to embed."""
    workers: int = 0
    """Processes that decode images ahead."""
