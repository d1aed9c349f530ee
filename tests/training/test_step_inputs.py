from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
import torch

from vireid.models import build_network
from vireid.training import PartMaps, Targets
from vireid.training.batches import Batch
from vireid.training.step_inputs import StepInputs, make_inputs, one_ahead
from vireid.transforms import Movement, generator, make_views

SIZE = (32, 16)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    options = {"channels": (8, 8, 8, 8)}
    return build_network(
        identities=4,
        image_size=SIZE,
        backbone="resnet18",
        backbone_options=options,
        weights="none",
        mimb_tokens=4,
        mimb_heads=1,
        nonlocal_blocks=(0, 0, 0, 0),
    )


def batch(parts: bool) -> Batch:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 6, 3, *SIZE), generator=random).to(torch.uint8)
    maps = torch.randint(7, (2, 6, *SIZE), generator=random).to(torch.uint8) if parts else (None, None)
    return Batch(*images, torch.arange(6) // 2, *maps)


@pytest.mark.parametrize("parts", [False, True])
def test_views_and_targets_are_made_without_waiting(
    network, parts: bool, no_waiting: Callable[[], AbstractContextManager[None]]
):
    part_maps = PartMaps(folder=Path(), parts=7, movement=Movement()) if parts else None
    draws = partial(generator, 0, 1, 2)
    arguments = (network, make_views(), batch(parts), draws, part_maps)
    here = make_inputs(*arguments, torch.device("cpu"))
    with no_waiting():
        there = make_inputs(*arguments, torch.device("meta"))
    assert len(there.views) == len(network.streams)
    assert (there.targets.part_maps is not None) == parts
    for one, other in zip(here.tensors(), there.tensors(), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
    assert here.targets.labels.tolist() == [0, 0, 1, 1, 2, 2] * len(network.streams)
    assert all(view.is_contiguous(memory_format=torch.channels_last) for view in here.views)


class Recorded:
    """Stands for a stream of a GPU and says what was asked of it."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def wait_stream(self, other: "Recorded") -> None:
        self.log.append(f"{self.name} waits for {other.name}")

    def __enter__(self) -> None:
        self.log.append(f"in {self.name}")

    def __exit__(self, *_: object) -> None:
        self.log.append(f"out of {self.name}")


def test_on_a_gpu_the_next_inputs_are_made_beside_the_work_on_these(monkeypatch: pytest.MonkeyPatch):
    log: list[str] = []
    using = Recorded(log, "main")
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Recorded(log, "beside"))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: using)

    def make():
        for number in range(2):
            log.append(f"{number} made")
            yield StepInputs([torch.full((1, 3, 2, 2), float(number))], Targets(torch.tensor([number])))

    def record_stream(tensor: torch.Tensor, stream: Recorded) -> None:
        log.append(f"{int(tensor.max())} used in {stream.name}")

    monkeypatch.setattr(torch.Tensor, "record_stream", record_stream)
    for inputs in one_ahead(make(), torch.device("cuda")):
        log.append(f"step {int(inputs.targets.labels)}")
    used = [[f"{number} used in main"] * 2 for number in range(2)]
    assert log == [
        *["in beside", "0 made", "out of beside", "main waits for beside", *used[0], "step 0"],
        *["in beside", "1 made", "out of beside", "main waits for beside", *used[1], "step 1"],
        *["in beside", "out of beside"],
    ]


def test_elsewhere_inputs_come_as_they_are_made():
    made = []

    def make():
        for number in range(3):
            made.append(number)
            yield StepInputs([], Targets(torch.tensor([number])))

    given = [(int(item.targets.labels), len(made)) for item in one_ahead(make(), torch.device("cpu"))]
    assert given == [(0, 1), (1, 2), (2, 3)]
