"""``vireid train``: what a run leaves, when it may go on, and what is refused with nothing left behind."""

import errno
import json
import os
import resource
import shutil
from types import SimpleNamespace

import pytest
import safetensors.torch

from vireid.cli import train as train_module
from vireid.data import read
from vireid.models import load_network
from vireid.training import loop
from vireid.types import VireidError


@pytest.fixture
def train(vireid, tiny_world, tiny_flags, tmp_path):
    """Train into ``tmp_path/run``; further arguments come last and win."""

    def run(*arguments, root=tiny_world, recipe="mscmnet-small"):
        return vireid("train", recipe, "--root", root, "--out", tmp_path / "run", *tiny_flags, *arguments)

    return run


@pytest.fixture
def run(tmp_path, tiny_run):
    """A finished run that may be changed."""
    out = tmp_path / "run"
    shutil.copytree(tiny_run, out)
    return out


def weights(out):
    return safetensors.torch.load_file(out / "weights.safetensors")


def test_a_run_keeps_its_settings_versions_log_and_weights(tiny_run):
    # Other tests measure the shared run, too.
    assert {file.name for file in tiny_run.iterdir()} - {"results"} == {
        "README.md",
        "config.json",
        "log.jsonl",
        "state.pt",
        "tensorboard",
        "weights.safetensors",
    }
    document = json.loads((tiny_run / "config.json").read_text())
    assert document["settings"]["network.mimb_heads"] == 2
    assert document["settings"]["network.channels"] == [8, 16, 24, 32]
    assert document["settings"]["name"] == "mscmnet-small"
    assert {"vireid", "python", "torch", "timm", "numpy"} <= set(document["versions"])
    assert document["hardware"]["cores"] >= 1
    network, facts = load_network(tiny_run)
    assert (network.dimension, network.image_size) == (32, (32, 16))
    assert facts == {
        "recipe": "mscmnet-small, settings changed",
        "reconstruction": "none",
        "dataset": "sysu",
        "trial": 1,
        "seed": 0,
        "checkpoint_rule": "last epoch",
    }


def test_progress_goes_to_standard_error_in_a_line_an_epoch(train, tmp_path):
    said = train("--epochs", 2)
    assert said.code == 0
    assert said.out == f"weights in {tmp_path / 'run' / 'weights.safetensors'}\n"
    first, second = said.err.splitlines()
    assert first.startswith("epoch 1/2: loss identity ")
    assert second.startswith("epoch 2/2: loss identity ")
    assert ", quadruple center " in first
    assert first.endswith(" images/s")


def test_a_run_is_not_written_over(train, run):
    said = train()
    assert said.code == 2
    assert said.err == f"vireid: error: {run} holds a run already; continue it with --resume or choose another folder\n"


def test_a_finished_run_has_nothing_to_do(train, run):
    before = (run / "weights.safetensors").stat().st_mtime_ns
    said = train("--resume", "--workers", 1)
    assert (said.code, said.out) == (0, f"{run} holds a finished run; nothing to do\n")
    assert (run / "weights.safetensors").stat().st_mtime_ns == before


def test_a_run_goes_on_with_its_own_settings_only(train, run):
    said = train("--resume", "--loss.margin", 1, "--seed", 3)
    assert said.code == 2
    assert "loss.margin was 0.7, now 1.0; seed was 0, now 3; take these back or choose another folder" in said.err
    other = train("--resume", recipe="mscmnet")
    assert other.code == 2
    assert "holds a run of mscmnet-small, not of mscmnet" in other.err


def test_a_run_whose_weights_could_not_be_saved_is_resumed_to_the_same(train, tiny_run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:

        def fail(*arguments, **keywords):
            raise VireidError("cannot write the weights: No space left on device")

        patch.setattr(train_module, "save_network", fail)
        said = train()
        assert said.code == 2
        assert "No space left on device" in said.err
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    assert train("--resume").code == 0
    again, first = weights(tmp_path / "run"), weights(tiny_run)
    assert all((again[name] == first[name]).all() for name in first)


def test_a_run_that_was_killed_before_its_card_gets_one(train, run):
    (run / "README.md").rename(run / ".README.md.0a1b2c")
    assert train("--resume").code == 0
    assert (run / "README.md").is_file()
    assert not list(run.glob(".*"))


def test_a_pixel_cache_changes_no_weight_and_may_come_and_go(train, tiny_world, tiny_run, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    said = train("--cache", cache)
    assert said.code == 0
    assert "caching" in said.err
    (pixels,) = cache.glob("32x16-*/pixels.u8")
    records = read("sysu", tiny_world, splits=("train",))
    assert pixels.stat().st_size == len(records.rows(splits=["train"])) * 3 * 32 * 16
    first, again = weights(tiny_run), weights(tmp_path / "run")
    assert all((again[name] == first[name]).all() for name in first)
    assert "nothing to do" in train("--resume").out
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    poor = train("--cache", tmp_path / "elsewhere", "--out", tmp_path / "poor")
    assert poor.code == 0
    assert (
        f"no pixel cache in {tmp_path / 'elsewhere'}: it needs 1.1 GB with a reserve, the disk has 0.0 GB" in poor.err
    )
    decoded = weights(tmp_path / "poor")
    assert all((decoded[name] == first[name]).all() for name in first)


def test_a_choice_on_the_test_set_is_named_in_every_result(vireid, train, tiny_world, tmp_path):
    assert train("--select", "best-on-test").code == 0
    said = vireid("evaluate", "--checkpoint", tmp_path / "run", "--dataset", "sysu", "--root", tiny_world)
    assert said.code == 0
    assert "checkpoint    best Rank-1 on test, epoch 1" in said.out


def test_an_interrupted_run_says_how_to_go_on_and_ends_in_the_same_weights(train, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        saved = []

        def save_and_interrupt(file, state):
            if saved:
                raise KeyboardInterrupt
            saved.append(loop_save(file, state))

        loop_save = loop.save_state
        patch.setattr(loop, "save_state", save_and_interrupt)
        said = train("--epochs", 2)
        assert said.code == 130
        assert said.err.endswith(
            "vireid: interrupted; every whole epoch is kept: continue with the same command and --resume\n"
        )
    assert train("--epochs", 2, "--resume").code == 0
    resumed = weights(tmp_path / "run")
    assert train("--epochs", 2, "--out", tmp_path / "whole").code == 0
    whole = weights(tmp_path / "whole")
    assert all((resumed[name] == whole[name]).all() for name in whole)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--identities", "9"], "a step needs 9 identities with images in both modalities, but the train split of"),
        (["--identities", "1"], "a step needs at least 2 identities"),
        (["--images", "0"], "at least 1 image of each"),
        (["--images", "100000000000"], "out of memory"),
        (["--network.mimb-heads", "3"], "3 heads do not divide 2 x 1 = 2; choose one of [1, 2] heads"),
        (["--network.backbone", "resnet18x"], "resnet18x"),
        (["--network.weights", "no.pth"], "no.pth"),
        (["--precision", "16"], "precision 16 needs a CUDA GPU"),
        (["--epochs", "0"], "must be at least 1"),
        (["--optimizer.learning-rate", "-1"], "learning rate"),
        (["--seed", "-1"], "seed"),
        (["--dataset", "llcm"], "is missing"),
        (["--root", "/no/such/folder"], "there is nothing at /no/such/folder"),
    ],
)
def test_a_refused_training_leaves_no_folder_behind(train, tmp_path, arguments, text):
    said = train(*arguments)
    assert said.code == 2
    assert text in said.err
    assert said.out == ""
    # A mended command must not meet the remains of the first.
    assert not (tmp_path / "run").exists()


def test_a_folder_of_other_files_is_left_alone(train, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    said = train()
    assert said.code == 2
    assert "holds other files" in said.err
    assert [file.name for file in out.iterdir()] == ["thesis.tex"]
    shutil.rmtree(out)
    out.write_text("mine")
    assert "is a file" in train().err
    assert out.read_text() == "mine"


def test_an_empty_folder_stays_when_training_is_refused(train, tmp_path):
    (tmp_path / "run").mkdir()
    assert train("--precision", "16").code == 2
    assert list((tmp_path / "run").iterdir()) == []
    assert train().code == 0


@pytest.fixture
def changed_world(tiny_world, tmp_path):
    root = tmp_path / "world"
    shutil.copytree(tiny_world, root)
    return root


def test_identities_of_one_modality_are_counted(train, changed_world):
    for camera in (3, 6):
        shutil.rmtree(changed_world / f"cam{camera}" / "0002")
    said = train(root=changed_world)
    assert said.code == 0
    assert said.out.startswith("not trained on, because seen in one modality only: 1 of 8 identities\n")
    refused = train("--identities", 8, "--out", changed_world / "run", root=changed_world)
    assert refused.code == 2
    assert "has 7 (and 1 with one modality only); use fewer identities a step or more data" in refused.err


def test_a_truncated_image_is_named_and_no_state_is_written(train, changed_world, tmp_path):
    for image in changed_world.glob("cam1/*/*.jpg"):
        image.write_bytes(image.read_bytes()[:300])
    said = train(root=changed_world)
    assert said.code == 2
    assert str(changed_world / "cam1") in said.err
    assert "cannot be decoded, it is truncated or damaged" in said.err
    assert not (tmp_path / "run" / "state.pt").exists()
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_a_full_disk_leaves_nothing_half_written(train, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow beyond this: the log fits, the state does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        said = train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert said.code == 2
    assert f"cannot write {tmp_path / 'run' / 'state.pt'}" in said.err
    assert {file.name for file in (tmp_path / "run").iterdir()} == {"config.json", "log.jsonl", "tensorboard"}
    assert train("--resume").code == 0


def test_a_full_disk_is_told_with_the_run_where_the_system_names_no_file(train, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("vireid.training.log.SummaryWriter", full)
    said = train()
    assert said.code == 2
    assert (
        f"vireid: error: cannot use {tmp_path / 'run'}: No space left on device; make room there or choose another "
        "place, and start the same command again\n"
    ) in said.err
    assert not (tmp_path / "run").exists()


def test_a_run_of_a_version_without_some_settings_goes_on(train, tmp_path):
    """Their defaults are what that version did; a setting that was changed since is refused as ever."""
    assert train().code == 0
    file = tmp_path / "run" / "config.json"
    document = json.loads(file.read_text())
    for key in ("network.stripes", "network.nonlocal_channels", "loss.parsing_weight", "views.style", "part_maps"):
        del document["settings"][key]
    file.write_text(json.dumps(document))
    said = train("--resume")
    assert (said.code, "finished run" in said.out) == (0, True)
    said = train("--resume", "--network.stripes", 1)
    assert said.code == 2
    assert "network.stripes was [], now [1]" in said.err


def test_a_run_whose_log_was_removed_goes_on_and_says_so(train, run):
    steps = len((run / "log.jsonl").read_text().splitlines())
    (run / "log.jsonl").unlink()
    (run / "weights.safetensors").unlink()
    said = train("--resume")
    assert said.code == 0
    lacks = f"{run / 'log.jsonl'} lacks the first {steps} steps, which are done: it was removed; it goes on after them"
    assert said.err.splitlines().count(lacks) == 1


def test_a_loss_that_breaks_at_once_is_told_and_the_folder_is_free_again(vireid, tiny_world, tiny_flags, tmp_path):
    out = tmp_path / "run"
    flags = ["train", "mscmnet-small", "--root", tiny_world, "--out", out, *tiny_flags]
    wild = ["--optimizer.learning-rate", "1e30", "--optimizer.head-learning-rate", "1e30", "--optimizer.warmup-epochs"]
    said = vireid(*flags, *wild, "0", "--epochs", "3")
    assert said.code == 2
    assert "the loss must stay finite" in said.err
    assert (out / "failed_step.pt").exists()
    if not (out / "state.pt").exists():
        assert vireid(*flags).code == 0
        assert not (out / "failed_step.pt").exists()
