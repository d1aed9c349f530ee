from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vireid.data.sampler import IdentitySampler
from vireid.types import Modality, Record, Records, VireidError


def table(counts: dict[int, tuple[int, int]], split: str = "train") -> Records:
    """Persons with so many visible and infrared images."""
    rows = [
        Record(
            path=f"{split}/{modality.value}/{person:03d}/{number:03d}.png",
            person=person,
            camera=1 if modality is Modality.VISIBLE else 3,
            modality=modality,
            split=split,
        )
        for person, images in counts.items()
        for modality, count in zip(Modality, images)
        for number in range(count)
    ]
    return Records.build(Path("made"), rows)


SMALL = {7: (5, 3), 2: (4, 4), 30: (2, 6), 11: (4, 5)}


def equal(one, other) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("visible", "infrared", "labels"))


@settings(max_examples=40, deadline=None)
@given(
    counts=st.dictionaries(
        st.integers(0, 10**6), st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=2, max_size=8
    ),
    images=st.integers(1, 5),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 200),
    step=st.integers(0, 2000),
    data=st.data(),
)
def test_a_step_has_p_persons_and_k_images_of_each_in_both_modalities(counts, images, seed, epoch, step, data):
    records = table(counts)
    identities = data.draw(st.integers(2, len(counts)))
    sampler = IdentitySampler(records, identities=identities, images=images, seed=seed)
    batch = sampler.batch(epoch, step)
    persons = np.array(sorted(counts))
    assert len(set(batch.labels.tolist())) == identities
    assert np.array_equal(batch.labels, np.repeat(batch.labels[::images], images))
    for rows, infrared in ((batch.visible, False), (batch.infrared, True)):
        assert len(rows) == identities * images
        assert np.array_equal(records.persons[rows], persons[batch.labels])
        assert (records.infrared[rows] == infrared).all()
        for drawn in rows.reshape(identities, images):
            there = counts[int(records.persons[drawn[0]])][int(infrared)]
            # With replacement only where there are fewer than K.
            assert len(set(drawn.tolist())) == images or there < images


def test_a_step_is_a_function_of_seed_epoch_and_step_alone():
    one = IdentitySampler(table(SMALL), identities=3, images=2, seed=5)
    other = IdentitySampler(table(SMALL), identities=3, images=2, seed=5)
    np.random.seed(1)  # noqa: NPY002 - the global state that must not matter
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = one.batch(2, 3)
    for epoch, step in ((0, 0), (7, 1), (2, 2)):
        other.batch(epoch, step)
    np.random.seed(2)  # noqa: NPY002
    assert equal(other.batch(2, 3), first)
    np.random.seed(1)  # noqa: NPY002
    one.batch(0, 0)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    changed = [one.batch(3, 2), one.batch(2, 4), one.batch(0, 3)]
    changed.append(IdentitySampler(table(SMALL), identities=3, images=2, seed=6).batch(2, 3))
    assert not any(equal(batch, first) for batch in changed)


def test_every_image_comes_up_in_time():
    sampler = IdentitySampler(table(SMALL), identities=2, images=2, seed=0)
    batches = [sampler.batch(epoch, 0) for epoch in range(200)]
    for modality, name in ((False, "visible"), (True, "infrared")):
        drawn = {int(row) for batch in batches for row in getattr(batch, name)}
        assert drawn == set(np.flatnonzero(table(SMALL).infrared == modality).tolist())


@pytest.mark.parametrize(
    ("counts", "identities", "images", "steps"),
    [
        ({1: (10, 4), 2: (10, 4)}, 2, 2, 5),  # 20 visible, 8 infrared, 4 a step
        ({1: (4, 10), 2: (4, 10)}, 2, 2, 5),
        ({1: (10, 4), 2: (9, 4)}, 2, 2, 4),  # 19 // 4
        ({1: (1, 1), 2: (1, 1)}, 2, 4, 1),  # never none
        ({1: (4, 4), 2: (4, 4), 3: (50, 0)}, 2, 2, 2),  # who cannot be drawn does not count
    ],
)
def test_an_epoch_is_as_long_as_the_larger_modality(counts, identities, images, steps):
    assert IdentitySampler(table(counts), identities=identities, images=images, seed=0).steps == steps


def test_persons_of_one_modality_are_skipped_and_named():
    sampler = IdentitySampler(table(SMALL | {4: (3, 0), 50: (0, 3)}), identities=4, images=2, seed=0)
    assert sampler.persons.tolist() == [2, 7, 11, 30]
    assert sampler.skipped.tolist() == [4, 50]
    assert sorted(set(sampler.batch(0, 0).labels.tolist())) == [0, 1, 2, 3]


def test_only_the_train_split_is_drawn_from():
    train, test = table({1: (2, 2), 2: (2, 2)}), table({3: (2, 2), 1: (2, 2)}, split="test")
    records = Records.build(train.root, [*train, *test])
    sampler = IdentitySampler(records, identities=2, images=2, seed=0)
    assert sampler.persons.tolist() == [1, 2]
    batches = [sampler.batch(0, step) for step in range(30)]
    for name in ("visible", "infrared"):
        drawn = [row for batch in batches for row in getattr(batch, name)]
        assert set(records.splits[drawn]) == {"train"}, name


def test_too_few_persons_are_refused_with_counts():
    message = r"needs 3 identities with images in both modalities, but the train split of made has 2 \(and 1 with one"
    with pytest.raises(VireidError, match=message):
        IdentitySampler(table({1: (2, 2), 2: (1, 1), 3: (4, 0)}), identities=3, images=2, seed=0)


@pytest.mark.parametrize(("identities", "images", "seed"), [(1, 2, 0), (2, 0, 0), (2, 2, -1)])
def test_arguments_out_of_range_are_refused(identities, images, seed):
    message = f"got {identities} identities, {images} images, seed {seed}"
    with pytest.raises(VireidError, match=message):
        IdentitySampler(table(SMALL), identities=identities, images=images, seed=seed)


def test_a_step_equals_the_slow_draw():
    # More rows than a small sort takes, and each person's lie apart: the table goes by number, then by person.
    rows = [
        Record(path=f"{n:03d}/{p}{m.value}.png", person=p, camera=1 if m is Modality.VISIBLE else 3, modality=m,
               split="train")
        for n in range(20) for p in (5, 1, 9, 3) for m in Modality if n < 19 - p
    ]  # fmt: skip
    records = Records.build(Path("made"), rows)
    batch = IdentitySampler(records, identities=3, images=4, seed=8).batch(1, 6)
    random = np.random.default_rng([8, 1, 6])
    people = random.choice([1, 3, 5, 9], 3, replace=False)
    for infrared, drawn in ((False, batch.visible), (True, batch.infrared)):
        slow = []
        for person in people:
            own = [row for row in range(len(records)) if records.persons[row] == person]
            own = [row for row in own if records.infrared[row] == infrared]
            slow += random.choice(own, 4, replace=False).tolist()
        assert drawn.tolist() == slow


@pytest.mark.parametrize("processes", [1, 2, 3, 6])
def test_parts_of_the_processes_make_the_whole_step(processes):
    counts = dict.fromkeys(range(8), (3, 4))
    whole = IdentitySampler(table(counts), identities=6, images=2, seed=3).batch(4, 1)
    parts = [
        IdentitySampler(table(counts), identities=6, images=2, seed=3, rank=rank, processes=processes).batch(4, 1)
        for rank in range(processes)
    ]
    for name in ("visible", "infrared", "labels"):
        pieces = [getattr(part, name) for part in parts]
        assert {len(piece) for piece in pieces} == {12 // processes}
        assert np.array_equal(np.concatenate(pieces), getattr(whole, name))


@pytest.mark.parametrize(("rank", "processes"), [(0, 3), (2, 2), (-1, 2), (3, 2)])
def test_identities_that_the_processes_cannot_share_are_refused(rank, processes):
    message = rf"4 identities cannot be shared by {processes} \(this one is number {rank}\)"
    with pytest.raises(VireidError, match=message):
        IdentitySampler(table(SMALL), identities=4, images=2, seed=0, rank=rank, processes=processes)
