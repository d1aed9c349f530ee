"""What a step computes on: views of its images, made on the device one step ahead of their use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from vireid.models import Network
from vireid.training.batches import Batch, PartMaps, Targets
from vireid.transforms import View, draw_moves, move_part_maps
from vireid.types import Modality

__all__ = ["StepInputs", "make_inputs", "one_ahead"]


class StepInputs(NamedTuple):
    """A view for each stream, in stream order, and what the network should make of them; on the device."""

    views: list[Tensor]
    targets: Targets

    def tensors(self) -> list[Tensor]:
        """All of it."""
        part_maps = self.targets.part_maps
        return [*self.views, self.targets.labels, *([] if part_maps is None else [part_maps])]


def make_inputs(
    network: Network,
    views: Mapping[str, View],
    batch: Batch,
    draws: Callable[[str], torch.Generator],
    part_maps: PartMaps | None,
    device: torch.device,
) -> StepInputs:
    """Send a batch to the device, as bytes, and make the views there.

    Args:
        network: says which streams there are.
        views: by the name that the streams use.
        draws: what to draw from, by the name of a view.
        part_maps: where the batch has some; views are then called with ``moves``.
    """
    pixels = {
        Modality.VISIBLE: batch.visible.to(device, non_blocking=True),
        Modality.INFRARED: batch.infrared.to(device, non_blocking=True),
    }
    given = {Modality.VISIBLE: batch.visible_parts, Modality.INFRARED: batch.infrared_parts}
    made, moved = [], []
    for stream in network.streams:
        images, parts = pixels[stream.modality], given[stream.modality]
        if part_maps is None or parts is None:
            made.append(views[stream.view](images, draws(stream.view)))
        else:
            drawing = draws(f"{stream.view} moves")
            moves = draw_moves(len(images), *network.image_size, drawing, part_maps.movement)
            made.append(views[stream.view](images, draws(stream.view), moves=moves))
            moved.append(move_part_maps(parts.to(device, non_blocking=True), moves))
    labels = batch.labels.to(device, non_blocking=True).repeat(len(network.streams))
    return StepInputs(
        [view.contiguous(memory_format=torch.channels_last) for view in made],
        Targets(labels, torch.cat(moved) if moved else None),
    )


def one_ahead(inputs: Iterable[StepInputs], device: torch.device) -> Iterator[StepInputs]:
    """The same inputs; on a GPU the next ones are copied and made while the network works on those given out.

    A stream of its own lets the copy run beside the computing. On other devices there is nothing to overlap.
    """
    if device.type != "cuda":
        yield from inputs
        return
    beside, made = torch.cuda.Stream(device), iter(inputs)

    def make_next() -> StepInputs | None:
        with torch.cuda.stream(beside):
            return next(made, None)

    upcoming = make_next()
    while upcoming is not None:
        using = torch.cuda.current_stream(device)
        using.wait_stream(beside)
        for tensor in upcoming.tensors():
            # Else its memory could be given to the next inputs while the network still reads it.
            tensor.record_stream(using)
        yield upcoming
        upcoming = make_next()
