"""Files of torch.save from anybody: training states and published checkpoints."""

import codecs
import copy
import io
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vireid.models import import_reference
from vireid.models.reference_file import numbers_of, read_reference_file
from vireid.training.checkpoint import load_state

FINDS = Path(__file__).parent / "finds"
READERS = (load_state, read_reference_file)


class Runs:
    """A pickle that makes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def saved(content: Any, *, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def nested(levels: int) -> dict[str, Any]:
    content: Any = []
    for _ in range(levels):
        content = [content]
    return {"format": 2, "net": {"a": torch.zeros(1)}, "deep": content}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_not_run(tmp_path, harmless, reader, zipped):
    marker, file = tmp_path / "marker", tmp_path / "f.pt"
    for content in ({"format": 2, "net": Runs(marker)}, [Runs(marker)]):
        file.write_bytes(saved(content, zipped=zipped))
        assert "f.pt" in harmless(reader, file)
    file.write_bytes(pickle.dumps(Runs(marker)))
    assert "f.pt" in harmless(reader, file)
    assert not marker.exists()


@pytest.mark.parametrize("reader", READERS)
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, harmless, reader):
    plain = saved({"format": 2, "net": {"a": torch.zeros(100_000_000, dtype=torch.uint8)}})
    with (
        zipfile.ZipFile(io.BytesIO(plain)) as old,
        zipfile.ZipFile(tmp_path / "f.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert (tmp_path / "f.pt").stat().st_size < 1_000_000
    assert "it is compressed" in harmless(reader, tmp_path / "f.pt")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(10**6, 10**6),
        torch.zeros(1).expand(2**25 + 1),
        torch.zeros(1, device="meta").expand(10**9),
        torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.long), torch.ones(1), (10**9,)),
    ],
    ids=["huge", "large", "meta", "sparse"],
)
def test_a_tensor_that_claims_more_than_it_holds_is_refused(tmp_path, harmless, reader, tensor):
    (tmp_path / "f.pt").write_bytes(saved({"format": 2, "net": {"a": tensor}}))
    assert "f.pt" in harmless(reader, tmp_path / "f.pt")


@pytest.mark.parametrize("found", [None, "2", torch.tensor([1, 2]), [2], 2.0, float("nan"), 3, 10**40, {}])
def test_a_format_of_any_kind_is_said(tmp_path, harmless, found):
    (tmp_path / "f.pt").write_bytes(saved({"format": found}))
    assert "is a training state of format" in harmless(load_state, tmp_path / "f.pt")


@pytest.mark.parametrize("reader", READERS)
def test_deep_nesting_is_no_crash(tmp_path, harmless, reader):
    (tmp_path / "f.pt").write_bytes(saved(nested(200)))
    harmless(reader, tmp_path / "f.pt")


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, harmless, reader):
    os.mkfifo(tmp_path / "f.pt")
    assert "f.pt" in harmless(reader, tmp_path / "f.pt")
    assert str(tmp_path) in harmless(reader, tmp_path)


def test_numbers_beside_the_weights_that_would_take_memory_are_left_out(harmless):
    found: dict[str, Any] = {}
    content = {"net": {}, "epoch": 3, "loss": torch.zeros(1).expand(10**5, 10**5), "cmc": torch.zeros(20, 10**3)}
    assert not harmless(lambda: found.update(numbers_of(content)))
    assert found == {"epoch": 3}


@pytest.mark.parametrize("find", sorted(FINDS.glob("*.pt")), ids=lambda find: find.name)
def test_what_broke_a_reader_once_is_harmless(harmless, find):
    for reader in READERS:
        harmless(reader, find)


class Numbers:
    """Pickled as numpy's own, with a state that is none of numpy's."""

    def __init__(self, make: Any, arguments: tuple[Any, ...], state: Any = None) -> None:
        self.reduced = (make, arguments) if state is None else (make, arguments, state)

    def __reduce__(self) -> Any:
        return self.reduced


REBUILD, SCALAR = np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0]
KIND = np.dtype("f8")


@pytest.mark.parametrize(
    "value",
    [
        Numbers(np.ndarray, ((10**6, 10**6),)),
        Numbers(np.dtype, ("O",)),
        Numbers(np.dtype, ("f8",), (3, "<", None, None, None, 2**31 - 1, 2**31 - 1, 2**31 - 1)),
        Numbers(np.dtype, ("f8",), (3, "!", None, None, None, -1, -1, 0)),
        Numbers(np.dtype, ("f8",), (4, "<", ("a",), ("a",), {"a": (KIND, 10**9)}, 10**9, 8, 0)),
        Numbers(np.dtype, ("f8",), 7),
        Numbers(REBUILD, (np.ndarray, (10**12,), b"b")),
        Numbers(REBUILD, (np.ndarray, (0,), b"b"), (1, (10**9,), KIND, False, b"")),
        Numbers(REBUILD, (np.ndarray, (0,), b"b"), (1, (2,), KIND, False, [1, 2])),
        Numbers(REBUILD, (np.ndarray, (0,), b"b"), (1, (1,), "f8", False, bytes(8))),
        Numbers(SCALAR, (KIND, b"")),
        Numbers(SCALAR, (KIND, bytes(16))),
        Numbers(SCALAR, (7, bytes(8))),
        Numbers(codecs.encode, ("a", "utf-7")),
    ],
    ids=range(14),
)
def test_numbers_of_no_numpy_are_harmless(tmp_path, harmless, value):
    (tmp_path / "f.pt").write_bytes(saved({"net": {"a": torch.zeros(1)}, "cmc": value}))
    harmless(lambda: numbers_of(read_reference_file(tmp_path / "f.pt")))


def test_numbers_of_numpy_are_read_as_it_wrote_them(tmp_path):
    curve = np.linspace(0, 1, 20)
    content = {"cmc": curve, "mAP": np.float32(0.25), "epoch": np.int64(3), "big": np.array(0.5, dtype=">f8")}
    (tmp_path / "f.pt").write_bytes(saved({"net": {"a": torch.zeros(1)}, **content}))
    ranks = {f"rank-{rank}": curve[rank - 1] for rank in (1, 5, 10, 20)}
    assert numbers_of(read_reference_file(tmp_path / "f.pt")) == ranks | {"mAP": 0.25, "epoch": 3, "big": 0.5}


def test_a_published_checkpoint_of_absurd_width_is_refused(tmp_path, harmless):
    net = {
        "classifier.weight": torch.zeros(1).expand(4, 2048),
        "layerATT0.ln_1.weight": torch.zeros(1).expand(2 * 4000**2),
        **{f"NL_{stage}.0.theta.weight": torch.zeros(1).expand(256, 1) for stage in (2, 3)},
    }
    (tmp_path / "f.t").write_bytes(saved({"net": net}))
    assert "images may have at most" in harmless(import_reference, tmp_path / "f.t", "mscmnet")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(zipped=st.booleans(), place=st.integers(0, 10**6), value=st.integers(0, 255), cut=st.integers(0, 40))
def test_a_changed_byte_gives_a_result_or_a_message(tmp_path, harmless, zipped, place, value, cut):
    content = bytearray(saved({"format": 2, "net": {"a": torch.arange(8.0)}, "epoch": 1}, zipped=zipped))
    content[place % len(content)] = value
    (tmp_path / "f.pt").write_bytes(content[: len(content) - cut])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for reader in READERS:
            harmless(reader, tmp_path / "f.pt")


class Body:
    """The numbers of a tensor, under a name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Naming(pickle.Pickler):
    """Names bodies as torch does."""

    def persistent_id(self, obj: Any) -> Any:
        return ("storage", torch.FloatStorage, obj.name, "cpu", NUMBERS) if isinstance(obj, Body) else None


NUMBERS = 2**23


def with_one_body(names: list[str], *, members: list[str]) -> bytes:
    """A tensor for each name, in an archive whose members all are one body of 32 MiB."""
    rebuild: Any = torch._utils._rebuild_tensor_v2
    tensors = {name: Numbers(rebuild, (Body(name), 0, (NUMBERS,), (1,), False, OrderedDict())) for name in names}
    pickled, stream = io.BytesIO(), io.BytesIO()
    Naming(pickled, protocol=2).dump({"format": 2, "net": tensors})
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled.getvalue())
        archive.writestr("archive/data/0", bytes(4 * NUMBERS))
        archive.writestr("archive/version", "3\n")
        for name in members:
            twin = copy.copy(archive.getinfo("archive/data/0"))
            twin.filename = f"archive/data/{name}"
            archive.filelist.append(twin)
    return stream.getvalue()


@pytest.mark.parametrize("reader", READERS)
def test_members_that_lie_over_each_other_are_refused(tmp_path, harmless, reader):
    names = [str(place) for place in range(1, 10)]
    (tmp_path / "f.pt").write_bytes(with_one_body(names, members=names))
    assert "its members lie over each other" in harmless(reader, tmp_path / "f.pt")


def test_many_names_for_one_member_take_no_more_than_it(tmp_path, harmless):
    names = [f"0\0{place}" for place in range(9)]  # torch looks a name up to its first zero byte
    (tmp_path / "f.pt").write_bytes(with_one_body(names, members=[]))
    harmless(load_state, tmp_path / "f.pt")


def test_tensors_that_share_numbers_are_read_as_such(tmp_path):
    numbers = torch.arange(6.0)
    content = {"format": 2, "a": numbers, "b": numbers[2:].view(2, 2).T, "again": numbers, "none": torch.zeros(0)}
    torch.save(content | {"weight": torch.nn.Parameter(torch.ones(2))}, tmp_path / "f.pt")
    state = load_state(tmp_path / "f.pt")
    (tmp_path / "f.pt").write_bytes(bytes((tmp_path / "f.pt").stat().st_size))
    state["a"][2] = 7
    assert state["b"].tolist() == [[7, 4], [3, 5]]
    assert state["again"] is state["a"]
    assert state["weight"].requires_grad
    assert state["weight"].tolist() == [1, 1]


def in_hex(text: bytes, times: int) -> Any:
    value: Any = Numbers(codecs.encode, (text.decode(), "latin1"))
    for _ in range(times):
        value = Numbers(codecs.encode, (value, "hex"))
    return value


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Numbers(bytearray, (2**30,)), "it asks for bytes of any size (bytearray)"),
        (in_hex(b"aaaaaaaa", 26), "it may make its bytes longer by the codec 'hex'"),
    ],
    ids=["bytearray", "hex"],
)
@pytest.mark.parametrize("reader", READERS)
def test_plain_values_that_grow_are_refused(tmp_path, harmless, reader, value, message, zipped):
    (tmp_path / "f.pt").write_bytes(saved({"format": 2, "net": {}, "x": value}, zipped=zipped))
    assert message in harmless(reader, tmp_path / "f.pt")
