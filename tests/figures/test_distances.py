import dataclasses
import math

import numpy as np
import pytest
from matplotlib.text import Text

from vireid.figures.distances import PairDistances, draw_distances, pair_distances
from vireid.types import VireidError


def people(seed: int = 0, images: int = 40, count: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    persons = draw.integers(-1, count, images)
    features = draw.normal(size=(images, 6)) * draw.uniform(0.1, 30, (images, 1)) + 0.5 * persons[:, None]
    return features.astype(np.float32), persons, draw.random(images) < 0.4


def slow_pairs(features, persons, infrared) -> tuple[list[float], list[float]]:
    """Every infrared image with every visible one, one after the other."""
    intra, inter = [], []
    for a, person, night in zip(features.tolist(), persons, infrared):
        for b, other, other_night in zip(features.tolist(), persons, infrared):
            if night and not other_night and person >= 0 and other >= 0:
                cosine = sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))
                (intra if person == other else inter).append(1 - cosine)
    return intra, inter


@pytest.mark.parametrize("seed", range(4))
def test_distances_are_those_of_a_loop_over_pairs(seed):
    features, persons, infrared = people(seed)
    found = pair_distances(features, persons, infrared)
    intra, inter = slow_pairs(features, persons, infrared)
    assert (found.intra_count, found.inter_count) == (len(intra), len(inter))
    np.testing.assert_allclose(np.sort(found.intra), np.sort(intra), atol=1e-6)
    np.testing.assert_allclose(np.sort(found.inter), np.sort(inter), atol=1e-6)
    assert found.intra_mean == pytest.approx(sum(intra) / len(intra), abs=1e-12)
    assert found.inter_mean == pytest.approx(sum(inter) / len(inter), abs=1e-12)
    assert found.delta == pytest.approx(found.inter_mean - found.intra_mean)


def test_a_sample_is_of_different_pairs_and_means_stay_those_of_all():
    features, persons, infrared = people(images=120)
    whole = pair_distances(features, persons, infrared)
    sample = pair_distances(features, persons, infrared, limit=50, seed=3)
    for drawn, every in ((sample.intra, whole.intra), (sample.inter, whole.inter)):
        assert len(drawn) == 50 < len(every)
        # Without ties among the distances, a pair that was drawn twice would stand there twice.
        assert len(np.unique(drawn)) == 50
        assert np.isin(drawn, every).all()
    assert (sample.intra_mean, sample.inter_mean) == (whole.intra_mean, whole.inter_mean)
    again = pair_distances(features, persons, infrared, limit=50, seed=3)
    np.testing.assert_array_equal(sample.inter, again.inter)
    assert not np.array_equal(sample.inter, pair_distances(features, persons, infrared, limit=50, seed=4).inter)


def test_a_sample_is_like_the_whole():
    features, persons, infrared = people(images=400, count=8)
    sample = pair_distances(features, persons, infrared, limit=2000, seed=1)
    assert sample.inter_count > 10_000
    assert float(sample.inter.mean()) == pytest.approx(sample.inter_mean, abs=0.05)


def test_length_and_order_of_images_change_nothing():
    features, persons, infrared = people()
    order = np.random.default_rng(9).permutation(len(persons))
    plain = pair_distances(features, persons, infrared)
    moved = pair_distances((features * 7)[order], persons[order], infrared[order])
    np.testing.assert_allclose(np.sort(plain.inter), np.sort(moved.inter), atol=1e-6)
    assert plain.delta == pytest.approx(moved.delta, abs=1e-6)


@pytest.mark.parametrize(
    ("persons", "infrared", "said"),
    [
        ([], [], "got 0 infrared and 0 visible images"),
        ([1, 1, 2], [False, False, False], "got 0 infrared and 3 visible images with 0 pairs of one person and 0"),
        ([1, 1, 1], [True, False, False], "2 pairs of one person and 0 of different"),  # one person
        ([1, 2, 3], [True, False, False], "0 pairs of one person and 2 of different"),  # nobody in both
        ([-1, -1, 3], [True, False, False], "got 0 infrared and 1 visible"),  # unknown people
    ],
)
def test_sides_without_pairs_are_refused(persons, infrared, said):
    features = np.ones((len(persons), 3), dtype=np.float32)
    with pytest.raises(VireidError, match=said):
        pair_distances(features, np.array(persons, dtype=np.int64), np.array(infrared, dtype=bool))


def test_features_that_are_no_numbers_are_refused():
    features, persons, infrared = people()
    features[3, 2] = np.nan
    with pytest.raises(VireidError, match="1 of 40 rows hold NaN or infinity"):
        pair_distances(features, persons, infrared)
    with pytest.raises(VireidError, match="got 40 features, 39 identities and 40 modalities"):
        pair_distances(features, persons[1:], infrared)
    with pytest.raises(VireidError, match="the limit of pairs must be 1 or more, got 0"):
        pair_distances(*people(), limit=0)


def test_panels_share_axes_and_say_their_numbers():
    before, after = (pair_distances(*people(seed)) for seed in (0, 1))
    figure = draw_distances({"before": before, "after": after})
    assert len(figure.axes) == 2
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    for axes, pairs, title in zip(figure.axes, (before, after), ("before", "after")):
        words = [text.get_text() for text in axes.findobj(Text)]
        assert axes.get_title(loc="left") == title
        means = f"same person {pairs.intra_mean:.3f}\ndifferent people {pairs.inter_mean:.3f}"
        assert f"δ = {pairs.delta:.3f}\n{means}" in words
        assert axes.get_xlim()[0] == 0
        assert f"{pairs.intra_count:,} pairs of one person" in axes.get_xlabel()
        uprights = [line.get_xdata()[0] for line in axes.lines if line.get_xdata()[0] == line.get_xdata()[1]]
        assert uprights == [pairs.intra_mean, pairs.inter_mean]
        for patch in axes.patches[:4:2]:
            assert patch.get_data().values.sum() == pytest.approx(1)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "same person",
        "mean, same person",
        "different people",
        "mean, different people",
    ]
    lines = {handle.get_label(): handle.get_linestyle() for handle in figure.legends[0].get_lines()}
    drawn = {line.get_label(): line.get_linestyle() for line in figure.axes[0].lines[:2]}
    assert lines == drawn
    assert len(set(lines.values())) == 2


def test_one_distance_alone_is_drawn_and_none_refused():
    alone = PairDistances(
        intra=np.float32([0.5]), inter=np.float32([0.5]), intra_mean=0.5, inter_mean=0.5, intra_count=1, inter_count=1
    )
    draw_distances({"alone": alone}).draw_without_rendering()
    # What rounding leaves below 0 is counted at 0.
    below = dataclasses.replace(alone, intra=np.float32([-1e-7, 0.5]))
    assert draw_distances({"below": below}).axes[0].patches[0].get_data().values.sum() == 1
    assert len(draw_distances(dict.fromkeys("abc", alone)).axes) == 4
    with pytest.raises(VireidError, match="at least one panel, got none"):
        draw_distances({})
