import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vireid.figures import AlbAttention, draw_alb_attention, draw_token_attention
from vireid.models import Scale
from vireid.types import VireidError

MINED = np.ones((6, 3), dtype=np.float32)


def block(level: int | None, seed: int, tokens: np.ndarray | None = None) -> AlbAttention:
    numbers = np.random.default_rng(seed)
    if tokens is None:
        tokens = numbers.random((8, 8)).astype(np.float32)
        tokens = tokens / tokens.sum(axis=1, keepdims=True)
    places = None if level is None else numbers.random((6, 3)).astype(np.float32) / 10
    return AlbAttention(level, Scale(8, 24, 12), tokens, MINED, places)


def on_the_page(figure: Figure) -> bool:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    artists = [artist for axes in figure.axes for artist in (*axes.images, *axes.texts)]
    extents = [artist.get_window_extent(canvas.get_renderer()) for artist in artists]
    page = figure.bbox
    return all(
        -0.5 <= box.x0 <= box.x1 <= page.x1 + 0.5 and -0.5 <= box.y0 <= box.y1 <= page.y1 + 0.5 for box in extents
    )


@pytest.mark.parametrize(("images", "across"), [(1, 1), (2, 2), (3, 2), (1, 2)])
def test_every_image_has_its_blocks_beside_it(noise, images, across):
    attentions = [
        [block(level, 10 * image + number) for number, level in enumerate((0, 1, 2, None))] for image in range(images)
    ]
    figure = draw_alb_attention(
        [noise(seed) for seed in range(images)],
        [f"person {number}\nvisible" for number in range(images)],
        attentions,
        across=across,
    )
    axes = figure.axes[0]
    assert len(axes.images) == 5 * images + 1
    said = [text.get_text() for text in axes.texts]
    assert [said.count(name) for name in ("G0 stem\n24 x 12", "G2 stage 2\n24 x 12", "deep map\n24 x 12")] == [
        images
    ] * 3
    for blocks in attentions:
        for of_block in blocks[:3]:
            assert f"up to {of_block.places.max():#.2g}" in said
    assert said.count("no own scale") == images
    assert on_the_page(figure)


def test_tokens_stand_in_the_order_of_the_attention_they_are_given(noise):
    # Every token takes most of token 5, then of 2, then of 7.
    given = np.array([1, 1, 6, 1, 1, 9, 1, 4], dtype=np.float32)
    tokens = np.tile(given / given.sum(), (8, 1))
    tokens[3] = 1 / 8
    figure = draw_token_attention(["a", "b"], [[block(0, 1, tokens), block(3, 2)], [block(0, 3, tokens), block(3, 4)]])
    panels = [axes for axes in figure.axes if axes.images]
    drawn = np.asarray(panels[0].images[0].get_array())
    order = [5, 2, 7, 0, 1, 3, 4, 6]
    np.testing.assert_allclose(drawn, tokens[np.ix_(order, order)] * 8, rtol=1e-6)
    limits = {panel.images[0].get_clim() for panel in panels}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low < 1 < high
    assert [panels[0].get_title(), panels[1].get_title()] == ["G0 stem\n24 x 12", "G3 stage 3\n24 x 12"]
    assert on_the_page(figure)


def test_what_does_not_belong_together_is_refused(noise):
    one = [block(0, 1), block(1, 2)]
    with pytest.raises(VireidError, match="got 1 images, 2 captions and 1 attentions"):
        draw_alb_attention([noise(1)], ["a", "b"], [one])
    with pytest.raises(VireidError, match="the same blocks for every one"):
        draw_alb_attention([noise(1), noise(2)], ["a", "b"], [one, one[:1]])
    with pytest.raises(VireidError, match="got 0 images"):
        draw_token_attention([], [])
    with pytest.raises(VireidError, match="got across 0"):
        draw_alb_attention([noise(1)], ["a"], [one], across=0)
