"""Results that stay with their run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vireid.evaluation import Evaluation, Protocol, read_results, store_result
from vireid.evaluation.stored_results import read_result
from vireid.types import Score, VireidError

PROTOCOL = Protocol(
    data_set="sysu", direction="i2v", feature="bn", checkpoint_rule="last epoch", mode="all", shots=1, draw="seeded"
)


def evaluation(first=0.5, protocol=PROTOCOL):
    trial = Score(cmc=np.linspace(first, 1, 20), map=0.25, minp=0.125, valid=8, queries=9, gallery=7)
    return Evaluation(protocol=protocol, trials=[trial, replace(trial, map=0.75)])


def test_a_result_comes_back_as_it_was(tmp_path):
    file = store_result(tmp_path, evaluation(), weights="0123 bn")
    assert file.parent == tmp_path / "results"
    [result] = read_results(tmp_path)
    assert result.evaluation.to_json() == evaluation().to_json()
    assert result.weights == "0123 bn"
    assert result.measured
    assert result.version


def test_a_made_world_stays_one_and_a_result_from_before_the_mark_is_read_and_replaced(tmp_path):
    store_result(tmp_path, evaluation(protocol=replace(PROTOCOL, made_world=True)), weights="a")
    [made] = read_results(tmp_path)
    assert made.evaluation.protocol.made_world
    file = store_result(tmp_path, evaluation(), weights="a")
    # The name that this protocol's file has had from the beginning.
    assert file.name == "sysu-all-search-1-shot-seeded-i2v-8b6a6934.json"
    document = json.loads(file.read_text())
    assert document["protocol"].pop("made_world") is False
    file.write_text(json.dumps(document))
    assert read_result(file).evaluation.protocol == PROTOCOL


def test_a_second_measurement_replaces_the_first_of_its_protocol_and_no_other(tmp_path):
    indoor = replace(PROTOCOL, mode="indoor")
    reranked = replace(PROTOCOL, reranking="k-reciprocal")
    for protocol in (PROTOCOL, indoor, reranked):
        store_result(tmp_path, evaluation(protocol=protocol), weights="a")
    store_result(tmp_path, evaluation(0.625), weights="b")
    results = read_results(tmp_path)
    assert len(results) == 3
    [first] = [result for result in results if result.evaluation.protocol == PROTOCOL]
    assert (first.weights, first.evaluation.mean["cmc"][0]) == ("b", 0.625)


def test_a_run_that_was_never_measured_has_no_results(tmp_path):
    assert read_results(tmp_path) == []


def test_what_evaluate_writes_elsewhere_is_read_too(tmp_path):
    file = tmp_path / "indoor.json"
    file.write_text(json.dumps(evaluation().to_json()))
    assert read_result(file).weights == ""
    assert read_result(file).evaluation.mean["map"] == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.pop("protocol"), "KeyError: 'protocol'"),
        (lambda document: document["trials"].clear(), "it holds no trial"),
        (lambda document: document["trials"][0].update(map=47.0), "a rate is no fraction from 0 to 1"),
        (lambda document: document["trials"][0].update(map=float("nan")), "a rate is no fraction from 0 to 1"),
        (lambda document: document["trials"][0].update(cmc=[]), "the CMC has 0 entries, not 20"),
        (lambda document: document["trials"][0]["cmc"].pop(), "the CMC has 19 entries, not 20"),
        (lambda document: document["protocol"].pop("mode"), "is not a result|must name its mode"),
        (lambda document: document.update(trials=3), "TypeError"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, change, message):
    document = json.loads(json.dumps(evaluation().to_json()))
    change(document)
    file = tmp_path / "x.json"
    file.write_text(json.dumps(document))
    with pytest.raises(VireidError, match=message):
        read_result(file)


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.json").write_text("rank-1: all of them")
    with pytest.raises(VireidError, match="is not a result of vireid evaluate"):
        read_results(tmp_path)


def test_a_result_is_not_written_through_a_link(tmp_path):
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    outside.mkdir()
    (run / "results").symlink_to(outside)
    with pytest.raises(VireidError, match=f"what is written into {run} must stay there, but its results leads to"):
        store_result(run, evaluation(), weights="a")
    assert list(outside.iterdir()) == []
