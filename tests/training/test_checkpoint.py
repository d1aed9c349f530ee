import pickle
import random
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from vireid.training.checkpoint import load_state, save_state
from vireid.types import VireidError

STATE: dict[str, Any] = {"epoch": 3, "network": {"weight": torch.arange(6.0)}, "rates": [0.1, 0.01], "name": "run"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_state(tmp_path / "run" / "state.pt", STATE)
    return tmp_path / "run" / "state.pt"


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Writes beyond so many bytes fail, as they do where a disk is full."""
    limits, action = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, action)


def refusal(file: Path) -> str:
    with pytest.raises(VireidError) as caught:
        load_state(file)
    return str(caught.value)


def test_a_state_comes_back(file):
    state = load_state(file)
    assert torch.equal(state["network"]["weight"], torch.arange(6.0))
    assert {key: state[key] for key in ("epoch", "rates", "name")} == {"epoch": 3, "rates": [0.1, 0.01], "name": "run"}
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("size", [0, 500, 100_000])
def test_a_full_disk_leaves_the_state_before(file, size):
    before = file.read_bytes()
    with (
        small_disk(size),
        pytest.raises(
            VireidError, match=r"cannot write .*state.pt: torch could not write it, is the disk full\? .*half"
        ),
    ):
        save_state(file, {"weight": torch.zeros(100_000)})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_write_that_is_cut_off_leaves_the_state_before(file, monkeypatch):
    before = file.read_bytes()

    def interrupted(state: Any, draft: Path) -> None:
        draft.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_state(file, STATE)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_no_state_is_refused(tmp_path):
    assert refusal(tmp_path / "state.pt") == f"there is no training state {tmp_path / 'state.pt'} to resume from"


def test_part_of_a_state_is_refused(file):
    content = file.read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        assert refusal(file).startswith(f"{file} is not a training state, or only part of one: ")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_bytes_of_any_kind_are_refused_in_one_line(file):
    draw = random.Random(0)
    for _ in range(200):
        file.write_bytes(draw.randbytes(draw.randrange(60)))
        said = refusal(file)
        assert said.startswith(f"{file} is")
        assert "\n" not in said


@pytest.mark.parametrize("state", [{"format": 3}, {"epoch": 1}, [1, 2]])
def test_another_format_is_refused(file, state):
    torch.save(state, file)
    found = state.get("format") if isinstance(state, dict) else None
    assert refusal(file) == (
        f"{file} is a training state of format {found}, this version reads 1 and 2; resume with the version that wrote "
        "it, or train again"
    )


class Runs:
    """A pickle that makes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_state_is_not_run(file):
    marker = file.parent / "marker"
    torch.save({"format": 1, "epoch": Runs(marker)}, file)
    assert "is not a training state" in refusal(file)
    file.write_bytes(pickle.dumps(Runs(marker)))
    assert "is not a training state" in refusal(file)
    assert not marker.exists()
