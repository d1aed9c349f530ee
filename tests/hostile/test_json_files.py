"""What a run, a gallery and a pixel cache say of themselves, when something else says it."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vireid.cli.config import TrainConfig
from vireid.cli.recipe_config import RecipeConfig
from vireid.cli.report_config import ReportConfig
from vireid.cli.report_runs import find_data
from vireid.cli.reproduce import reproduce
from vireid.cli.reproduce_config import ReproduceConfig
from vireid.cli.run_folder import is_finished
from vireid.cli.run_settings import read_settings, write_settings
from vireid.cli.selection import _read_scores
from vireid.data.pixel_store import PixelStore
from vireid.evaluation.per_query import CMC_LENGTH
from vireid.evaluation.stored_results import read_result
from vireid.retrieval.gallery_folder import open_folder
from vireid.training import read_run

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def read_gallery(folder: Path) -> None:
    open_folder(folder, create=False, model=None, dimension=None)


READERS: dict[str, Any] = {
    "config.json": read_run,
    "log.jsonl": read_run,
    "gallery.json": read_gallery,
    "result.json": lambda folder: read_result(folder / "result.json"),
}
DEEP = "[" * 200_000


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]\n",
        b"7\n",
        b'"x"\n',
        b"null\n",
        b"\xff\xfe\n",
        DEEP.encode() + b"\n",
        b'{"a": 1e400}\n',
        b"1" * 5000 + b"\n",
    ],
    ids=lambda content: repr(content[:8]),
)
def test_any_json_is_harmless(tmp_path, harmless, name, content):
    (tmp_path / name).write_bytes(content)
    message = harmless(READERS[name], tmp_path)
    accepted = {"log.jsonl": (b"", b'{"a": 1e400}\n'), "config.json": (b'{"a": 1e400}\n',)}.get(name, ())
    assert bool(message) == (content not in accepted)


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_not_waited_for(tmp_path, harmless, name):
    os.mkfifo(tmp_path / name)
    harmless(READERS[name], tmp_path)


@pytest.mark.parametrize("part", ["settings", "versions", "hardware", "data", "code", "started"])
@pytest.mark.parametrize("value", [None, [], 7, [["a", 1]]])
def test_a_part_of_another_kind_is_refused(tmp_path, harmless, part, value):
    (tmp_path / "config.json").write_text(json.dumps({part: value}))
    assert f"its {part!r} must be" in harmless(read_run, tmp_path)


TRIAL = {"cmc": [0.5] * CMC_LENGTH, "map": 0.4, "minp": 0.3, "valid": 2, "queries": 2, "gallery": 4}


@pytest.mark.parametrize("name", TRIAL)
@pytest.mark.parametrize("value", [None, "x", [], [[0.5]] * CMC_LENGTH, 1e999, float("nan"), -1, {"a": 1}, 10**400])
def test_a_figure_of_any_kind_is_harmless(tmp_path, harmless, name, value):
    document = {"protocol": {"name": "x"}, "trials": [TRIAL | {name: value}]}
    (tmp_path / "result.json").write_text(json.dumps(document))
    assert "is not a result of vireid evaluate" in harmless(read_result, tmp_path / "result.json")


SETTINGS = write_settings(TrainConfig(root=Path("r"), out=Path("o"), recipe=RecipeConfig()))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@quick
@given(st.dictionaries(st.sampled_from(sorted(SETTINGS)) | st.text(max_size=5), plain, max_size=4))
def test_settings_of_any_kind_are_harmless(harmless, changes):
    harmless(read_settings, SETTINGS | changes, root=Path("r"), out=Path("o"))


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("network.height", "64", "int, got '64'"),
        ("network.height", 64.0, "int, got 64.0"),
        ("network.height", True, "int, got True"),
        ("epochs", 10**400, "int, got 1000"),
        ("epochs", None, "int, got None"),
        ("optimizer.learning_rate", float("nan"), "float, got nan"),
        ("optimizer.learning_rate", float("inf"), "float, got inf"),
        ("loss.alpha", "x", "float | None, got 'x'"),
        ("network.mimb", 1, "bool, got 1"),
        ("network.streams", "many", "'dual'], got 'many'"),
        ("network.last_stride", True, ", got True"),
        ("network.nonlocal_blocks", [0, 2, 3], "tuple[int, int, int, int], got [0, 2, 3]"),
        ("optimizer.milestones", [[1]], "tuple[int, ...], got [[1]]"),
        ("network.backbone", ["a"], "str, got ['a']"),
        ("part_maps", 7, "Path | None, got 7"),
    ],
)
def test_a_setting_of_another_kind_is_refused_by_its_name(harmless, name, value, kind):
    message = harmless(read_settings, SETTINGS | {name: value}, root=Path("r"), out=Path("o"))
    assert f"{name} must be " in message
    assert kind in message


def test_settings_come_back_as_they_were():
    config = TrainConfig(root=Path("r"), out=Path("o"), recipe=RecipeConfig())
    assert read_settings(json.loads(json.dumps(write_settings(config))), root=Path("r"), out=Path("o")) == config


@pytest.mark.parametrize("content", [b"", b"[]", DEEP.encode(), b"\xff", b'{"format": 1}', b'{"format": {}}', b"1e999"])
def test_a_header_of_a_pixel_cache_that_is_none_is_said_to_be_damaged(tmp_path, harmless, content):
    store = PixelStore(tmp_path, height=4, width=2)
    store.folder.mkdir()
    (store.folder / "header.json").write_bytes(content)
    (store.folder / "entries.bin").write_bytes(bytes(45))
    said: list[str] = []
    assert not harmless(store.begin, said.append)
    assert not store.read().slots


@quick
@given(plain)
def test_any_words_of_a_gallery_are_harmless(tmp_path, harmless, values):
    (tmp_path / "gallery.json").write_text(json.dumps(values))
    assert harmless(read_gallery, tmp_path)


@pytest.mark.parametrize("collection", ["..", "../../etc", "/etc", "a/b", "0" * 31, "0" * 32 + "\n", 7])
def test_a_gallery_names_no_folder_outside_its_own(tmp_path, harmless, collection):
    facts = {"collection": collection, "model": "m bn", "dimension": 4, "created": "2026-01-01T00:00:00+00:00"}
    (tmp_path / "gallery.json").write_text(json.dumps({"format": 1, **facts}))
    assert "does not describe a gallery of vireid" in harmless(read_gallery, tmp_path)


@pytest.mark.parametrize("dimension", [0, -1, True, 1.5, "4"])
def test_a_dimension_that_is_none_is_refused(tmp_path, harmless, dimension):
    facts = {"collection": "0" * 32, "model": "m bn", "dimension": dimension, "created": "2026-01-01T00:00:00+00:00"}
    (tmp_path / "gallery.json").write_text(json.dumps({"format": 1, **facts}))
    assert "does not describe a gallery of vireid" in harmless(read_gallery, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"settings": []}',
        b'{"settings": {"epochs": {}}}',
        b'{"settings": {"epochs": [[1]]}}',
        b'{"settings": {"seed": 0}, "data": 7}',
        b"\xff",
        DEEP.encode(),
    ],
    ids=lambda content: repr(content[:40]),
)
def test_a_run_of_any_words_is_not_resumed(tmp_path, harmless, content):
    (tmp_path / "config.json").write_bytes(content)
    (tmp_path / "log.jsonl").write_text("{}\n")
    config = TrainConfig(root=Path("r"), out=tmp_path, recipe=RecipeConfig(), resume=True)
    assert "is not the configuration of a run" in harmless(is_finished, config)


def test_a_run_whose_root_is_no_path_is_not_reproduced(tiny_run, tmp_path, harmless):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    document = json.loads((run / "config.json").read_text())
    for root in (7, [1], True):
        document["settings"]["root"] = root
        (run / "config.json").write_text(json.dumps(document))
        message = harmless(reproduce, ReproduceConfig(run=run, out=tmp_path / "again"))
        assert f"must be a path, got {root!r}; give --root ROOT" in message
    document["settings"] |= {"root": str(tmp_path), "epochs": "many"}
    (run / "config.json").write_text(json.dumps(document))
    message = harmless(reproduce, ReproduceConfig(run=run, out=tmp_path / "again"))
    assert "epochs must be int, got 'many'" in message


@quick
@given(plain)
def test_any_scores_of_epochs_are_harmless(tmp_path, harmless, values):
    (tmp_path / "selection.json").write_text(json.dumps(values))
    harmless(_read_scores, tmp_path / "selection.json")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": 7}, "must be Literal['sysu', 'regdb', 'llcm', 'folder'], got 7"),
        ({"dataset": "other"}, "got 'other'"),
        ({"root": [1]}, "the root in the settings"),
        ({"trial": "x"}, "must be int, got 'x'"),
        ({"trial": 10**400}, "must be int, got 1000"),
        ({}, "does not say what it was trained on"),
        ({"root": "r"}, "the data set of a report is one of sysu, regdb, llcm, folder"),
    ],
)
def test_a_report_of_a_run_of_any_words(harmless, settings, message):
    record = SimpleNamespace(settings=settings, folder=Path("run"))
    run: Any = SimpleNamespace(record=record, facts={"dataset": "x"} if "root" in settings else {})
    config = ReportConfig(runs=(Path("run"),), out=Path("out"))
    assert message in harmless(find_data, config, run, torch.device("cpu"))
