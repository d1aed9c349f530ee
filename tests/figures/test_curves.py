import numpy as np
import pytest

from vireid.figures.curves import draw_cmc, draw_losses, smooth
from vireid.types import VireidError


def test_matching_curves_are_percent_by_rank():
    curves = {"one": np.linspace(0.2, 0.9, 20), "two": [0.5, 0.5, 1.0]}
    figure = draw_cmc(curves)
    one, two = figure.axes[0].lines
    np.testing.assert_allclose(one.get_ydata(), np.linspace(20, 90, 20))
    np.testing.assert_array_equal(one.get_xdata(), np.arange(1, 21))
    np.testing.assert_array_equal(two.get_xdata(), [1, 2, 3])
    assert one.get_color() != two.get_color()
    assert one.get_marker() != two.get_marker()
    assert one.get_linestyle() != two.get_linestyle()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one, Rank-1 20.0", "two, Rank-1 50.0"]
    # Ranks beyond 20 are not drawn.
    assert len(draw_cmc({"long": np.ones(50)}).axes[0].lines[0].get_xdata()) == 20


@pytest.mark.parametrize("curve", [[], [0.5, 0.4], [50.0, 60.0], [np.nan, 1.0], [-0.1, 0.2]], ids=str)
def test_what_is_no_matching_curve_is_refused(curve):
    with pytest.raises(VireidError, match="fractions from 0 to 1 that never fall, but that of 'bad' is not"):
        draw_cmc({"bad": np.array(curve)})
    with pytest.raises(VireidError, match="at least one curve, got none"):
        draw_cmc({})


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 1.0])
def test_smoothing_is_a_mean_over_a_window(share):
    values = np.random.default_rng(0).normal(size=60)
    values[[5, 6, 40]] = np.nan
    half = max(1, round(60 * share)) // 2
    expected = [
        np.nanmean(values[max(0, at - half) : at + half + 1]) for at in range(60) if half or at not in (5, 6, 40)
    ]
    found = smooth(values, share)
    np.testing.assert_allclose(found[np.isfinite(found)], expected)
    assert np.isnan(smooth(np.full(4, np.nan))).all()
    assert len(smooth(np.empty(0))) == 0


def log(epochs: int = 2, steps: int = 4, **terms: float) -> list[dict[str, float]]:
    return [
        {"step": epoch * steps + at, "epoch": epoch, "learning_rate": 0.1 / (epoch + 1)}
        | {f"loss/{term}": value + epoch for term, value in terms.items()}
        for epoch in range(epochs)
        for at in range(steps)
    ]


def test_each_term_is_a_line_over_epochs():
    figure = draw_losses({"first": log(identity=3.0, quadruple_center=1.0), "second": log(identity=2.0), "none": []})
    upper, other, rates, _ = figure.axes
    assert len(upper.lines) == 4  # raw and smoothed of two terms
    assert len(other.lines) == 2
    np.testing.assert_allclose(upper.lines[0].get_xdata(), [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75])
    np.testing.assert_allclose(upper.lines[0].get_ydata(), [3, 3, 3, 3, 4, 4, 4, 4])
    assert upper.lines[0].get_alpha() < 0.5
    # A term looks the same in both panels.
    assert upper.lines[1].get_color() == other.lines[1].get_color()
    np.testing.assert_allclose(rates.lines[0].get_ydata(), [0.1] * 4 + [0.05] * 4)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["identity", "quadruple center"]
    assert figure.legends[0].get_title().get_text() == ""


def test_a_spike_is_cut_and_that_is_said():
    steps = log(epochs=100, steps=4, identity=1.0)
    for step in steps:
        step["loss/identity"] = 1.0
    steps[0]["loss/identity"] = 500.0
    figure = draw_losses({"run": steps})
    assert figure.axes[0].get_ylim()[1] < 500
    said = "values beyond the axis are cut off; they reach from 1 to 500"
    assert figure.legends[0].get_title().get_text() == said


def test_panels_share_epochs_and_one_high_start_flattens_nothing():
    short, long = log(epochs=1, steps=20, center=1.0), log(epochs=10, steps=20, identity=3.0)
    figure = draw_losses({"short": short, "long": long})
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert figure.axes[0].get_yscale() == "linear"
    for at, step in enumerate(long):
        step["loss/identity"] = 3.0
        step["loss/center"] = 25 * 0.5 ** (at / 2) + 0.7
    figure = draw_losses({"short": short, "long": long})
    assert figure.axes[0].get_yscale() == "log"
    assert figure.axes[0].get_ylabel() == "loss (log scale)"
    low, high = figure.axes[0].get_ylim()
    assert 0.5 < low < 0.7 < 15 < high
    assert all(label == f"{float(label):g}" for label in (each.get_text() for each in figure.axes[0].get_yticklabels()))
    # A logarithm has no place for 0: there the axis follows the bulk.
    long[-1]["loss/center"] = 0.0
    figure = draw_losses({"short": short, "long": long})
    assert (figure.axes[0].get_yscale(), figure.axes[0].get_ylabel()) == ("linear", "loss")
    assert 3 < figure.axes[0].get_ylim()[1] < 10
    assert figure.legends[0].get_title().get_text() == "values above the axis are cut off; the highest is 25.7"


def test_a_step_that_went_wrong_leaves_a_gap():
    steps = log(identity=1.0)
    steps[2]["loss/identity"] = float("nan")
    steps[3]["loss/identity"] = float("inf")
    figure = draw_losses({"run": steps})
    assert np.isnan(figure.axes[0].lines[0].get_ydata()[2:4]).all()
    assert np.isfinite(figure.axes[0].get_ylim()).all()
    for step in steps:
        step["loss/identity"] = float("nan")
    with pytest.raises(VireidError, match="the logs of run hold none"):
        draw_losses({"run": steps})


def test_an_epoch_under_way_is_no_wider_than_it_has_gone():
    steps = log(epochs=2, steps=4, identity=1.0)[:6]
    np.testing.assert_allclose(draw_losses({"run": steps}).axes[0].lines[0].get_xdata(), [0, 0.25, 0.5, 0.75, 1, 1.25])


def test_runs_without_a_log_are_refused():
    with pytest.raises(VireidError, match="none of imported, other has one"):
        draw_losses({"imported": [], "other": []})
    with pytest.raises(VireidError, match="none of no runs has one"):
        draw_losses({})


def test_more_series_than_colours_still_look_different():
    lines = draw_cmc({str(number): np.ones(20) for number in range(12)}).axes[0].lines
    assert len({(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in lines}) == 12
    terms = {f"term{number}": 1.0 for number in range(10)}
    smoothed = draw_losses({"run": log(**terms)}).axes[0].lines[1::2]
    assert len({(line.get_color(), str(line._dash_pattern)) for line in smoothed}) == 10
