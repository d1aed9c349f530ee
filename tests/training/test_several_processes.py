"""Processes that train together on one machine (gloo): by torchrun, or as srun starts them, which is quicker here."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import one_of_several
import pytest
import torch
from forked_jobs import ForkedJobs

from vireid.data import read
from vireid.data.sampler import IdentitySampler
from vireid.synthetic import write_world
from vireid.training import Processes, join_processes, processes_of_job
from vireid.types import VireidError

RECIPES = ["mscmnet-small", "deen-small", "cscl-small", "mspac-small"]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def together(*command: str | Path) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, command)]
    return subprocess.run(run, env=environment(), capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    file = tmp_path_factory.mktemp("steps") / "together.pt"
    shared = together(one_of_several.__file__, file, *RECIPES)
    assert shared.returncode == 0, shared.stderr
    return {recipe: one_of_several.step(recipe) for recipe in RECIPES}, torch.load(file)


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_have_the_loss_and_gradients_of_one(steps: tuple[dict, dict], recipe: str):
    alone, shared = (found[recipe] for found in steps)
    assert alone.keys() == shared.keys()
    assert torch.equal(alone["labels"], shared["labels"])
    gradients = {name for name in alone if not name.startswith(("loss", "features", "labels"))}
    assert len(gradients) > 80
    largest = max(float(alone[name].abs().max()) for name in gradients)
    for name in alone.keys() - {"labels"}:
        # Some gradients are 0 but for rounding, as those of a bias before a LayerNorm.
        torch.testing.assert_close(
            shared[name], alone[name], rtol=1e-5, atol=1e-5 * min(1.0, largest), msg=lambda said, name=name: name + said
        )


def test_every_process_has_its_own_identities_of_the_same_step(tmp_path: Path):
    write_world(tmp_path / "world", layout="sysu", persons=16, images_per_camera=2, height=32, width=16, seed=0)
    records = read("sysu", tmp_path / "world", splits=("train",))
    whole = IdentitySampler(records, identities=6, images=2, seed=1)
    parts = [IdentitySampler(records, identities=6, images=2, seed=1, rank=rank, processes=3) for rank in range(3)]
    assert {part.steps for part in parts} == {whole.steps}
    for step in range(4):
        batches = [part.batch(0, step) for part in parts]
        shown = [set(batch.labels.tolist()) for batch in batches]
        assert [len(labels) for labels in shown] == [2, 2, 2]
        assert len(set.union(*shown)) == 6
        everyone = whole.batch(0, step)
        for name in ("visible", "infrared", "labels"):
            assert [*getattr(everyone, name)] == [row for batch in batches for row in getattr(batch, name)]


@pytest.mark.parametrize(("rank", "processes"), [(0, 4), (2, 2), (-1, 2)])
def test_identities_that_cannot_be_shared(tmp_path: Path, rank: int, processes: int):
    write_world(tmp_path / "world", layout="sysu", persons=16, images_per_camera=1, height=32, width=16, seed=0)
    records = read("sysu", tmp_path / "world", splits=("train",))
    with pytest.raises(VireidError, match="shared evenly"):
        IdentitySampler(records, identities=6, images=2, seed=1, rank=rank, processes=processes)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("several") / "world"
    write_world(root, layout="sysu", persons=24, images_per_camera=2, height=64, width=32, seed=0)
    return root


def arguments(world: Path, out: Path, *flags: str) -> list[str]:
    what = ["train", "mscmnet-small", "--root", world, "--out", out, "--epochs", "2", "--identities", "4"]
    small = ["--images", "2", "--network.height", "96", "--network.width", "48", "--accelerator", "cpu"]
    # A margin beyond all distances: with the usual one nobody is pushed away in the first steps.
    return [*map(str, what), *small, "--loss.margin", "30", *flags]


def log_of(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 150
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def unbroken(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    trained = together("-m", "vireid", *arguments(world, out, "--cache", str(out.parent / "cache")))
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.count("weights in") == 1
    return out


def test_two_processes_train_into_one_run(unbroken: Path):
    lines = log_of(unbroken)
    assert [line["step"] for line in lines] == list(range(len(lines)))
    assert {line["images"] for line in lines} == {4 * 2 * 4}
    assert json.loads((unbroken / "config.json").read_text())["processes"] == 2


def assert_it_goes_on(jobs: ForkedJobs, world: Path, out: Path, unbroken: Path) -> None:
    codes, said = jobs.run_together(arguments(world, out, "--resume"))
    assert codes == [0, 0], [job.said for job in said]
    assert (out / "weights.safetensors").read_bytes() == (unbroken / "weights.safetensors").read_bytes()
    assert [line["step"] for line in log_of(out)] == [line["step"] for line in log_of(unbroken)]


def test_a_killed_job_resumes_to_the_same_weights(jobs: ForkedJobs, world: Path, unbroken: Path, tmp_path: Path):
    out = tmp_path / "run"
    started = jobs.start_together(arguments(world, out))
    wait_for(out / "state.pt")
    for job in started:
        os.kill(job.process, signal.SIGKILL)
    assert [jobs.wait(job) for job in started] == [-signal.SIGKILL] * 2
    assert_it_goes_on(jobs, world, out, unbroken)


@pytest.mark.parametrize(
    "told", [[0, 1], pytest.param([0], marks=pytest.mark.slow), pytest.param([1], marks=pytest.mark.slow)]
)
def test_a_job_that_is_told_to_end_saves_and_goes_on_to_the_same_weights(
    jobs: ForkedJobs, world: Path, unbroken: Path, tmp_path: Path, told: list[int]
):
    out = tmp_path / "run"
    started = jobs.start_together(arguments(world, out))
    wait_for(out / "log.jsonl")
    for rank in told:
        os.kill(started[rank].process, signal.SIGTERM)
    codes = [jobs.wait(job) for job in started]
    said = [job.said for job in started]
    assert codes == [128 + signal.SIGTERM] * 2, said
    steps = len(log_of(out))
    assert said[0].endswith(f"terminated; {steps} steps are kept: continue with the same command and --resume\n")
    assert "vireid" not in said[1]
    assert "Traceback" not in said[0] + said[1]
    assert not (out / "weights.safetensors").exists()
    assert not list(out.glob(".*"))
    assert_it_goes_on(jobs, world, out, unbroken)


def test_local_losses_know_fewer_people_than_global_ones(jobs: ForkedJobs, world: Path, unbroken: Path, tmp_path: Path):
    codes, said = jobs.run_together(arguments(world, tmp_path / "run", "--loss-batch", "local", "--epochs", "1"))
    assert codes == [0, 0], [job.said for job in said]
    shared, apart = log_of(unbroken)[0], log_of(tmp_path / "run")[0]
    # The same outputs: a mean over people is the mean of the processes' means, pairs between processes are missing.
    assert apart["loss/identity"] == pytest.approx(shared["loss/identity"], rel=1e-5)
    assert apart["loss/quadruple_center"] != pytest.approx(shared["loss/quadruple_center"], rel=1e-2)


def test_losses_of_each_process_alone_accumulated_without_a_head(jobs: ForkedJobs, world: Path, tmp_path: Path):
    flags = ["--loss-batch", "local", "--accumulate", "2", "--loss.identity-weight", "0", "--epochs", "1"]
    codes, said = jobs.run_together(arguments(world, tmp_path / "run", *flags))
    assert codes == [0, 0], [job.said for job in said]
    assert {line["images"] for line in log_of(tmp_path / "run")} == {4 * 2 * 4 * 2}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--identities", "5"], "shared evenly"),
        (["--identities", "2", "--loss-batch", "local"], "at least 2 identities a process"),
        (["--sync-batchnorm"], "BatchNorm over all processes needs GPUs"),
    ],
)
def test_what_several_processes_cannot_do_is_said(
    jobs: ForkedJobs, world: Path, tmp_path: Path, flags: list[str], said: str
):
    codes, refused = jobs.run_together(arguments(world, tmp_path / "run", *flags))
    assert 0 not in codes
    assert any(said in job.said for job in refused)
    assert not any("Traceback" in job.said for job in refused)


def test_a_process_alone():
    assert processes_of_job() == Processes(rank=0, count=1, machines=1)
    assert join_processes("cpu").world_size == 1


def test_a_batch_script_of_slurm_is_one_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert processes_of_job().count == 1
    assert join_processes("cpu").world_size == 1


def test_srun_says_where_a_process_stands(monkeypatch: pytest.MonkeyPatch):
    told = {"SLURM_STEP_NUM_TASKS": 8, "SLURM_NTASKS": 8, "SLURM_NTASKS_PER_NODE": 4, "SLURM_PROCID": 5}
    for name, value in told.items():
        monkeypatch.setenv(name, str(value))
    assert processes_of_job() == Processes(rank=5, count=8, machines=2)
    assert not processes_of_job().first
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE")
    with pytest.raises(VireidError, match="--ntasks-per-node"):
        processes_of_job()
