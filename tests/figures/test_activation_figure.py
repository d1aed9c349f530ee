import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from vireid.figures import draw_activation_maps
from vireid.types import VireidError


def maps(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 12])
def test_every_image_has_a_column_and_every_network_a_row(noise, count):
    images = [noise(seed) for seed in range(count)]
    captions = [f"person {number}\nvisible" for number in range(count)]
    figure = draw_activation_maps(images, captions, {"base": maps(count), "a name of many letters" * 9: maps(count, 1)})
    axes = figure.axes[0]
    # And one for the bar of colours.
    assert len(axes.images) == 3 * count + 1
    lefts = {round(image.get_extent()[0], 3) for image in axes.images[:-1]}
    tops = {round(image.get_extent()[3], 3) for image in axes.images[:-1]}
    assert (len(lefts), len(tops)) == (count, 3)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for artist in (*axes.images, *axes.texts):
        extent = artist.get_window_extent(canvas.get_renderer())
        assert -0.5 <= extent.x0 <= extent.x1 <= figure.bbox.x1 + 0.5
        assert -0.5 <= extent.y0 <= extent.y1 <= figure.bbox.y1 + 0.5


def test_the_overlays_stand_beneath_their_own_image(noise):
    images = [noise(1), np.full((64, 32, 3), 90, dtype=np.uint8)]
    strong = np.zeros((2, 6, 3), dtype=np.float32)
    strong[1, 5, 2] = 1
    axes = draw_activation_maps(images, ["a", "b"], {"net": strong}).axes[0]
    by_place = {
        (round(image.get_extent()[3]), round(image.get_extent()[0])): np.asarray(image.get_array()).astype(int)
        for image in axes.images[:-1]
    }
    (_, first), (_, second), (_, third), (_, fourth) = sorted(by_place.items())
    assert np.ptp(first, axis=2).max() > 50
    assert (second == 90).all()
    assert np.ptp(third, axis=2).max() == 0
    warm = np.ptp(fourth, axis=2)
    assert warm[: warm.shape[0] // 2].max() == 0
    assert np.unravel_index(warm.argmax(), warm.shape)[0] > 0.8 * warm.shape[0]
    said = [text.get_text() for text in axes.texts]
    assert any("no colour: none above 0" in line for line in said)


def test_what_does_not_belong_together_is_refused(noise):
    with pytest.raises(VireidError, match="got 1 images, 2 captions"):
        draw_activation_maps([noise(1)], ["a", "b"], {"net": maps(1)})
    with pytest.raises(VireidError, match=r"maps \{'net': 3\}"):
        draw_activation_maps([noise(1)], ["a"], {"net": maps(3)})
    with pytest.raises(VireidError, match=r"maps \{\}"):
        draw_activation_maps([noise(1)], ["a"], {})
    with pytest.raises(VireidError, match="got 13 images"):
        draw_activation_maps([noise(1)] * 13, ["a"] * 13, {"net": maps(13)})
