"""What an evaluation refuses before it begins, and where each limit lies."""

from pathlib import Path

import numpy as np
import pytest

from vireid.evaluation import Protocol, Trial, evaluate
from vireid.types import Embeddings, Modality, Record, Records, VireidError

FOLDER = Protocol(data_set="folder", direction="i2v", feature="bn", checkpoint_rule="last epoch")


def made(persons: list[int]) -> tuple[Records, Embeddings]:
    records = Records.build(
        Path("root"),
        [
            Record(path=f"{n:03d}.png", person=person, camera=1 + n % 3, modality=Modality.VISIBLE, split="test")
            for n, person in enumerate(persons)
        ],
    )
    features = np.random.default_rng(0).standard_normal((len(records), 4)).astype(np.float32)
    return records, Embeddings(features=features, paths=records.paths)


def trial(query: list[int], gallery: list[int], number: int = 1) -> Trial:
    return Trial(number=number, query_rows=np.array(query), gallery_rows=np.array(gallery), rule="regdb")


@pytest.mark.parametrize(("bytes_there", "fits"), [(24, True), (23, False)])
def test_reranking_needs_four_bytes_a_score(bytes_there: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    records, embeddings = made([1, 2, 1, 2, 3])
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": bytes_there, "SC_PAGE_SIZE": 1}.__getitem__)
    one = trial([0, 1], [2, 3, 4])
    if fits:
        assert evaluate(records, embeddings, [one], FOLDER, rerank=True).trials[0].queries == 2
        return
    with pytest.raises(VireidError, match=r"2 queries x 3 gallery images or 0 GiB, but this machine has 0 GiB"):
        evaluate(records, embeddings, [one], FOLDER, rerank=True)


def test_sizes_are_told_in_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    records, embeddings = made([1] * 50)
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 3, "SC_PAGE_SIZE": 1 << 30}.__getitem__)
    rows = np.zeros(40_000, dtype=np.int64)
    wide = Trial(number=1, query_rows=rows, gallery_rows=rows, rule="regdb")
    with pytest.raises(VireidError, match=r"40,000 queries x 40,000 gallery images or 6 GiB, but .* has 3 GiB"):
        evaluate(records, embeddings, [wide], FOLDER, rerank=True)


@pytest.mark.parametrize("rerank", [False, True])
def test_too_little_memory_is_refused_at_once(rerank: bool) -> None:
    records, embeddings = made([1, 1])
    none = Embeddings(features=embeddings.features[:0], paths=embeddings.paths[:0])
    with pytest.raises(VireidError, match="memory is in bytes and must be at least 1048576"):
        evaluate(records, none, [trial([0], [1])], FOLDER, rerank=rerank, memory=(1 << 20) - 1)


def test_unknown_queries_are_refused_before_embeddings_are_looked_for() -> None:
    records, embeddings = made([-1, 1])
    none = Embeddings(features=embeddings.features[:0], paths=embeddings.paths[:0])
    with pytest.raises(VireidError, match="a query needs a known identity"):
        evaluate(records, none, [trial([0], [1])], FOLDER)


def test_trials_of_other_queries_between_equal_ones_keep_their_place() -> None:
    records, embeddings = made([1, 2, 1, 2, 3, 3, 1, 2])
    first, second = trial([0, 1], [2, 3, 4], 1), trial([4, 6], [5, 2, 7], 2)
    third = trial([0, 1], [7, 6, 5], 3)
    together = evaluate(records, embeddings, [first, second, third], FOLDER)
    for found, one in zip(together.trials, (first, second, third)):
        [alone] = evaluate(records, embeddings, [one], FOLDER).trials
        assert found.to_json() == alone.to_json()
    assert together.protocol.trials == 3
