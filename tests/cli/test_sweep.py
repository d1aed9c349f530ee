"""``vireid sweep``: what it leaves, skips, resumes, reports and refuses, on two tiny cells."""

import csv
import dataclasses
import fcntl
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from vireid.cli import sweep as sweep_module
from vireid.cli import sweep_cell, sweep_jobs
from vireid.cli.config import SweepConfig
from vireid.cli.recipe_config import OptimizerConfig
from vireid.cli.recipes import RECIPES
from vireid.cli.sweep import sweep
from vireid.cli.sweeps import Cell
from vireid.cli.termination import kept_after
from vireid.data import read
from vireid.types import VireidError

SMALL = RECIPES["mscmnet-small"]
TINY = dataclasses.replace(
    SMALL,
    network=dataclasses.replace(
        SMALL.network, height=32, width=16, channels=(8, 16, 24, 32), mimb_heads=2, mimb_tokens=8
    ),
    optimizer=OptimizerConfig(learning_rate=0.003),
    epochs=1,
    identities=3,
    images=2,
)
NO_MIMB = dataclasses.replace(TINY, network=dataclasses.replace(TINY.network, mimb=False))
IMPOSSIBLE = dataclasses.replace(TINY, identities=9)


def cell(key, recipe, published=""):
    setting = "ablation all-search" if published.startswith("Base") else ""
    return Cell(key=key, labels=(("method", key),), recipe=recipe, published=published, setting=setting)


@pytest.fixture
def grid(monkeypatch):
    """Put cells in the place of every named grid; the answer changes them."""

    def put(*cells):
        monkeypatch.setattr(sweep_module, "make_cells", lambda name, **keywords: list(cells))

    put(cell("plain", NO_MIMB, "Base+QFE+QCT"), cell("full", TINY))
    return put


@pytest.fixture
def config(tiny_world, tmp_path, grid):
    return SweepConfig(name="table4", root=tiny_world, out=tmp_path / "sweep", small=True, accelerator="cpu")


@pytest.fixture
def trained(monkeypatch):
    """The cells that were trained, in order."""
    seen = []
    train = sweep_cell.train

    def watched(training):
        seen.append((training.out.parent.name, training.seed))
        return train(training)

    monkeypatch.setattr(sweep_cell, "train", watched)
    return seen


def table(config):
    with (config.out / "table.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_sweep_trains_scores_and_tabulates_every_cell_and_seed(config, trained, capsys, tiny_world):
    config = dataclasses.replace(config, seeds=2)
    assert sweep(config) == 0
    assert trained == [("plain", 0), ("full", 0), ("plain", 1), ("full", 1)]
    plain, full = table(config)
    results = [
        json.loads((config.out / "plain" / f"seed-{seed}" / "result.json").read_text())["evaluation"]["mean"]
        for seed in range(2)
    ]
    rank1 = [100 * result["cmc"][0] for result in results]
    assert float(plain["rank1_mean"]) == pytest.approx(sum(rank1) / 2)
    assert float(plain["rank1_std"]) == pytest.approx(abs(rank1[0] - rank1[1]) / 2**0.5)
    assert float(plain["minp_mean"]) == pytest.approx(50 * sum(result["minp"] for result in results))
    assert (plain["published_rank1"], plain["published_map"], plain["seeds"]) == ("76.5", "71.8", "2")
    assert (full["published_rank1"], full["seeds"]) == ("", "2")
    assert "parameters" not in plain
    text = (config.out / "table.md").read_text()
    ours = f"{sum(rank1) / 2:.2f} ± {float(plain['rank1_std']):.2f}"
    assert f"| plain | 76.50 | 71.80 | {ours} |" in " ".join(text.split())
    for fact in (
        "- data: sysu in `world`, ",
        "- protocol: sysu all-search 1-shot seeded i2v; one model, 10 galleries drawn anew, mean; feature bn, ",
        "- chance: Rank-1 ",
        "- recipes: small form, 1 epoch, P = 3 and K = 2",
        "- ours: percent, mean ± sample standard deviation over the seeds 0 to 1",
        "(MSCMNet Table IV (its row leaves both loss marks blank; QCT assumed))",
        "- versions: vireid ",
        " CPU, ",
        "- command: `vireid sweep table4 --root world --out sweep --seeds 2 --accelerator cpu --small`",
    ):
        assert fact in text
    assert str(tiny_world.parent) not in text
    assert str(config.out.parent) not in text
    said = capsys.readouterr().out
    assert "full, seed 1: started\n" in said
    assert "(4 of 4)\n" in said


def test_what_is_finished_is_not_done_again_and_more_seeds_are_added(config, trained, capsys):
    assert sweep(config) == 0
    assert trained == [("plain", 0), ("full", 0)]
    before = (config.out / "table.csv").read_text()
    assert sweep(config) == 0
    assert (config.out / "table.csv").read_text() == before
    assert "2 of 2 trainings are done already\n" in capsys.readouterr().out
    assert sweep(dataclasses.replace(config, seeds=2)) == 0
    assert trained == [("plain", 0), ("full", 0), ("plain", 1), ("full", 1)]


def test_a_result_of_other_weights_or_settings_does_not_count(config, trained):
    assert sweep(config) == 0
    file = config.out / "full" / "seed-0" / "result.json"
    result = json.loads(file.read_text())
    score = result["evaluation"]["mean"]["map"]
    for changes in ({"weights": "0123456789abcdef bn"}, {"settings": result["settings"] | {"seed": 7}}):
        broken = result | changes | {"evaluation": {"mean": {"cmc": [1.0], "map": 1.0, "minp": 1.0}}}
        file.write_text(json.dumps(broken))
        assert sweep(config) == 0
        assert json.loads(file.read_text())["evaluation"]["mean"]["map"] == score
    assert trained[2:] == [("full", 0), ("full", 0)]


def test_a_cell_killed_between_training_and_scoring_is_scored_without_training(config, monkeypatch, capsys):
    with monkeypatch.context() as patch:

        def die(*arguments, **keywords):
            raise KeyboardInterrupt

        patch.setattr(sweep_cell, "evaluate", die)
        with pytest.raises(KeyboardInterrupt) as ended:
            sweep(config)
    assert kept_after(ended.value) == "finished cells and every whole epoch are kept: go on with the same command"
    weights = config.out / "plain" / "seed-0" / "weights.safetensors"
    written = weights.stat().st_mtime_ns
    assert not (config.out / "plain" / "seed-0" / "result.json").exists()
    assert sweep(config) == 0
    assert weights.stat().st_mtime_ns == written
    assert [row["seeds"] for row in table(config)] == ["1", "1"]


def test_a_failing_cell_is_named_at_the_end_and_stops_no_other(config, grid, capsys):
    grid(cell("impossible", IMPOSSIBLE), cell("plain", NO_MIMB))
    assert sweep(config) == 2
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith("failed: impossible, seed 0: a step needs 9 identities with images in both")
    assert [row["seeds"] for row in table(config)] == ["0", "1"]
    assert table(config)[0]["rank1_mean"] == ""


def test_a_fault_of_the_library_in_a_cell_is_reported_with_its_trace(config, grid, monkeypatch, capsys):
    def fail(training):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(sweep_cell, "train", fail)
    assert sweep(config) == 2
    said = capsys.readouterr()
    assert "failed: plain, seed 0: RuntimeError: shapes differ" in said.out
    assert "Traceback" in said.err


def test_a_folder_of_another_sweep_is_refused(config, tmp_path):
    assert sweep(config) == 0
    with pytest.raises(VireidError, match="holds another sweep: name was table4, now fig5; go on with the settings"):
        sweep(dataclasses.replace(config, name="fig5"))
    with pytest.raises(VireidError, match="form was small, now full; epochs was None, now 4"):
        sweep(dataclasses.replace(config, small=False, epochs=4))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(VireidError, match="a sweep needs a folder of its own"):
        sweep(dataclasses.replace(config, out=tmp_path))
    (config.out / "sweep.json").write_text("[")
    with pytest.raises(VireidError, match="is not what a sweep leaves"):
        sweep(config)


def test_a_sweep_does_not_go_on_with_other_images(config, tiny_world, tmp_path):
    assert sweep(config) == 0
    other = tmp_path / "world"
    shutil.copytree(tiny_world, other)
    image = next(other.glob("cam1/*/*"))
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(VireidError, match=r"holds another sweep: data was \w{16}, now \w{16}"):
        sweep(dataclasses.replace(config, root=other))


@pytest.mark.parametrize("change", [{"seeds": 0}, {"jobs": 0}])
def test_a_sweep_needs_a_seed_and_a_job(config, change):
    with pytest.raises(VireidError, match="at least 1 seed and 1 job"):
        sweep(dataclasses.replace(config, **change))


def test_a_cell_at_work_elsewhere_is_left_alone(config, capsys):
    busy = config.out / "plain" / "seed-0"
    assert sweep(dataclasses.replace(config)) == 0
    (busy / "result.json").unlink()
    handle = os.open(busy, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert sweep(config) == 2
    os.close(handle)
    assert "failed: plain, seed 0: another process is at work in " in capsys.readouterr().out
    assert sweep(config) == 0


def test_costs_stand_in_the_table_of_a_costed_sweep(config):
    config = dataclasses.replace(config, name="questions")
    assert sweep(config) == 0
    plain, full = table(config)
    assert 0 < float(plain["parameters"]) < float(full["parameters"])
    assert float(plain["gflops_visible"]) < float(full["gflops_visible"])
    assert float(full["latency_infrared_ms"]) > 0
    assert "; time is the median on cpu\n" in (config.out / "table.md").read_text()
    # A cost that was measured is kept: the machine may be busy when the sweep is looked at again.
    assert sweep(config) == 0
    assert table(config) == [plain, full]


def test_options_of_a_scheduler_without_one_are_refused(config):
    with pytest.raises(VireidError, match="--submit-options are for a scheduler; name one with --submit slurm"):
        sweep(dataclasses.replace(config, submit_options=("partition=gpu",)))


def test_one_file_of_weights_for_several_backbones_is_refused(config, grid):
    other = dataclasses.replace(TINY, network=dataclasses.replace(TINY.network, backbone="resnet18"))
    grid(cell("one", TINY), cell("other", other))
    with pytest.raises(VireidError, match="fits one backbone, but table4 has resnet10t, resnet18"):
        sweep(dataclasses.replace(config, weights="resnet50.pth"))


def test_two_jobs_find_the_numbers_of_one_and_print_a_line_a_cell(config, grid, capfd):
    grid(cell("full", TINY), cell("impossible", IMPOSSIBLE))
    sweep(config)
    capfd.readouterr()
    parallel = dataclasses.replace(config, out=config.out.with_name("parallel"), jobs=2)
    assert sweep(parallel) == 2
    assert table(parallel) == table(config)
    said = capfd.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert sorted(lines[:2]) == ["full, seed 0: started", "impossible, seed 0: started"]
    assert lines[-1].startswith("failed: impossible, seed 0: a step needs 9 identities")
    assert lines[-1].endswith(f"({parallel.out / 'impossible' / 'seed-0.log'})")
    assert "epoch 1/1: loss identity " in (parallel.out / "full" / "seed-0.log").read_text()


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_all_trainings_of_a_sweep_share_one_pixel_cache_and_find_the_numbers_of_none(
    config, tmp_path, capsys, monkeypatch, jobs
):
    assert sweep(config) == 0
    monkeypatch.chdir(tmp_path)
    cached = dataclasses.replace(config, out=tmp_path / "cached", cache=Path("pixels"), jobs=jobs)
    assert sweep(cached) == 0
    for key in ("plain", "full"):
        first, again = (
            json.loads((out / key / "seed-0" / "result.json").read_text()) for out in (config.out, cached.out)
        )
        assert again["weights"] == first["weights"]
        resolved = json.loads((cached.out / key / "seed-0" / "config.json").read_text())["settings"]["cache"]
        assert resolved == str(tmp_path / "pixels")
    (pixels,) = (tmp_path / "pixels").glob("32x16-*/pixels.u8")
    trained_on = len(read("sysu", config.root, splits=("train",)).rows(splits=["train"]))
    assert pixels.stat().st_size == trained_on * 3 * 32 * 16, "each image stands there once"
    assert " --cache pixels " in (cached.out / "table.md").read_text()
    # Where pixels come from is no setting of a result: the sweep goes on without.
    capsys.readouterr()
    assert sweep(dataclasses.replace(cached, cache=None)) == 0
    assert "2 of 2 trainings are done already\n" in capsys.readouterr().out


class FakeJob:
    """A job that ends after some looks at it."""

    def __init__(self, looks, message="", told=None):
        self.looks, self._message, self._told = looks, message, told

    def done(self):
        self.looks -= 1
        return self.looks < 0

    def message(self):
        return self._message

    def stop(self):
        self._told.append("stop")

    def wait(self):
        self._told.append("wait")


def test_no_more_jobs_run_than_there_are_places_and_each_has_one_of_its_own():
    busy, most, ended = {}, [], []

    def start(name, place):
        assert place not in busy
        busy[place] = name
        most.append(len(busy))
        return FakeJob({"a": 3, "b": 0, "c": 1, "d": 0}[name], message="broken" if name == "b" else "")

    def on_end(name, message):
        ended.append((name, message))
        del busy[next(place for place, other in busy.items() if other == name)]

    sweep_jobs.run_in_jobs("abcd", start, jobs=2, pause=0, on_start=lambda name: None, on_end=on_end)
    assert max(most) == 2
    assert ended == [("b", "broken"), ("c", ""), ("a", ""), ("d", "")]


def test_all_jobs_are_told_to_stop_before_one_is_waited_for_when_the_sweep_is_interrupted():
    told = []

    def start(name, place):
        return FakeJob(10, told=told)

    def interrupt(name):
        if name == "b":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_jobs.run_in_jobs("ab", start, jobs=2, pause=0, on_start=interrupt, on_end=lambda name, message: None)
    assert told == ["stop", "stop", "wait", "wait"]


def test_a_killed_process_is_reported_by_its_signal(config, monkeypatch, tmp_path):
    monkeypatch.setattr(sweep_jobs, "CODE", f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})")
    messages = []
    training = sweep_module._training(config, cell("plain", NO_MIMB), 0)
    start = sweep_jobs.start_in_process(jobs=1, accelerator="cpu")
    sweep_jobs.run_in_jobs(
        [training],
        start,
        jobs=1,
        pause=0.05,
        on_start=lambda training: None,
        on_end=lambda training, message: messages.append(message),
    )
    [message] = messages
    assert message.startswith("its process was killed by signal 9 (out of memory?); what it printed is in ")


def test_each_place_has_its_gpu_and_its_share_of_the_threads(config, monkeypatch):
    environments = []
    monkeypatch.setattr(sweep_jobs.torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(sweep_jobs.torch, "get_num_threads", lambda: 9)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setattr(sweep_jobs, "_Process", lambda config, environment: environments.append(environment))
    for accelerator in ("auto", "cpu"):
        start = sweep_jobs.start_in_process(jobs=3, accelerator=accelerator)
        for place in range(3):
            start(config, place)
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in environments] == ["4", "6", "4", *["4,6"] * 3]
    assert {environment["OMP_NUM_THREADS"] for environment in environments} == {"3"}


def test_without_submitit_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(VireidError, match="takes the package submitit, which is not installed"):
        sweep_jobs.start_in_scheduler("local", tmp_path, ())


def test_options_of_a_job_are_checked_before_any_is_submitted(tmp_path):
    pytest.importorskip("submitit")
    for options, text in (
        (["partition"], "KEY=VALUE, such as partition=gpu, got 'partition'"),
        (["time=long"], "the option time of a job must be a number, got 'long'"),
        (["nonsense=1"], "the scheduler 'local' cannot be used with"),
    ):
        with pytest.raises(VireidError, match=text):
            sweep_jobs.start_in_scheduler("local", tmp_path, options)


def test_where_there_is_no_slurm_that_is_said(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VireidError, match=r"the scheduler 'slurm' cannot be used with .*srun"):
        sweep_jobs.start_in_scheduler("slurm", tmp_path, ("partition=gpu", "time=60", "gpus=1"))


def test_cells_run_through_submitit(config, grid, capsys):
    pytest.importorskip("submitit")
    grid(cell("plain", NO_MIMB), cell("impossible", IMPOSSIBLE))
    config = dataclasses.replace(config, submit="local", jobs=2, submit_options=("time=5",))
    assert sweep(config) == 2
    assert [row["seeds"] for row in table(config)] == ["1", "0"]
    assert "failed: impossible, seed 0: a step needs 9 identities" in capsys.readouterr().out
    assert any((config.out / "jobs").iterdir())
