"""The training loop: what it learns, what it leaves behind, and that a killed run ends where an unbroken one does."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from PIL import Image

from vireid.data import load_batch, open_pixel_cache
from vireid.data.sampler import IdentitySampler
from vireid.models import QUADRUPLE_STREAMS, build_network
from vireid.training import Targets, TrainingStopped, fit, load_failed_step, loop, make_criterion
from vireid.training.batches import TrainingBatches
from vireid.training.finite import gradient_size
from vireid.transforms import make_views
from vireid.types import Modality, Record, Records, VireidError, VireidWarning

SIZE = (32, 16)
PERSONS, EACH = 4, 3


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Records:
    """Four people who differ in the pattern of their clothes, which both modalities show."""
    root = tmp_path_factory.mktemp("people")
    random = np.random.default_rng(0)
    rows = []
    for person in range(PERSONS):
        pattern = random.integers(0, 200, (4, 2, 1)).repeat(8, 0).repeat(8, 1)
        for modality in Modality:
            for number in range(EACH):
                tint = [1.0, 0.7, 0.4] if modality is Modality.VISIBLE else [1.0, 1.0, 1.0]
                pixels = pattern * tint + random.integers(0, 50, (*SIZE, 1))
                path = f"{modality.value}_{person}_{number}.png"
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / path)
                rows.append(Record(path=path, person=person, camera=0, modality=modality, split="train"))
    return Records.build(root, rows)


def small_network(**changes):
    arguments = {
        "identities": PERSONS,
        "image_size": SIZE,
        "streams": QUADRUPLE_STREAMS,
        "backbone": "resnet10t",
        "backbone_options": {"channels": (8, 16, 24, 32)},
        "weights": "none",
        "nonlocal_blocks": (0, 0, 0, 0),
        "mimb_tokens": 8,
        "mimb_heads": 2,
    }
    return build_network(**(arguments | changes))


def train(records, out, network=None, **changes):
    arguments = {
        "views": make_views(padding=2, erasing=0.3),
        "criterion": make_criterion(),
        "epochs": 3,
        "identities": 2,
        "images": 2,
        "learning_rate": 0.02,
        "head_learning_rate": 0.05,
        "accelerator": "cpu",
        "log_every": 2,
    }
    return fit(network or small_network(), records, out=out, **(arguments | changes))


def log_of(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def assert_same_weights(one, other):
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.fixture(scope="module")
def unbroken(records, tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken")
    return train(records, out), out


def test_a_run_leaves_a_log_line_for_every_step(unbroken):
    _, out = unbroken
    lines = log_of(out)
    assert [line["step"] for line in lines] == list(range(9))
    assert [line["epoch"] for line in lines] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {"loss/identity", "loss/quadruple_center", "learning_rate", "images"} < set(lines[0])
    assert lines[0]["images"] == 2 * 2 * 4
    assert list((out / "tensorboard").glob("events*"))


@pytest.mark.parametrize("last_step", [0, 2, 3, 4, 7])
def test_a_killed_run_resumes_to_the_same_weights_and_log(records, unbroken, tmp_path, last_step):
    def kill(report):
        if report.step >= last_step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(records, tmp_path, on_step=kill)
    resumed = train(records, tmp_path, resume=True)
    assert_same_weights(resumed, unbroken[0])
    kept = ("step", "epoch", "loss/identity", "loss/quadruple_center", "learning_rate", "images")
    assert [[line[key] for key in kept] for line in log_of(tmp_path)] == [
        [line[key] for key in kept] for line in log_of(unbroken[1])
    ]


def test_resuming_a_run_that_never_saved_starts_it(records, unbroken, tmp_path):
    assert_same_weights(train(records, tmp_path, resume=True), unbroken[0])


def test_weights_do_not_depend_on_reading_processes_or_on_the_global_random_state(records, unbroken, tmp_path):
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - the state that careless code would draw from
    assert_same_weights(train(records, tmp_path, workers=2), unbroken[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_from_a_pixel_cache_ends_in_the_same_weights(records, unbroken, tmp_path, monkeypatch, workers):
    cache = open_pixel_cache(records, records.rows(splits=["train"]), folder=tmp_path, height=SIZE[0], width=SIZE[1])

    def refuse(*arguments, **keywords):
        raise AssertionError("an image file was read")

    monkeypatch.setattr("vireid.data.dataset.load_image", refuse)
    assert_same_weights(train(records, tmp_path / "run", cache=cache, workers=workers), unbroken[0])


def test_a_pixel_cache_of_other_images_is_refused(records, tmp_path):
    rows = records.rows(splits=["train"])
    smaller = open_pixel_cache(records, rows, folder=tmp_path, height=16, width=16)
    with pytest.raises(VireidError, match=r"must hold the images that are trained on, .* in 32 x 16 pixels, but it is"):
        train(records, tmp_path / "run", cache=smaller)
    part = records.take(rows[1:])
    other = open_pixel_cache(part, part.rows(), folder=tmp_path, height=SIZE[0], width=SIZE[1])
    with pytest.raises(VireidError, match="open it with the same table and size"):
        train(records, tmp_path / "run", cache=other)


def test_another_seed_ends_in_other_weights(records, unbroken, tmp_path):
    other = train(records, tmp_path, seed=1)
    assert not torch.equal(other.head.classifier.weight, unbroken[0].head.classifier.weight)


def test_the_loss_falls(records, tmp_path):
    views = make_views(padding=0, erasing=0.0)
    train(records, tmp_path, epochs=60, identities=4, images=2, views=views, criterion=make_criterion(metric="none"))
    identity = [line["loss/identity"] for line in log_of(tmp_path)]
    assert np.mean(identity[-3:]) < 0.8 * np.mean(identity[:3])


def test_warm_up_and_milestones_reach_the_optimiser(records, tmp_path):
    train(records, tmp_path, epochs=4, warmup_epochs=2, milestones=(3,))
    rates = [line["learning_rate"] for line in log_of(tmp_path)][::3]
    assert rates == pytest.approx([0.01, 0.02, 0.02, 0.002])


def test_accumulation_averages_the_gradients_of_its_batches(records, tmp_path):
    """One step over two batches equals a step along the mean of the gradients of the two, taken apart."""
    slow = small_network()
    sampler = IdentitySampler(records, identities=2, images=2, seed=0)
    criterion, views = make_criterion(), make_views(padding=0, erasing=0.0)
    from vireid.transforms import generator

    slow.train()
    for part in range(2):
        rows = sampler.batch(0, part)
        pixels = {
            Modality.VISIBLE: load_batch(records, rows.visible, height=SIZE[0], width=SIZE[1]),
            Modality.INFRARED: load_batch(records, rows.infrared, height=SIZE[0], width=SIZE[1]),
        }
        inputs = [
            views[stream.view](pixels[stream.modality], generator(0, 0, part, stream.view)) for stream in slow.streams
        ]
        terms = criterion(slow(inputs), Targets(torch.from_numpy(rows.labels).repeat(4)))
        (sum(terms.values()) / 2).backward()
    rate, decay = 0.05, 0.0
    expected = slow.head.classifier.weight - rate * slow.head.classifier.weight.grad
    found = train(
        records,
        tmp_path,
        epochs=1,
        accumulate=2,
        views=views,
        momentum=0.0,
        nesterov=False,
        weight_decay=decay,
        head_learning_rate=rate,
    )
    steps = len(log_of(tmp_path))
    assert steps == max(1, sampler.steps // 2) == 1
    torch.testing.assert_close(found.head.classifier.weight, expected, rtol=1e-5, atol=1e-7)


def test_bf16_trains(records, tmp_path):
    network = train(records, tmp_path, epochs=1, precision="bf16")
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())
    assert next(network.parameters()).dtype == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 is fine with a GPU")
def test_fp16_without_a_gpu_is_refused(records, tmp_path):
    with pytest.raises(VireidError, match="precision 16 needs a CUDA GPU"):
        train(records, tmp_path, precision="16", accelerator="auto")


def broken_at(step):
    """A criterion with a term that is NaN from a step on."""
    calls = []

    def criterion(output, targets):
        calls.append(step)
        return make_criterion()(output, targets) | {
            "broken": output.features.sum() * (float("nan") if len(calls) > step else 0.0)
        }

    return criterion


@pytest.mark.parametrize("step", [0, 4])
def test_a_loss_that_is_not_finite_stops_with_its_step_and_term(records, tmp_path, step):
    with pytest.raises(VireidError, match=f"its term 'broken' is nan at step {step} .*is kept in .*failed_step.pt"):
        train(records, tmp_path, criterion=broken_at(step))
    assert (tmp_path / "state.pt").exists() == (step > 3)


def gradient_broken_at(step):
    """A criterion whose loss is finite always, and its gradient NaN in one step."""
    calls = []

    def criterion(output, targets):
        calls.append(step)
        zero = output.features.sum() * 0
        return make_criterion()(output, targets) | {"root": zero.sqrt() if len(calls) == step + 1 else zero}

    return criterion


def all_finite(weights):
    return all(weight.isfinite().all() for weight in weights.values())


@pytest.mark.parametrize("step", [4, 5, 8])
def test_a_gradient_that_is_not_finite_stops_before_the_weights_take_it(records, unbroken, tmp_path, step):
    """In an epoch, at its end and at the end of all; the loss of that step is as it should be."""
    said = (
        rf"the gradient must stay finite, but that of '\S+' is nan at step {step} \(epoch {step // 3}\); the batch is "
    )
    with pytest.raises(VireidError, match=said):
        train(records, tmp_path, criterion=gradient_broken_at(step))
    failed = load_failed_step(tmp_path / "failed_step.pt")
    assert (failed.step, failed.epoch) == (step, step // 3)
    assert failed.term.removeprefix("gradient of ") in dict(small_network().named_parameters())
    assert all_finite(failed.network)
    state = torch.load(tmp_path / "state.pt")
    assert (state["epoch"], all_finite(state["network"])) == (step // 3, True)
    assert_same_weights(train(records, tmp_path, resume=True), unbroken[0])


def test_a_gradient_that_is_not_looked_at_at_once_is_found_when_steps_are_reported(records, tmp_path, monkeypatch):
    """As on a GPU: before a state is saved, with the step and the batch, but without the weights before."""
    monkeypatch.setattr("vireid.training.step.Steps.looks_at_once", False)
    said = r"the gradient must stay finite, but its largest element is nan at step 5 \(epoch 1\); the batch is kept"
    with pytest.raises(VireidError, match=said):
        train(records, tmp_path, criterion=gradient_broken_at(5), log_every=100)
    failed = load_failed_step(tmp_path / "failed_step.pt")
    assert (failed.step, failed.term, failed.network) == (5, "gradient", None)
    assert torch.load(tmp_path / "state.pt")["epoch"] == 1


@pytest.mark.parametrize("step", [1, 2])
def test_a_weight_that_leaves_all_numbers_is_blamed_on_its_own_step(records, tmp_path, step):
    """Its loss and gradient were finite; in the next step neither is. At the end of an epoch there is no next one."""
    calls = []

    def criterion(output, targets):
        calls.append(step)
        wild = 1e20 if len(calls) == step + 1 else 0.0
        return {name: term * wild for name, term in make_criterion()(output, targets).items()}

    wild = {"learning_rate": 1e20, "head_learning_rate": 1e20, "weight_decay": 0.0}
    with pytest.raises(VireidError, match=rf"the weights must stay .* holds -?inf after the update at step {step} "):
        train(records, tmp_path, criterion=criterion, **wild)
    failed = load_failed_step(tmp_path / "failed_step.pt")
    assert (failed.step, failed.network) == (step, None)
    assert failed.term.startswith("weight ")
    assert not (tmp_path / "state.pt").exists()


def test_a_scaler_leaves_out_steps_whose_gradients_are_not_finite(records, tmp_path, monkeypatch):
    plugin = MixedPrecision("16-mixed", "cpu")
    monkeypatch.setattr(loop, "join_processes", lambda *_: Fabric(accelerator="cpu", devices=1, plugins=[plugin]))
    network = train(records, tmp_path, criterion=gradient_broken_at(4), precision="16")
    assert all_finite(network.state_dict())
    assert [line["step"] for line in log_of(tmp_path)] == list(range(9))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_any_gradient_that_is_not_finite_is_seen_and_any_other_is_none(bad):
    weights = [torch.nn.Parameter(torch.zeros(3)) for _ in range(3)]
    for weight in weights[1:]:
        weight.grad = torch.full((3,), 3e38)
    assert gradient_size(weights).isfinite()
    weights[2].grad[1] = bad
    assert not gradient_size(weights).isfinite()


def test_a_broken_step_can_be_done_again(records, unbroken, tmp_path):
    """What is kept gives the loss that the training had there."""
    with pytest.raises(VireidError):
        train(records, tmp_path, criterion=broken_at(4))
    failed = load_failed_step(tmp_path / "failed_step.pt")
    assert (failed.step, failed.epoch, failed.term) == (4, 1, "broken")
    assert np.isnan(failed.value)
    [paths], [labels] = failed.paths, failed.labels
    assert len(paths) == 8
    assert [int(path.split("_")[1]) for path in paths] == labels[:8].tolist()
    network = small_network()
    network.load_state_dict(failed.network)
    with torch.no_grad():
        terms = make_criterion()(network.train()(failed.views[0]), Targets(labels))
    line = log_of(unbroken[1])[4]
    assert {f"loss/{name}": float(term) for name, term in terms.items()} == pytest.approx(
        {name: value for name, value in line.items() if name.startswith("loss/")}, rel=1e-6
    )


@pytest.mark.parametrize(
    ("accumulate", "after"), [*((1, after) for after in range(1, 9)), *((2, after) for after in range(1, 6))]
)
def test_a_training_that_is_told_to_stop_saves_the_step_and_goes_on(records, unbroken, tmp_path, after, accumulate):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) == after

    options = {"accumulate": accumulate, "log_every": 100, "epochs": 3 * accumulate}
    whole = unbroken[0] if accumulate == 1 else train(records, tmp_path / "whole", **options)
    out = tmp_path / "run"
    steps = 9 if accumulate == 1 else len(log_of(tmp_path / "whole"))
    with pytest.raises(TrainingStopped, match=f"stopped after {after} steps"):
        train(records, out, stop=stop, **options)
    assert len(log_of(out)) == after
    resumed = train(records, out, resume=True, **options)
    assert_same_weights(resumed, whole)
    assert [line["step"] for line in log_of(out)] == list(range(steps))


def test_a_training_that_is_told_to_stop_at_its_end_is_done(records, unbroken, tmp_path):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) >= 9

    assert_same_weights(train(records, tmp_path, stop=stop), unbroken[0])


def test_a_state_of_the_first_format_is_read(records, unbroken, tmp_path):
    """It was written after whole epochs only and says nothing of steps."""

    def kill(report):
        if report.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(records, tmp_path, on_step=kill)
    state = torch.load(tmp_path / "state.pt")
    assert (state.pop("step"), state["epoch"]) == (0, 1)
    torch.save(state | {"format": 1}, tmp_path / "state.pt")
    assert_same_weights(train(records, tmp_path, resume=True), unbroken[0])


def test_the_state_of_another_network_is_refused(records, tmp_path):
    train(records, tmp_path, epochs=1)
    with pytest.raises(VireidError, match="belongs to another training"):
        train(records, tmp_path, network=small_network(mimb=False), resume=True)


def finished_state(records, out):
    """The state after an epoch, its run put aside."""
    train(records, out, epochs=1)
    return torch.load(out / "state.pt")


def refused_state(records, out, state):
    torch.save(state, out / "state.pt")
    with pytest.raises(VireidError) as caught:
        train(records, out, resume=True)
    return str(caught.value)


def test_a_state_whose_momenta_do_not_fit_is_refused(records, tmp_path):
    state = finished_state(records, tmp_path)
    momenta = state["optimizer"]["state"]
    shape = tuple(momenta[0]["momentum_buffer"].shape)
    belongs = f"{tmp_path / 'state.pt'} belongs to another training than this one: its "
    how = "; resume with the settings that the run was started with"
    for number, buffers, said in (
        (
            0,
            {"momentum_buffer": torch.zeros(1)},
            f"momentum of parameter 0 is torch.float32 (1,), the parameter {shape}",
        ),
        (
            0,
            {"momentum_buffer": torch.zeros(shape, dtype=torch.int64)},
            f"momentum of parameter 0 is torch.int64 {shape}, the parameter {shape}",
        ),
        (0, {"momentum_buffer": torch.full(shape, torch.nan)}, "momentum of parameter 0 is not finite"),
        (0, {"exp_avg": torch.zeros(shape)}, "optimiser has ['exp_avg'] of parameter 0, where SGD has momenta alone"),
        (999, momenta[0], "optimiser has ['momentum_buffer'] of parameter 999, where SGD has momenta alone"),
    ):
        changed = state["optimizer"] | {"state": momenta | {number: buffers}}
        assert refused_state(records, tmp_path, state | {"optimizer": changed}) == belongs + said + how


def test_a_state_of_an_optimiser_with_other_settings_is_refused(records, tmp_path):
    state = finished_state(records, tmp_path)
    groups = state["optimizer"]["param_groups"]
    for change, said in (
        ({"momentum": "much"}, "its optimiser has momentum 'much', this one 0.9"),
        ({"base_rate": 1.0}, "its optimiser has base_rate 1.0, this one 0.02"),
        ({"params": [999]}, "its optimiser has other parameters"),
    ):
        changed = state["optimizer"] | {"param_groups": [groups[0] | change, groups[1]]}
        assert said in refused_state(records, tmp_path, state | {"optimizer": changed})


@pytest.mark.parametrize(("epoch", "step"), [(-5, 0), (0, 3), (1, -1)])
def test_a_state_that_stands_nowhere_is_refused(records, tmp_path, epoch, step):
    state = finished_state(records, tmp_path) | {"epoch": epoch, "step": step}
    said = f"it stands at step {step} of epoch {epoch}, where an epoch has 3 steps"
    assert said in refused_state(records, tmp_path, state)


def test_a_state_whose_weights_are_not_finite_is_refused(records, tmp_path):
    state = finished_state(records, tmp_path)
    name = next(iter(state["network"]))
    state["network"][name][0] = torch.nan
    assert refused_state(records, tmp_path, state) == (
        f"a training goes on from finite weights only, but {name!r} in {tmp_path / 'state.pt'} is not finite; remove "
        "the file, and the same command starts from the beginning"
    )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: [b"\xff\xfe\n"] * 3, "but line 1 does not go on: 'utf-"),
        (lambda lines: lines[:2], "but ends with step 1"),
        (lambda lines: [lines[0], lines[2]], "but line 2 does not go on: it holds step 2"),
        (lambda lines: [*lines[:2], b'{"epoch": 0}\n'], "but line 3 does not go on: 'step'"),
        (lambda lines: [*lines[:2], lines[2][:-5]], "but ends with step 1"),
    ],
)
def test_a_log_that_lacks_steps_is_refused(records, tmp_path, damage, said):
    train(records, tmp_path, epochs=1)
    log = tmp_path / "log.jsonl"
    damaged = b"".join(damage(log.read_bytes().splitlines(keepends=True)))
    log.write_bytes(damaged)
    with pytest.raises(VireidError) as caught:
        train(records, tmp_path, resume=True)
    assert f"{log} must hold a line for each step that is done, up to step 2, {said}" in str(caught.value)
    assert str(caught.value).endswith("; move it away, and the same command goes on with a new log from there")
    assert log.read_bytes() == damaged


def test_a_log_that_was_removed_begins_anew_and_says_so(records, unbroken, tmp_path):
    train(records, tmp_path, epochs=1)
    log = tmp_path / "log.jsonl"
    log.unlink()
    missing = f"{log} lacks the first 3 steps, which are done: it was removed; it goes on after them"
    with pytest.warns(VireidWarning, match=re.escape(missing)):
        train(records, tmp_path, epochs=2, resume=True)
    assert [line["step"] for line in log_of(tmp_path)] == [3, 4, 5]
    # What a killed run wrote after the state is cut off by its step, not by its place in the file.
    log.write_bytes(log.read_bytes() + b'{"step": 6}\n{"st')
    with pytest.warns(VireidWarning, match=re.escape(missing)):
        assert_same_weights(train(records, tmp_path, resume=True), unbroken[0])
    assert [line["step"] for line in log_of(tmp_path)] == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    "change",
    [{"epoch": None}, {"network": None}, {"network": 3}, {"optimizer": {}}, {"optimizer": [1]}, {"epoch": "two"}],
)
def test_a_state_that_says_too_little_is_refused(records, tmp_path, change):
    train(records, tmp_path, epochs=1)
    state = torch.load(tmp_path / "state.pt") | change
    torch.save({name: value for name, value in state.items() if value is not None}, tmp_path / "state.pt")
    with pytest.raises(VireidError, match="belongs to another training"):
        train(records, tmp_path, resume=True)


def test_what_is_no_broken_step_is_refused(records, tmp_path):
    train(records, tmp_path, epochs=1)
    with pytest.raises(VireidError, match="it lacks labels, part_maps, paths, seeds, term"):
        load_failed_step(tmp_path / "state.pt")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_named(records, tmp_path, workers):
    root = tmp_path / "copy"
    root.mkdir()
    for record in records:
        (root / record.path).write_bytes((records.root / record.path).read_bytes()[:-40])
    broken = Records.build(root, list(records))
    with pytest.raises(VireidError, match=r"(visible|infrared)_\d_\d\.png"):
        train(broken, tmp_path / "out", workers=workers)


@pytest.mark.parametrize("argument", ["epochs", "accumulate", "log_every"])
def test_counts_below_one_are_refused(records, tmp_path, argument):
    with pytest.raises(VireidError, match="must be at least 1"):
        train(records, tmp_path, **{argument: 0})


def test_batches_hold_what_the_sampler_drew(records):
    sampler = IdentitySampler(records, identities=3, images=2, seed=5)
    batch = TrainingBatches(records, sampler, SIZE)[1, 4]
    rows = sampler.batch(1, 4)
    assert torch.equal(batch.labels, torch.from_numpy(rows.labels))
    assert torch.equal(batch.infrared, load_batch(records, rows.infrared, height=SIZE[0], width=SIZE[1]))
    assert batch.visible.shape == (6, 3, *SIZE)
    assert batch.visible.dtype == torch.uint8


def test_an_epoch_whose_end_was_not_reached_is_looked_at_again(records, unbroken, tmp_path):
    """Whoever watches epochs, to pick one, misses none of them when the run is killed while it looks."""
    seen = []

    def kill(epoch, network):
        seen.append(epoch)
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(records, tmp_path, on_epoch=kill)
    resumed = train(records, tmp_path, resume=True, on_epoch=lambda epoch, network: seen.append(epoch))
    assert seen == [0, 1, 1, 2]
    assert_same_weights(resumed, unbroken[0])


def test_layers_that_draw_are_replayed_and_the_callers_random_state_is_put_back(records, tmp_path):
    def dropping():
        network = small_network()
        network.stages[0].append(torch.nn.Dropout(0.5))
        return network

    def kill(report):
        if report.step == 4:
            raise KeyboardInterrupt

    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    whole = train(records, tmp_path / "whole", network=dropping())
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(6)
    with pytest.raises(KeyboardInterrupt):
        train(records, tmp_path / "killed", network=dropping(), on_step=kill)
    resumed = train(records, tmp_path / "killed", network=dropping(), resume=True)
    assert_same_weights(resumed, whole)


def test_the_state_is_restored_to_where_the_weights_are(records, unbroken, tmp_path, monkeypatch):
    """What is restored before the weights move to a GPU stays behind; their layout shows here that they have moved."""
    seen = []
    make, restore = loop.make_optimizer, loop._restore

    def settled(network) -> bool:
        maps = [weight for weight in network.parameters() if weight.ndim == 4]
        return all(weight.is_contiguous(memory_format=torch.channels_last) for weight in maps)

    def noted_make(network, **options):
        seen.append(settled(network))
        return make(network, **options)

    def noted_restore(state, network, *rest, **options):
        seen.append(settled(network))
        return restore(state, network, *rest, **options)

    monkeypatch.setattr(loop, "make_optimizer", noted_make)
    monkeypatch.setattr(loop, "_restore", noted_restore)
    shutil.copytree(unbroken[1], tmp_path / "run")
    train(records, tmp_path / "run", resume=True)
    assert seen == [True, True]
