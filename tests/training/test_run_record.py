"""What a run directory tells of its training."""

import json

import pytest

from vireid.training import read_run
from vireid.types import VireidError


def test_a_run_tells_its_settings_and_steps(tiny_run):
    run = read_run(tiny_run)
    assert run.settings["name"] == "mscmnet-small"
    assert run.settings["network.mimb_heads"] == 2
    assert "torch" in run.versions
    assert (run.processes, run.reproduces) == (1, "")
    assert run.hardware["cores"] >= 1
    assert [step["step"] for step in run.steps] == list(range(len(run.steps)))
    assert {"loss/identity", "learning_rate", "seconds"} <= set(run.steps[0])


def test_what_was_not_written_is_empty(tmp_path):
    run = read_run(tmp_path)
    assert (run.settings, run.versions, run.hardware, run.started, run.steps) == ({}, {}, {}, "", [])


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 0}\n{"step": 1, "lo')
    assert read_run(tmp_path).steps == [{"step": 0}]


def test_damaged_files_are_named(tmp_path):
    with pytest.raises(VireidError, match="there is no run"):
        read_run(tmp_path / "nothing")
    (tmp_path / "log.jsonl").write_text('{"step": 0}\nzero\n{"step": 2}\n')
    with pytest.raises(VireidError, match=r"line 2 of .*log\.jsonl is no line"):
        read_run(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps([1]))
    with pytest.raises(VireidError, match="it holds list, not an object"):
        read_run(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(VireidError, match="is not the configuration of a run"):
        read_run(tmp_path)


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"settings": [1]}', r"its 'settings' must be dict, got list"),
        ('{"hardware": "x"}', r"its 'hardware' must be dict, got str"),
        ('{"hardware": {"accelerators": 5}}', r"'accelerators' of its 'hardware' must be words or numbers, got int"),
        ('{"hardware": {"accelerators": [[5]]}}', r"'accelerators' of its 'hardware' must be words or numbers"),
        ('{"hardware": {"cores": [5]}}', r"'cores' of its 'hardware' must be one word or number, got list"),
        ('{"versions": {"torch": {}}}', r"'torch' of its 'versions' must be one word or number, got dict"),
        ('{"data": {"images": {"a": 1}}}', r"'images' of its 'data' must be one word or number, got dict"),
        ('{"settings": {"a": {"b": 1}}}', r"'a' of its 'settings' must be words or numbers, got dict"),
        ('{"settings": {"a": [[1]]}}', r"'a' of its 'settings' must be words or numbers, got list"),
        ('{"code": 5}', r"its 'code' must be str, got int"),
        ('{"processes": "2"}', r"its 'processes' must be int, got str"),
        ('{"reproduces": 5}', r"its 'reproduces' must be str, got int"),
        (DEEP, r"is not the configuration of a run"),
    ],
)
def test_values_of_another_kind_are_named(tmp_path, config, message):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(VireidError, match=message) as said:
        read_run(tmp_path)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("5", "it holds int, not an object"),
        ("[1]", "it holds list, not an object"),
        ('{"step": 0, "seconds": "x"}', "its 'seconds' must be a number, got str"),
        ('{"step": true}', "its 'step' must be a number, got bool"),
        ('{"seconds": 1' + "0" * 400 + "}", "too large"),
        (DEEP, "is no line of a training's log"),
    ],
)
def test_lines_of_another_kind_are_named(tmp_path, line, message):
    (tmp_path / "log.jsonl").write_text(f'{{"step": 0}}\n{line}\n')
    with pytest.raises(VireidError, match=f"line 2 of .*{message}"):
        read_run(tmp_path)
