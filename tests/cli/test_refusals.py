"""Settings that would compute something else than what was meant, each refused in a line."""

import json
import re

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--loss.orthogonality-weight", "1"], "the losses on branches need a network with a diverse embedding expan"),
        (["--loss.division-weight", "1"], "keeps parts apart, but this network has none"),
        (["--loss.parsing-weight", "1"], "needs a network that predicts parts; set --network.parts"),
        (["--network.parsing-attention", "2"], "parsing attention needs parts to predict"),
        (["--network.parts", "7", "--network.stripes", "2"], "pools by stripes or by predicted parts"),
        (["--network.height", "-96"], "images need a positive height and width, got -96 x"),
        (["--network.nonlocal-channels", "0"], "at least 1 inner channel, got counts .* and 0 channels"),
        (["--network.nonlocal-blocks", "0", "-1", "0", "0"], "non-local blocks need counts from 0"),
        (["--part-maps", "nowhere"], "part maps guide a parsing loss, which this recipe has not"),
        (["--loss.parsing-weight", "1", "--network.parts", "7"], "needs part maps, but .* has none of the images'"),
        (["--network.backbone", "convnext_atto"], "taken out with --network.channels None"),
        (["--network.expansion-branches", "-1"], "number of expansion branches must be at least 0"),
        (["--optimizer.momentum", "-1"], r"momentum must lie in \[0, 1\)"),
        (["--views.padding", "-3"], "padding must be at least 0 pixels"),
        (["--views.erasing", "2"], "erasing a probability"),
        (["--workers", "-2"], "the number of reading processes must be 0 or more"),
        (["--network.mimb-heads", "0"], "MIMB needs at least 1 token and 1 head"),
        (["--network.mimb-mix", "nan"], "a mix from 0 to 1"),
        (["--network.power", "0"], "a pooling power must be above 0"),
    ],
)
def test_a_training_that_cannot_be_meant_is_refused_and_leaves_nothing(
    vireid, tiny_world, tiny_flags, tmp_path, flags, said
):
    out = tmp_path / "run"
    answer = vireid("train", "mscmnet-small", "--root", tiny_world, "--out", out, *tiny_flags, *flags)
    assert answer.code == 2
    assert re.search(said, " ".join(answer.err.split()))
    assert not out.exists()


@pytest.mark.parametrize(
    ("dataset", "flag", "value", "owners"),
    [
        ("regdb", "--shots", "10", "sysu"),
        ("folder", "--mode", "indoor", "sysu"),
        ("llcm", "--draw", "official", "sysu"),
        ("regdb", "--evaluator", "llcm-full", "llcm"),
        ("sysu", "--trial", "2", "regdb"),
        ("folder", "--trials", "3", "sysu and llcm"),
    ],
)
def test_a_flag_of_another_protocol_is_refused(vireid, worlds, embedded, dataset, flag, value, owners):
    answer = vireid(
        "evaluate", "--features", embedded[dataset], "--dataset", dataset, "--root", worlds[dataset], flag, value
    )
    assert answer.code == 2
    assert f"{flag} belongs to {owners}, not to {dataset}" in " ".join(answer.err.split())


def test_a_gallery_of_other_weights_or_another_feature_is_refused(vireid, tiny_world, tiny_run, tmp_path):
    query = next((tiny_world / "cam3").rglob("*.jpg"))
    for feature, code in (("bn", 0), ("pool", 2)):
        gallery = tmp_path / f"{feature}.npz"
        common = ["--checkpoint", tiny_run, "--root", tiny_world / "cam1", "--modality", "visible"]
        assert vireid("embed", *common, "--feature", feature, "--out", gallery).code == 0
        answer = vireid("search", "--checkpoint", tiny_run, "--queries", query, "--gallery", gallery)
        assert answer.code == code
    assert "must come from the same weights and feature" in " ".join(answer.err.split())


def test_a_gallery_file_of_other_tools_is_searched_as_it_is(vireid, tiny_world, tiny_run, tmp_path):
    gallery = tmp_path / "own.npz"
    common = ["--checkpoint", tiny_run, "--root", tiny_world / "cam1", "--modality", "visible"]
    assert vireid("embed", *common, "--out", gallery).code == 0
    with np.load(gallery) as arrays:
        assert str(arrays["maker"]).endswith(" bn")
        np.savez(gallery, features=arrays["features"], paths=arrays["paths"])
    query = next((tiny_world / "cam3").rglob("*.jpg"))
    assert vireid("search", "--checkpoint", tiny_run, "--queries", query, "--gallery", gallery).code == 0


def test_a_regdb_result_names_its_split(vireid, worlds, embedded, tmp_path):
    out = tmp_path / "result.json"
    common = ["--features", embedded["regdb"], "--dataset", "regdb", "--root", worlds["regdb"]]
    answer = vireid("evaluate", *common, "--json", out)
    assert answer.code == 0
    assert "trial 1: each trial is a split of its own" in " ".join(answer.out.split())
    assert json.loads(out.read_text())["protocol"]["split"] == 1
