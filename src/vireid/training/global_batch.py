"""One batch of what several processes worked out, so that a loss sees all of it."""

from __future__ import annotations

from typing import Any

from lightning_fabric import Fabric
from torch import Tensor

from vireid.models import NetworkOutput
from vireid.training.batches import Targets

__all__ = ["gather_batch"]

# Outputs whose rows are not the first axis but the second: a part, a row, ...
BY_PART = ("part_features", "part_logits")


def gather_batch(
    fabric: Fabric, output: NetworkOutput, targets: Targets, *, streams: int
) -> tuple[NetworkOutput, Targets]:
    """The output and targets of all processes, in the order in which one process would have them.

    Rows stay stream after stream: those of stream 0 from every process, then those of stream 1. Gradients flow back to
    the process that a row came from, summed over the processes that used it; averaged over the processes, as
    DistributedDataParallel does it, they are those of one process with the whole batch.

    Args:
        fabric: of `join_processes`.
        output, targets: of this process; as many rows as those of any other.
        streams: of the network.
    """
    images = len(targets.labels) // streams

    def gather(tensor: Tensor, axis: int = 0) -> Tensor:
        # process, ..., group x image, ...  ->  ..., group x process x image, ...
        gathered: Any = fabric.all_gather(tensor, sync_grads=tensor.requires_grad)
        grouped = gathered.unflatten(1 + axis, (-1, images)).movedim(0, 1 + axis)
        return grouped.flatten(axis, axis + 2)

    gathered = NetworkOutput(
        gather(output.features),
        gather(output.logits),
        {name: gather(extra, int(name in BY_PART)) for name, extra in output.extras.items()},
    )
    part_maps = None if targets.part_maps is None else gather(targets.part_maps)
    return gathered, Targets(gather(targets.labels), part_maps)
