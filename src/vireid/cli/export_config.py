"""What ``vireid export`` can be asked for. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from vireid.cli.config import Accelerator, DatasetName, Flag, OptionalFolder, Run

__all__ = ["ExportConfig"]


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """A run in a form that runs without vireid."""

    run: Positional[Run]
    """A run directory or a weights file."""
    to: Literal["onnx", "torch"]
    """onnx for ONNX Runtime and its like, torch for torch.export.load."""
    out: Annotated[Path, arg(metavar="DIR")]
    """Folder to make."""
    precision: Literal["32", "bf16", "int8"] = "32"
    """What it computes in: onnx 32 or int8 (for CPUs), torch 32 or bf16."""
    feature: Literal["bn", "pool"] = "bn"
    """The feature after or before the BatchNorm."""
    dataset: Annotated[DatasetName | None, arg(metavar="{sysu,regdb,llcm,folder}", help_behavior_hint="")] = None
    """Compare on this data set; a precision other than 32 needs it."""
    root: OptionalFolder = None
    """Folder of the data set."""
    trial: int = 1
    """RegDB: which of its ten splits; the run's own."""
    calibration: int = 256
    """Training images of each modality that int8 learns its ranges from."""
    no_verify: Flag = False
    """Write the export without comparing it with the run; galleries of the run then refuse it."""
    accelerator: Accelerator = "auto"
    """Where the run embeds the data set; the export does on the CPU."""
    workers: int = 0
    """Processes that decode images ahead."""
