"""The size of pieces, the memory and the device never change a result: against the slow loop, with ties everywhere."""

from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_scoring import slow_score

from vireid.evaluation import Rule, Trial, evaluate, score, score_features
from vireid.evaluation.chunks import Chunks
from vireid.evaluation.measure import measure
from vireid.evaluation.protocol import Protocol
from vireid.evaluation.rules import TrialLabels
from vireid.types import Embeddings, Modality, Record, Records, Score, VireidError

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "metrics.npz")
RULES = ["sysu", "regdb", "llcm", "llcm-full", "folder"]
FOLDER = Protocol(data_set="folder", direction="i2v", feature="bn", checkpoint_rule="last epoch")


def labels(seed: int, rule: str, *, queries: int, gallery: int, people: int) -> TrialLabels:
    random = np.random.default_rng(seed)
    return TrialLabels(
        query_ids=random.integers(0, people, queries),
        gallery_ids=random.integers(0, people, gallery),
        query_cameras=random.integers(1, 5, queries),
        gallery_cameras=random.integers(1, 5, gallery),
        rule=rule,
    )


def keywords(trial: TrialLabels) -> dict:
    return {
        name: getattr(trial, name) for name in ("query_ids", "gallery_ids", "query_cameras", "gallery_cameras", "rule")
    }


def check(found: Score, scores: np.ndarray, trial: TrialLabels) -> None:
    cmc, mean_precision, mean_penalty, valid = slow_score(scores.tolist(), **keywords(trial))
    np.testing.assert_allclose(found.cmc, cmc, atol=1e-12)
    assert (found.map, found.minp) == pytest.approx((mean_precision, mean_penalty), abs=1e-12)
    assert found.valid == valid


@settings(max_examples=250, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rule=st.sampled_from(RULES),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 25), st.integers(1, 6)),
    values=st.integers(1, 6),
    chunks=st.tuples(st.integers(1, 10), st.integers(1, 26), st.integers(1, 40)),
    dtype=st.sampled_from([np.float32, np.float64]),
    sorts=st.booleans(),
)
def test_sizes_of_pieces_change_nothing(seed, rule, shape, values, chunks, dtype, sorts):
    queries, gallery, people = shape
    trial = labels(seed, rule, queries=queries, gallery=gallery, people=people)
    # In double precision the values differ in digits that single precision has not.
    steps = np.random.default_rng(seed).integers(-values, values, (queries, gallery))
    scores = (steps if dtype == np.float32 else 1 + 1e-9 * steps).astype(dtype)
    rows, columns, cells = chunks

    def found() -> Score:
        table = torch.from_numpy(scores)
        with pytest.MonkeyPatch.context() as patch:
            # Single precision is sorted on the processor and looked up elsewhere.
            if not sorts:
                patch.setattr("vireid.evaluation.measure.can_sort", lambda scores, lowest: False)
            [result] = measure(
                lambda some, part: table[some, part].contiguous(),
                [trial],
                gallery=gallery,
                chunks=Chunks(rows=rows, columns=columns, cells=cells),
            )
        return result

    if not slow_score(scores.tolist(), **keywords(trial))[-1]:
        with pytest.raises(VireidError, match="has a true match in the gallery"):
            found()
        return
    check(found(), scores, trial)
    whole = score(scores, **keywords(trial))
    assert found().cmc.tolist() == whole.cmc.tolist()
    assert (found().map, found().minp) == pytest.approx((whole.map, whole.minp), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rule=st.sampled_from(RULES),
    chunks=st.tuples(st.integers(2, 8), st.integers(4, 31), st.integers(12, 80)),
)
def test_trials_that_share_queries_may_share_the_pieces(seed, rule, chunks):
    random = np.random.default_rng(seed)
    whole = labels(seed, rule, queries=7, gallery=30, people=4)
    scores = random.integers(0, 4, (7, 30)).astype(np.float32)
    # Each gallery in an order of its own, which decides between equal scores.
    draws = [random.permutation(30)[: random.integers(1, 31)] for _ in range(3)]
    trials = [
        TrialLabels(
            **{
                **keywords(whole),
                "gallery_ids": whole.gallery_ids[drawn],
                "gallery_cameras": whole.gallery_cameras[drawn],
            },
            columns=drawn,
        )
        for drawn in draws
    ]
    trials = [one for one in trials if slow_score(scores[:, one.columns].tolist(), **keywords(one))[-1]]
    if not trials:
        return
    table = torch.from_numpy(scores)
    rows, columns, cells = chunks
    results = measure(
        lambda some, part: table[some, part].contiguous(),
        trials,
        gallery=30,
        chunks=Chunks(rows=rows, columns=columns, cells=cells),
    )
    for result, trial in zip(results, trials):
        check(result, scores[:, trial.columns], trial)


@settings(max_examples=300, deadline=None)
@given(
    memory=st.integers(1 << 20, 1 << 34),
    queries=st.integers(1, 10**5),
    gallery=st.integers(1, 10**8),
    matches=st.integers(0, 10**4),
    identities=st.integers(0, 10**6),
    cell_bytes=st.sampled_from([4, 8, 16]),
)
def test_chunks_keep_to_the_memory(memory, queries, gallery, matches, identities, cell_bytes):
    chunks = Chunks.within(
        memory, queries=queries, gallery=gallery, matches=matches, identities=identities, cell_bytes=cell_bytes
    )
    assert 1 <= chunks.rows <= queries
    assert 1 <= chunks.columns <= gallery
    held = chunks.rows * chunks.columns * (cell_bytes + 3) + chunks.cells * 96
    held += (chunks.rows if chunks.rows > 1 else 0) * max(160 * matches, identities)
    assert held <= memory


@pytest.mark.parametrize("memory", [1 << 20, 512 << 20])
@pytest.mark.parametrize(("rule", "features"), [("sysu", "sysu0"), ("regdb", "sysu0"), ("llcm", "llcm0")])
def test_features_score_as_the_published_implementations_do(rule: str, features: str, memory: int) -> None:
    result = score_features(
        GOLDEN[f"{features}_qf"].astype(np.float32),
        GOLDEN[f"{features}_gf"].astype(np.float32),
        query_ids=GOLDEN[f"{features}_qp"],
        gallery_ids=GOLDEN[f"{features}_gp"],
        query_cameras=GOLDEN[f"{features}_qc"],
        gallery_cameras=GOLDEN[f"{features}_gc"],
        rule=rule,
        memory=memory,
    )
    np.testing.assert_allclose(result.cmc, GOLDEN[f"{rule}0_cmc"], atol=1e-7)
    assert result.map == pytest.approx(float(GOLDEN[f"{rule}0_mAP"]), abs=1e-12)
    assert result.minp == pytest.approx(float(GOLDEN[f"{rule}0_mINP"]), abs=1e-12)


def exact_features(count: int, seed: int) -> np.ndarray:
    """Few different vectors of length 1 whose products are exact in any order of summing, so that ties are ties."""
    return np.random.default_rng(seed).choice(np.float32([-0.5, 0.5]), (count, 4))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("rule", RULES)
def test_one_mebibyte_and_the_whole_table_give_the_same(rule: Rule, distance: str) -> None:
    trial = labels(0, rule, queries=40, gallery=30_000, people=2_000)
    query, gallery = exact_features(40, 1), exact_features(30_000, 2)
    few = Chunks.within(1 << 20, queries=40, gallery=30_000, matches=20, identities=2_000, cell_bytes=4)
    assert few.columns < 30_000
    expected = score(query @ gallery.T, **keywords(trial))
    for memory in (1 << 20, 512 << 20):
        found = score_features(query, gallery, **keywords(trial), distance=distance, memory=memory)
        assert found.cmc.tolist() == expected.cmc.tolist()
        assert (found.map, found.minp) == pytest.approx((expected.map, expected.minp), abs=1e-12)


def records(trial: TrialLabels) -> tuple[Records, Trial]:
    persons = np.concatenate([trial.query_ids, trial.gallery_ids])
    cameras = np.concatenate([trial.query_cameras, trial.gallery_cameras])
    queries = len(trial.query_ids)
    table = Records.build(
        Path("root"),
        [
            Record(
                path=f"{row:05d}.png",
                person=int(person),
                camera=int(camera),
                modality=Modality.INFRARED if row < queries else Modality.VISIBLE,
                split="test",
            )
            for row, (person, camera) in enumerate(zip(persons, cameras))
        ],
    )
    rows = np.arange(len(persons))
    return table, Trial(number=1, query_rows=rows[:queries], gallery_rows=rows[queries:], rule=trial.rule)


def test_evaluation_in_little_memory_equals_the_table_of_scores() -> None:
    trial = labels(0, "folder", queries=20, gallery=4_000, people=300)
    table, one = records(trial)
    query, gallery = exact_features(20, 1), exact_features(4_000, 2)
    embeddings = Embeddings(features=np.concatenate([query, gallery]), paths=table.paths)
    expected = score(query @ gallery.T, **keywords(trial))
    [found] = evaluate(table, embeddings, [one], FOLDER, memory=1 << 20).trials
    assert found.cmc.tolist() == expected.cmc.tolist()
    assert (found.map, found.minp) == pytest.approx((expected.map, expected.minp), abs=1e-12)


def test_nan_is_named_by_its_place_in_the_whole_table() -> None:
    trial = labels(0, "regdb", queries=9, gallery=20, people=3)
    scores = np.zeros((9, 20), dtype=np.float32)
    scores[7, 3] = scores[7, 16] = scores[8, 0] = np.nan
    table = torch.from_numpy(scores)
    for rows, columns in ((9, 20), (2, 20), (3, 6), (1, 1)):
        with pytest.raises(VireidError, match="that of row 7, column 3 is NaN"):
            measure(
                lambda some, part: table[some, part].contiguous(),
                [trial],
                gallery=20,
                chunks=Chunks(rows=rows, columns=columns, cells=8),
            )
    wide = np.zeros((3000, 2000), dtype=np.float16)
    wide[2999, 1] = np.nan
    with pytest.raises(VireidError, match="that of row 2999, column 1 is NaN"):
        score(wide, **keywords(labels(0, "regdb", queries=3000, gallery=2000, people=3)))


def test_evaluation_names_the_images_of_a_score_that_is_no_number() -> None:
    table, trial = records(labels(0, "folder", queries=2, gallery=3, people=1))
    # Squares of these leave single precision, and infinity less infinity is no number.
    embeddings = Embeddings(features=np.full((5, 4), 3e38, dtype=np.float32), paths=table.paths)
    with pytest.raises(VireidError, match=r"that of 00000\.png and 00002\.png is NaN"):
        evaluate(table, embeddings, [trial], FOLDER, distance="euclidean")


def test_bad_sizes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = labels(0, "regdb", queries=2, gallery=3, people=1)
    features = exact_features(2, 0), exact_features(3, 0)
    with pytest.raises(VireidError, match=r"memory is in bytes and must be at least 1048576 \(1 MiB\), got 512"):
        score_features(*features, **keywords(trial), memory=512)
    with pytest.raises(VireidError, match="at least 1048576"):
        score(np.zeros((2, 3)), **keywords(trial), memory=0)
    # As it runs for a user, without the shape checks of the tests, which would speak first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match="the distance must be 'cosine' or 'euclidean', got 'l1'"):
        score_features(*features, **keywords(trial), distance="l1")
    with pytest.raises(
        VireidError, match=r"equal width, from one network, got features of shape \(2, 4\) and \(3, 5\)"
    ):
        score_features(features[0], np.zeros((3, 5), dtype=np.float32), **keywords(trial))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_features": None}, "query features must be real numbers in rows of equal length, got an array of obj"),
        ({"gallery_features": [[1.0], [2.0, 3.0]]}, "gallery features must be real numbers.*they make no array"),
        ({"gallery_features": np.ones((3, 4), dtype=complex)}, "got an array of complex128; convert them to float32"),
        ({"query_ids": [[1], [2, 3]]}, "query_ids must be one integer for each row.*they make no array"),
        ({"memory": "1G"}, "memory is in bytes and must be at least 1048576.*got '1G'"),
        ({"memory": 2e9}, "memory is in bytes and must be at least 1048576.*got 2000000000.0"),
    ],
)
def test_other_types_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch, change: dict, message: str) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    features: dict[str, Any] = {"query_features": exact_features(2, 0), "gallery_features": exact_features(3, 0)}
    trial = keywords(labels(0, "regdb", queries=2, gallery=3, people=1))
    with pytest.raises(VireidError, match=message):
        score_features(**{**features, **trial, **change})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_may_be_tensors(dtype: torch.dtype) -> None:
    trial = keywords(labels(0, "folder", queries=20, gallery=30, people=3))
    query, gallery = exact_features(20, 0), exact_features(30, 1)
    found = score_features(torch.from_numpy(query).to(dtype), torch.from_numpy(gallery).to(dtype), **trial)
    assert found.to_json() == score_features(query, gallery, **trial).to_json()


def test_scores_of_minus_infinity_stand_last_and_are_not_mistaken_for_hidden_images() -> None:
    for rule in RULES:
        trial = labels(3, rule, queries=8, gallery=40, people=4)
        scores = np.random.default_rng(0).choice(np.float32([-np.inf, 0, np.inf]), (8, 40))
        check(score(scores, **keywords(trial)), scores, trial)


@pytest.mark.parametrize("rule", RULES)
def test_ties_at_the_size_of_real_trials(rule: Rule) -> None:
    # Some rows without ties, some with a few, some with nothing else: sorted by score alone, and by place too.
    trial = labels(0, rule, queries=12, gallery=700, people=30)
    scores = np.random.default_rng(0).standard_normal((12, 700)).astype(np.float32)
    scores[4:8] = scores[4:8].round(2)
    scores[8:] = scores[8:].round()
    check(score(scores, **keywords(trial)), scores, trial)


def test_a_trial_too_large_to_rerank_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    table, trial = records(labels(0, "folder", queries=20, gallery=30, people=3))
    embeddings = Embeddings(features=exact_features(50, 0), paths=table.paths)
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 2, "SC_PAGE_SIZE": 1000}.__getitem__)
    with pytest.raises(VireidError, match="re-ranking holds the whole table of scores, 20 queries x 30 gallery images"):
        evaluate(table, embeddings, [trial], FOLDER, rerank=True)
    assert evaluate(table, embeddings, [trial], FOLDER).trials[0].gallery == 30


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("rule", RULES)
def test_the_device_changes_nothing(rule: Rule) -> None:
    trial = labels(0, rule, queries=60, gallery=5_000, people=300)
    query, gallery = exact_features(60, 1), exact_features(5_000, 2)
    expected = score(query @ gallery.T, **keywords(trial))
    found = [
        score_features(query, gallery, **keywords(trial), device="cuda", memory=memory)
        for memory in (1 << 20, 512 << 20)
    ]
    found += [
        score(torch.from_numpy(query @ gallery.T).to("cuda", dtype), **keywords(trial))
        for dtype in (torch.float16, torch.float32, torch.float64)
    ]
    for one in found:
        assert one.cmc.tolist() == expected.cmc.tolist()
        assert (one.map, one.minp) == pytest.approx((expected.map, expected.minp), abs=1e-12)
