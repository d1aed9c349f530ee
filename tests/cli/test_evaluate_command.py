"""``vireid evaluate``: every protocol from features and from a run, what a result names, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch

from vireid.data import read
from vireid.types import Embeddings


@pytest.fixture
def bare(tiny_world, tmp_path):
    """A root without images: the split files are enough to score features."""
    root = tmp_path / "bare"
    shutil.copytree(tiny_world / "exp", root / "exp")
    return root


def knowing(records, file, *, wrong=()):
    """Features by which each image knows its person; those of ``wrong`` say another."""
    persons, codes = np.unique(records.persons, return_inverse=True)
    features = np.eye(len(persons), dtype=np.float32)[codes]
    for row in wrong:
        features[row] = np.roll(features[row], 1)
    Embeddings(features=features, paths=records.paths).save(file)
    return file


def evaluate(vireid, tmp_path, *arguments):
    said = vireid("evaluate", *arguments, "--json", tmp_path / "out.json")
    assert said.code == 0, said.err
    return said, json.loads((tmp_path / "out.json").read_text())


@pytest.mark.parametrize("mode", ["all", "indoor"])
@pytest.mark.parametrize(("draw", "shots"), [("seeded", 1), ("official", 1), ("official", 2)])
def test_sysu_from_features_alone(vireid, tiny_world, bare, tmp_path, mode, draw, shots):
    records = read("sysu", tiny_world, splits=("test",))
    infrared = np.flatnonzero(records.infrared)
    file = knowing(records, tmp_path / "f.npz", wrong=infrared[:1])
    flags = ("--mode", mode, "--draw", draw, "--shots", shots, "--trials", 3)
    said, document = evaluate(vireid, tmp_path, "--features", file, "--dataset", "sysu", "--root", bare, *flags)
    assert list(document) == ["protocol", "trials", "mean", "std"]
    protocol = document["protocol"]
    assert (protocol["mode"], protocol["draw"], protocol["shots"]) == (mode, draw, shots)
    assert (protocol["trials"], protocol["reranking"], protocol["feature"]) == (3, "none", "f.npz")
    assert len(document["trials"]) == 3
    for trial in document["trials"]:
        assert set(trial) == {"cmc", "map", "minp", "queries", "gallery", "valid"}
        assert len(trial["cmc"]) == 20
        assert trial["queries"] == trial["valid"] == len(infrared)
        # One query takes another person for its own, all others find theirs first.
        assert trial["cmc"][0] == pytest.approx(1 - 1 / len(infrared))
    assert document["mean"]["map"] == pytest.approx(np.mean([trial["map"] for trial in document["trials"]]))
    assert document["std"]["cmc"][0] == pytest.approx(0)
    assert f"sysu {mode}-search {shots}-shot {draw} i2v, percent" in said.out
    assert f"{100 * (1 - 1 / len(infrared)):.2f}" in said.out
    assert "mean of 3 trials" in said.out
    assert "standard deviation" in said.out


def test_more_shots_make_a_larger_gallery(vireid, bare, embedded, tmp_path):
    arguments = ("--features", embedded["sysu"], "--dataset", "sysu", "--root", bare, "--draw", "official")
    one, two = (evaluate(vireid, tmp_path, *arguments, "--shots", shots)[1] for shots in (1, 2))
    # The tiny world has two images of each person and camera.
    assert two["trials"][0]["gallery"] == 2 * one["trials"][0]["gallery"]


def test_a_run_scores_as_its_embeddings_do(vireid, tiny_world, tiny_run, embedded, tmp_path):
    data = ("--dataset", "sysu", "--root", tiny_world)
    said, from_run = evaluate(vireid, tmp_path, "--checkpoint", tiny_run, *data)
    from_features = evaluate(vireid, tmp_path, "--features", embedded["sysu"], *data)[1]
    assert from_run["mean"] == from_features["mean"]
    assert from_run["protocol"]["checkpoint_rule"] == "last epoch"
    assert from_run["protocol"]["feature"] == "bn"
    pooled = evaluate(vireid, tmp_path, "--checkpoint", tiny_run, *data, "--feature", "pool")[1]
    assert pooled["protocol"]["feature"] == "pool"
    assert pooled["mean"]["map"] != from_run["mean"]["map"]
    # Facts that no two results may differ in silently stand below the table.
    for fact in (
        "14 of 14 have a match",
        "10 galleries drawn anew",
        "bn, cosine distance",
        "last epoch",
        "none at test",
    ):
        assert fact in said.out


def test_reranking_is_named(vireid, bare, embedded, tmp_path):
    arguments = ("--features", embedded["sysu"], "--dataset", "sysu", "--root", bare)
    said, document = evaluate(vireid, tmp_path, *arguments, "--rerank")
    assert document["protocol"]["reranking"] == "k-reciprocal (k1=20, k2=6, lambda=0.3)"
    assert "re-ranking    k-reciprocal (k1=20, k2=6, lambda=0.3)" in said.out


@pytest.mark.parametrize("direction", ["v2i", "i2v"])
def test_regdb_scores_one_trial(vireid, worlds, embedded, tmp_path, direction):
    arguments = ("--features", embedded["regdb"], "--dataset", "regdb", "--root", worlds["regdb"])
    said, document = evaluate(vireid, tmp_path, *arguments, "--direction", direction)
    assert document["protocol"]["direction"] == direction
    assert len(document["trials"]) == 1
    assert "standard deviation" not in said.out
    assert "trial 1: each trial is a split of its own" in said.out
    other = vireid("evaluate", *arguments, "--trial", 2)
    assert other.code == 2
    assert "check the trial" in other.err


def test_a_run_of_another_regdb_trial_is_refused(vireid, worlds, tiny_flags, tmp_path):
    data = ("--dataset", "regdb", "--root", worlds["regdb"])
    run = tmp_path / "run"
    assert vireid("train", "mscmnet-small", *data, "--trial", 2, "--out", run, *tiny_flags).code == 0
    assert vireid("evaluate", "--checkpoint", run, *data, "--trial", 2).code == 0
    said = vireid("evaluate", "--checkpoint", run, *data, "--trial", 1)
    assert said.code == 2
    assert "trial" in said.err
    assert said.out == ""


@pytest.mark.parametrize("direction", ["v2i", "i2v"])
@pytest.mark.parametrize(("evaluator", "trials"), [("llcm", 10), ("llcm-swapped", 10), ("llcm-full", 1)])
def test_llcm_names_its_evaluator(vireid, worlds, embedded, tmp_path, evaluator, trials, direction):
    arguments = ("--features", embedded["llcm"], "--dataset", "llcm", "--root", worlds["llcm"])
    said, document = evaluate(vireid, tmp_path, *arguments, "--evaluator", evaluator, "--direction", direction)
    assert document["protocol"]["evaluator"] == evaluator
    assert len(document["trials"]) == trials
    assert said.out.startswith(f"{evaluator} {direction}, percent")


def test_a_made_world_is_named(vireid, worlds, embedded, tmp_path):
    root = shutil.copytree(worlds["llcm"], tmp_path / "llcm")
    arguments = ("--features", embedded["llcm"], "--dataset", "llcm", "--root", root)
    said, document = evaluate(vireid, tmp_path, *arguments)
    assert "a made world" in said.out
    assert document["protocol"]["made_world"] is True
    (root / "made_by_vireid.json").unlink()
    said, document = evaluate(vireid, tmp_path, *arguments)
    assert "a made world" not in said.out
    assert document["protocol"]["made_world"] is False


def test_a_folder_is_scored_in_one_pass(vireid, worlds, embedded, tmp_path):
    arguments = ("--features", embedded["folder"], "--dataset", "folder", "--root", worlds["folder"])
    assert len(evaluate(vireid, tmp_path, *arguments)[1]["trials"]) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "evaluate scores either a run (--checkpoint RUN) or features (--features F.npz); give one of them"),
        (["--checkpoint", "{run}", "--features", "{features}"], "give one of them"),
        (["--checkpoint", "{tmp}/no"], "there are no weights at"),
        (["--features", "{tmp}/no.npz"], "there is no features file"),
        (["--features", "{tmp}/nan.npz"], "every feature must be finite, but 1 of 42 rows"),
        (["--features", "{tmp}/empty.npz"], "empty.npz holds no embeddings"),
        (["--features", "{tmp}/text.npz"], "is not a readable .npz"),
        (["--features", "{tmp}/half.npz"], "every image of the trials needs an embedding, but "),
        (["--features", "{features}", "--shots", "2"], "2 shots were asked for; use the official draw"),
        (["--features", "{features}", "--direction", "v2i"], "direction must be 'i2v'"),
        (["--features", "{features}", "--shots", "0"], "the number of shots must be 1 or more"),
        (["--features", "{features}", "--trials", "0"], "the number of trials must be 1 or more"),
        (["--features", "{features}", "--json", "{tmp}"], "cannot write"),
    ],
)
def test_bad_input_is_refused(vireid, tiny_world, tiny_run, embedded, tmp_path, arguments, text):
    whole = np.load(embedded["sysu"])
    features, paths = whole["features"], whole["paths"]
    broken = features.copy()
    broken[3, 2] = np.nan
    np.savez(tmp_path / "nan.npz", features=broken, paths=paths)
    np.savez(tmp_path / "empty.npz", features=features[:0], paths=paths[:0])
    np.savez(tmp_path / "half.npz", features=features[::2], paths=paths[::2])
    (tmp_path / "text.npz").write_text("no")
    names = {"run": tiny_run, "features": embedded["sysu"], "tmp": tmp_path}
    filled = [argument.format(**names) for argument in arguments]
    said = vireid("evaluate", "--dataset", "sysu", "--root", tiny_world, *filled)
    assert said.code == 2
    assert text in said.err


def test_mirror_images_are_averaged_on_request_and_named(vireid, tiny_world, tiny_run, tmp_path):
    run = ("--checkpoint", tiny_run, "--dataset", "sysu", "--root", tiny_world)
    plain, once = evaluate(vireid, tmp_path, *run)
    said, twice = evaluate(vireid, tmp_path, *run, "--mirror")
    assert "augmentation  none at test time" in plain.out
    assert "augmentation  image and mirror image averaged at test time" in said.out
    assert once["protocol"]["test_time_augmentation"] == "none"
    assert twice["protocol"]["test_time_augmentation"] == "image and mirror image averaged"
    assert [trial["map"] for trial in once["trials"]] != [trial["map"] for trial in twice["trials"]]
    assert once["protocol"]["method"] == "mscmnet-small, settings changed"


@pytest.mark.parametrize(
    "flags",
    [("--mirror",), ("--precision", "bf16"), ("--batch-size", 8), ("--cache", "pixels")],
    ids=lambda it: it[0],
)
def test_features_from_a_file_are_taken_as_they_are(vireid, tiny_world, bare, tmp_path, flags):
    file = knowing(read("sysu", tiny_world, splits=("test",)), tmp_path / "f.npz")
    said = vireid("evaluate", "--features", file, "--dataset", "sysu", "--root", bare, *flags)
    assert said.code == 2
    assert f"{flags[0]} is for the embeddings of a run (--checkpoint); features from a file" in said.err


def test_work_space_and_device_of_scoring_change_nothing(vireid, bare, embedded, tmp_path):
    arguments = ("--features", embedded["sysu"], "--dataset", "sysu", "--root", bare)
    plain = evaluate(vireid, tmp_path, *arguments)[1]
    little = evaluate(vireid, tmp_path, *arguments, "--score-memory", 1, "--score-accelerator", "auto")[1]
    assert little == plain
    refused = vireid("evaluate", *arguments, "--score-memory", 0)
    assert refused.code == 2
    assert "at least 1 MiB of work space, got --score-memory 0" in refused.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_a_device_that_is_not_there_is_refused(vireid, bare, embedded):
    arguments = ("--features", embedded["sysu"], "--dataset", "sysu", "--root", bare)
    said = vireid("evaluate", *arguments, "--score-accelerator", "cuda")
    assert said.code == 2
    assert said.err.startswith("vireid: error: cannot compute on cuda")


def test_a_result_names_the_precision_of_its_embeddings(vireid, tiny_world, tiny_run, tmp_path):
    data = ("--checkpoint", tiny_run, "--dataset", "sysu", "--root", tiny_world, "--accelerator", "cpu")
    half = evaluate(vireid, tmp_path, *data, "--precision", "bf16")[1]
    assert half["protocol"]["feature"] == "bn computed in bfloat16"
    assert half["mean"]["map"] == pytest.approx(evaluate(vireid, tmp_path, *data)[1]["mean"]["map"], abs=0.05)


def test_a_cache_and_the_size_of_a_batch_change_no_score(vireid, tiny_world, tiny_run, tmp_path):
    data = ("--checkpoint", tiny_run, "--dataset", "sysu", "--root", tiny_world, "--accelerator", "cpu")
    plain = evaluate(vireid, tmp_path, *data)[1]
    said, cached = evaluate(vireid, tmp_path, *data, "--cache", tmp_path / "pixels", "--batch-size", 7)
    assert "caching" in said.err
    assert cached == plain
    # The second time there is nothing to decode.
    said, again = evaluate(vireid, tmp_path, *data, "--cache", tmp_path / "pixels")
    assert "caching" not in said.err
    assert again == plain


def test_a_result_is_written_into_no_folder_that_the_run_links_to(vireid, tiny_world, tiny_run, tmp_path):
    run, outside = tmp_path / "run", tmp_path / "outside"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("results"))
    outside.mkdir()
    (run / "results").symlink_to(outside)
    said = vireid("evaluate", "--checkpoint", run, "--dataset", "sysu", "--root", tiny_world)
    # Before anything is measured.
    assert (said.code, said.out, list(outside.iterdir())) == (2, "", [])
    assert f"what is written into {run} must stay there, but its results leads to {outside}; remove the" in said.err
