"""Who may train into a folder. Real runs are resumed and refused in the tests of the commands."""

from dataclasses import replace
from pathlib import Path

import pytest

from vireid.cli.config import TrainConfig
from vireid.cli.recipes import RECIPES
from vireid.cli.run_folder import BOARD, CONFIG, LOCK, WRITTEN, claimed, is_finished
from vireid.training.log import LOG
from vireid.training.loop import STATE
from vireid.types import VireidError


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return TrainConfig(root=tmp_path / "world", out=tmp_path / "run", recipe=RECIPES["mscmnet-small"])


def test_a_run_that_was_killed_before_its_first_report_is_no_run(config: TrainConfig):
    with claimed(config, data={}):
        kept = (config.out / CONFIG).read_bytes()
    (config.out / CONFIG).write_bytes(kept)
    (config.out / LOG).touch()
    other = replace(config, seed=5)
    assert not is_finished(other)
    with claimed(other, data={}):
        assert '"seed": 5' in (config.out / CONFIG).read_text()


def test_a_folder_with_other_files_beside_a_configuration_is_left_alone(config: TrainConfig):
    config.out.mkdir()
    (config.out / CONFIG).write_text("{}")
    (config.out / "thesis.txt").touch()
    with pytest.raises(VireidError, match="holds a run already"):
        is_finished(config)


def test_two_trainings_do_not_share_a_folder(config: TrainConfig):
    with claimed(config, data={}):
        assert not is_finished(config)
        with pytest.raises(VireidError, match="another process is training into"), claimed(config, data={}):
            pass
        assert (config.out / CONFIG).exists()
    assert not (config.out / LOCK).exists()


def test_a_failure_before_the_first_report_leaves_nothing(config: TrainConfig):
    with pytest.raises(RuntimeError), claimed(config, data={}):
        raise RuntimeError
    assert not config.out.exists()


def test_a_failure_after_a_state_keeps_it(config: TrainConfig):
    def fail_late() -> None:
        with claimed(config, data={}):
            (config.out / STATE).touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_late()
    assert (config.out / CONFIG).exists()
    with pytest.raises(VireidError, match="continue it with --resume"):
        is_finished(config)


@pytest.mark.parametrize("name", [*WRITTEN, LOCK, BOARD])
def test_what_a_training_writes_stays_in_its_folder(name: str, config: TrainConfig, tmp_path: Path):
    outside = tmp_path / "outside"
    if name == BOARD:
        outside.mkdir()
    else:
        outside.write_text("mine")
    config.out.mkdir()
    (config.out / name).symlink_to(outside)
    message = f"what is written into {config.out} must stay there, but its {name} leads to {outside}; remove the link"
    with pytest.raises(VireidError, match=message), claimed(config, data={}):
        pass
    assert [each.name for each in config.out.iterdir()] == [name]
    assert list(outside.iterdir()) == [] if name == BOARD else outside.read_text() == "mine"
