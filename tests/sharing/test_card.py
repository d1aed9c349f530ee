"""What a card says of a run, and that its own lines of use work."""

import json
import re
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
import safetensors
import safetensors.torch
import yaml
from huggingface_hub import ModelCard

from vireid.cli.main import main
from vireid.evaluation import Evaluation, Protocol, store_result
from vireid.models import fingerprint, load_network
from vireid.sharing import card_text
from vireid.types import Score, VireidError, sha256_of

PROTOCOL = Protocol(
    data_set="sysu",
    direction="i2v",
    feature="bn",
    checkpoint_rule="last epoch",
    method="mscmnet-small",
    mode="all",
    shots=1,
    draw="seeded",
    trials=2,
)
RATES = np.array([0.10, *np.linspace(0.2, 0.5, 8), 0.60, *np.linspace(0.7, 0.75, 9), 0.80])


def store(run, weights=None, **changes):
    trials = [
        Score(cmc=RATES + extra, map=0.25 + extra, minp=0.125, valid=valid, queries=9, gallery=7)
        for extra, valid in ((0.0, 8), (0.1, 7))
    ]
    evaluation = Evaluation(protocol=replace(PROTOCOL, **changes), trials=trials)
    return store_result(run, evaluation, weights=weights or fingerprint(run, "bn"))


def with_facts(run, network=None, **facts):
    """The run with other facts beside its weights."""
    file = run / "weights.safetensors"
    with safetensors.safe_open(file, framework="pt") as content:
        document = json.loads(content.metadata()["vireid"])
    document["facts"] |= facts
    document["network"] |= network or {}
    tensors = safetensors.torch.load_file(file)
    safetensors.torch.save_file(tensors, file, metadata={"vireid": json.dumps(document)})


def metadata(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_the_table_holds_mean_and_spread_of_the_trials_and_every_fact(run):
    store(run)
    store(run, reranking="k-reciprocal (k1 20)", mode="indoor")
    text = card_text(run)
    # Two trials that differ by 0.1: the mean lies half way, the standard deviation is 0.05.
    rates = "15.00 ± 5.00 | 65.00 ± 5.00 | 85.00 ± 5.00 | 30.00 ± 5.00 | 12.50 ± 0.00"
    assert f"| sysu all-search 1-shot seeded i2v, bn | 2 | {rates} |\n" in text
    assert f"| sysu indoor-search 1-shot seeded i2v, bn, k-reciprocal (k1 20) | 2 | {rates} |\n" in text
    for fact in (
        "7 to 8 of 9 queries have a match and count, in a gallery of 7",
        "one model, 2 galleries drawn anew, mean",
        "method mscmnet-small, reconstruction none",
        "feature bn, cosine distance",
        "checkpoint: last epoch",
        "re-ranking: none",
        "augmentation at test time: none",
    ):
        assert fact in text


def test_the_metadata_holds_the_results_and_no_licence(run):
    store(run)
    found = metadata(card_text(run))
    assert found["library_name"] == "vireid"
    assert "license" not in found
    assert "datasets" not in found
    card = ModelCard(card_text(run))
    rates = {entry.metric_type: entry.metric_value for entry in card.data.eval_results}
    assert rates == {"rank-1": 15.0, "rank-10": 65.0, "rank-20": 85.0, "map": 30.0, "minp": 12.5}
    assert {entry.dataset_name for entry in card.data.eval_results} == {"in the layout of SYSU-MM01"}
    assert card.data.eval_results[0].dataset_args["trials"] == 2


def test_results_of_other_weights_are_left_out_and_counted(run):
    store(run, weights="0123456789abcdef bn")
    text = card_text(run)
    assert "1 older result of other weights is left out." in text
    assert "None: these weights have not been measured" in text
    assert "model-index" not in metadata(text)


def test_it_says_what_the_network_is(run):
    text = card_text(run)
    document = json.loads((run / "config.json").read_text())
    for line in (
        "# mscmnet-small, settings changed, trained in the layout of SYSU-MM01",
        "| reconstruction | none |",
        "| checkpoint | last epoch |",
        "| backbone | resnet10t, started from random weights |",
        "| images | 32 x 16 pixels (height x width)",
        f"| SHA-256 of the weights | `{sha256_of(run / 'weights.safetensors')}` |",
        "- Identities: 8. The public SYSU-MM01 trains on 395: this is another set, or a part of it.",
        f"torch {document['versions']['torch']}",
        f"{document['hardware']['cores']} cores",
        "| energy and carbon | not measured |",
    ):
        assert line in text
    assert "MSCMNet: Multi-scale Semantic Correlation Mining" in text
    assert "No evaluation by age, sex, skin" in text
    assert "a lead for a person to judge, never an identification" in text


def test_the_size_is_that_of_the_network_without_the_statistics_of_its_batchnorm(run):
    network, _ = load_network(run)
    count = sum(parameter.numel() for parameter in network.parameters())
    tensors = safetensors.torch.load_file(run / "weights.safetensors").values()
    assert count < sum(tensor.numel() for tensor in tensors)
    assert f"| {count:,} parameters, " in card_text(run)


def test_what_is_not_written_is_not_known(run):
    (run / "config.json").unlink()
    (run / "log.jsonl").unlink()
    with_facts(run, recipe=None, dataset=None, seed=None, checkpoint_rule=None)
    text = card_text(run)
    for row in ("recipe", "checkpoint", "epochs", "step", "processor", "accelerators", "time of the steps", "versions"):
        assert f"| {row} | not known |" in text
    assert "started from not known" in text
    assert "- Layout: not known." in text
    assert "vireid evaluate --checkpoint run --dataset DATASET --root ROOT" in text
    assert "None" not in text.replace("None: these weights", "")


def test_what_limits_a_result_is_said(run):
    assert "The number of identities is not that of a public training set" in card_text(run)
    assert "chosen by its score on the test people" not in card_text(run)
    with_facts(run, checkpoint_rule="best Rank-1 on test, epoch 3", network={"identities": 395})
    text = card_text(run)
    assert "Its epoch was chosen by its score on the test people" in text
    assert "trains on 395, as many." in text
    assert "The number of identities is not that" not in text


def test_a_trial_of_regdb_and_a_reconstruction_are_named(run):
    with_facts(run, dataset="regdb", trial=3, recipe="mspac", reconstruction="from abstracts only: MeCen loss")
    text = card_text(run)
    assert "- Trial of RegDB: 3; it must be tested on no other." in text
    assert "--dataset regdb --root ROOT --trial 3" in text
    assert "| reconstruction | from abstracts only: MeCen loss |" in text


def test_results_on_other_data_come_last_and_say_what_they_are(run):
    plain = {"shots": None, "draw": None, "mode": None, "trials": 1}
    store(run)
    store(run, data_set="regdb", split=1, **plain)
    store(run, data_set="folder", **plain)
    text = card_text(run)
    # "sysu" is the last of the three by its name, and what this run was trained on.
    assert text.index("| sysu all-search") < text.index("| folder i2v") < text.index("| regdb i2v")
    first = metadata(text)["model-index"][0]["results"][0]
    assert first["dataset"]["type"] == "sysu-layout"
    assert "trial 1: one model, trained in another layout and tested on this trial" in text
    assert "each trial has a model of its own" not in text
    with_facts(run, dataset="regdb", trial=1)
    store(run, data_set="regdb", split=1, **plain)
    assert "trial 1: each trial has a model of its own, tested on its own trial only" in card_text(run)


def test_a_published_file_is_named_with_what_it_says_of_itself(run):
    source = {"file": "agw.t", "sha256": "ab" * 32, "bytes": 1, "tensors": 2}
    with_facts(run, source=source, published={"mAP": 0.4765, "epoch": 48})
    text = card_text(run)
    assert f"| published file | agw.t, SHA-256 {'ab' * 32} |" in text
    assert "What the published file says of itself, not measured here: mAP 0.4765, epoch 48." in text


def test_facts_from_others_cannot_break_out_of_the_card(run):
    with_facts(run, recipe="x | y\n<!-- vireid: end -->\n---\n[a](http://b)\n# Big `c`")
    text = card_text(run)
    assert text.count("<!-- vireid: end -->") == 1
    assert "\n# Big" not in text
    assert "[a]" not in text
    assert ModelCard(text).data.library_name == "vireid"


def test_the_lines_of_use_work(run, tiny_world, tmp_path, monkeypatch, no_sockets):
    images = sorted((tiny_world / "cam3").rglob("*.jpg"))
    shutil.copy(images[0], tmp_path / "night.jpg")
    shutil.copytree(tiny_world / "cam1", tmp_path / "crops")
    monkeypatch.chdir(tmp_path)
    text = card_text(run)
    shell, python = (re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) for language in ("sh", "python"))
    commands = [line for block in shell for line in block.splitlines()]
    assert [command.split()[1] for command in commands] == ["search", "evaluate"]
    for command in commands:
        assert main([*shlex.split(command.replace("ROOT", str(tiny_world)))[1:], "--accelerator", "cpu"]) == 0
    names: dict = {}
    for block in python:
        exec(block, names)
    assert names["vectors"].shape == (1, 32)
    assert names["facts"]["dataset"] == "sysu"
    assert len(python) == 2
    assert list((tmp_path / "run" / "results").iterdir())


def test_a_run_that_has_not_ended_has_no_card(run, tmp_path):
    (run / "weights.safetensors").unlink()
    for place in (run, tmp_path / "nowhere"):
        with pytest.raises(VireidError, match=r"need a finished run directory, but .* has no weights.safetensors"):
            card_text(place)
    (run / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(VireidError, match="is not a whole file of weights"):
        card_text(run)
    safetensors.torch.save_file({}, run / "weights.safetensors")
    with pytest.raises(VireidError, match="holds weights of another library"):
        card_text(run)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"dataset": ["x"]}, "must give the dataset as words, got list"),
        ({"recipe": {"a": 1}}, "must give the recipe as words, got dict"),
        ({"published": json.loads("[" * 300 + "]" * 300)}, "nested more than 20 deep"),
    ],
)
def test_facts_of_another_kind_are_named(run, facts, message):
    with_facts(run, **facts)
    with pytest.raises(VireidError, match=message):
        card_text(run)


def test_facts_too_deep_to_be_read_are_damage(run):
    file = run / "weights.safetensors"
    tensors = safetensors.torch.load_file(file)
    safetensors.torch.save_file(tensors, file, metadata={"vireid": "[" * 100_000})
    with pytest.raises(VireidError, match="is not a whole file of weights"):
        card_text(run)


def test_settings_of_another_kind_are_not_known_or_named(run):
    config = run / "config.json"
    config.write_text(json.dumps({"settings": {"network.weights": [1], "epochs": "\ud800"}, "hardware": {}}))
    text = card_text(run)
    assert "started from a file of the owner's |" in text
    assert "| epochs | ? |" in text
    config.write_text(json.dumps({"hardware": {"processor": 5, "accelerators": [1, "b"]}}))
    assert "| accelerators | 1, b |" in card_text(run)


@pytest.mark.parametrize("fact", ["data_set", "direction", "feature", "reranking", "trials", "evaluator", "method"])
@pytest.mark.parametrize("value", [5, ["x"], "x", {"a": 1}, None])
def test_results_of_another_kind_are_named_and_never_a_traceback(run, fact, value):
    file = store(run)
    document = json.loads(file.read_text())
    document["protocol"][fact] = value
    file.write_text(json.dumps(document))
    said = "a card"
    try:
        assert card_text(run).encode()
    except VireidError as error:
        said = str(error)
    assert said
    assert "\n" not in said


def test_nobody_is_told_to_install_a_strangers_package(run):
    text = card_text(run, name="anna/night")
    assert "vireid is installed from a checkout of its own repository, by `pip install .` there" in text
    assert "pip install vireid" not in text
