"""Moves: what is drawn, that part maps go where their images go, and that views take them."""

import numpy as np
import pytest
import torch

from vireid.transforms import (
    Movement,
    Moves,
    common,
    draw_moves,
    generator,
    make_views,
    move_images,
    move_part_maps,
    normalize,
    views,
)
from vireid.types import UNKNOWN_PART, VireidError

HEIGHT, WIDTH, PADDING = 9, 6, 2


def random_maps(count: int) -> torch.Tensor:
    maps = torch.randint(0, 7, (count, HEIGHT, WIDTH), dtype=torch.uint8, generator=generator(0, 0, 0, "maps"))
    maps[0, 2, 3] = UNKNOWN_PART
    return maps


def drawn_moves(count: int) -> Moves:
    return draw_moves(count, HEIGHT, WIDTH, generator(0, 0, 0, "moves"), Movement(padding=PADDING, erasing=0.5))


def slowly(part_map: np.ndarray, top: int, left: int, mirrored: bool) -> np.ndarray:
    """Pixel by pixel: where does it come from, and is that inside?"""
    out = np.zeros_like(part_map)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            row = y + top - PADDING
            column = (WIDTH - 1 - x if mirrored else x) + left - PADDING
            if 0 <= row < HEIGHT and 0 <= column < WIDTH:
                out[y, x] = part_map[row, column]
    return out


def test_maps_and_images_are_moved_alike_and_as_the_slow_loop_says():
    maps, moves = random_maps(40), drawn_moves(40)
    before = maps.clone()
    moved = move_part_maps(maps, moves)
    images = move_images(maps[:, None].repeat(1, 3, 1, 1), moves)
    for place in range(40):
        expected = slowly(
            maps[place].numpy(), int(moves.top[place]), int(moves.left[place]), bool(moves.mirrored[place])
        )
        np.testing.assert_array_equal(moved[place].numpy(), expected)
        for channel in range(3):
            np.testing.assert_array_equal(images[place, channel].numpy(), expected)
    assert torch.equal(maps, before)
    assert moved.dtype == torch.uint8


def test_an_image_without_a_map_stays_without_one():
    maps, moves = random_maps(40), drawn_moves(40)
    maps[::2] = UNKNOWN_PART
    moved = move_part_maps(maps, moves)
    assert (moved[::2] == UNKNOWN_PART).all()
    # of a map with a known pixel, what comes in from outside is background
    assert (moved[1::2] == 0).any()
    assert torch.equal(moved[1::2], move_images(maps[:, None], moves)[1::2, 0])


def test_moves_are_drawn_with_their_probabilities():
    moves = draw_moves(
        4000, 40, 20, generator(1, 0, 0, "moves"), Movement(padding=3, flipping=0.3, erasing=0.6, area=(0.2, 0.8))
    )
    assert len(moves) == 4000
    assert moves.padding == 3
    for offset in (moves.top, moves.left):
        assert offset.unique().tolist() == list(range(7))
        assert offset.double().mean().item() == pytest.approx(3, abs=4 * 2 / 4000**0.5)
    assert moves.mirrored.double().mean().item() == pytest.approx(0.3, abs=4 * (0.21 / 4000) ** 0.5)
    area = ((moves.boxes[:, 1] - moves.boxes[:, 0]) * (moves.boxes[:, 3] - moves.boxes[:, 2])).double() / 800
    assert (area > 0).double().mean().item() == pytest.approx(0.6, abs=4 * (0.24 / 4000) ** 0.5)
    assert area[area > 0].min() > 0.17  # sides are rounded
    assert area.max() < 0.83
    again = draw_moves(
        4000, 40, 20, generator(1, 0, 0, "moves"), Movement(padding=3, flipping=0.3, erasing=0.6, area=(0.2, 0.8))
    )
    assert all(torch.equal(getattr(moves, name), getattr(again, name)) for name in ("top", "left", "mirrored", "boxes"))


@pytest.mark.parametrize("style", ["mscmnet", "agw", "caj", "deen"])
@pytest.mark.parametrize("second", ["channel-exchange", "gray", "jitter", "blur", "none"])
@pytest.mark.parametrize("name", ["visible_global", "visible_channel", "infrared_global", "infrared_channel"])
def test_given_moves_are_used_in_place_of_drawn_ones(style, second, name, monkeypatch: pytest.MonkeyPatch):
    images = torch.randint(0, 256, (12, 3, 24, 16), dtype=torch.uint8, generator=generator(0, 0, 0, "images"))
    view = make_views(style=style, second_visible=second, padding=PADDING, erasing=0.7)[name]
    seen = []
    monkeypatch.setattr(
        common, "draw_moves", lambda *args, **keywords: seen.append(draw_moves(*args, **keywords)) or seen[-1]
    )
    drawn = view(images, generator(0, 1, 2, name))
    monkeypatch.setattr(common, "draw_moves", None)
    assert torch.equal(view(images, generator(0, 1, 2, name), moves=seen[0]), drawn)
    # and it is these that count, not the ones that would have been drawn
    others = draw_moves(12, 24, 16, generator(9, 9, 9, name), Movement(padding=PADDING, erasing=0.7))
    assert not torch.equal(view(images, generator(0, 1, 2, name), moves=others), drawn)


def test_a_view_with_moves_lies_on_the_part_maps_that_they_moved():
    maps, moves = (
        random_maps(20),
        draw_moves(20, HEIGHT, WIDTH, generator(0, 0, 0, "m"), Movement(padding=PADDING, erasing=0.0)),
    )
    images = (maps * 30)[:, None].repeat(1, 3, 1, 1)
    out = make_views(style="agw")["infrared_global"](images, generator(0, 0, 0, "view"), moves=moves)
    assert torch.equal(out, normalize((move_part_maps(maps, moves) * 30)[:, None].repeat(1, 3, 1, 1)))


def test_moves_of_another_batch_are_refused():
    moves = drawn_moves(3)
    with pytest.raises(VireidError, match="moves of 3 images and 4 images; draw them with draw_moves"):
        move_part_maps(random_maps(4), moves)
    with pytest.raises(VireidError, match="moves of 3 images and 4 images"):
        views.make_views()["visible_global"](
            torch.zeros(4, 3, HEIGHT, WIDTH, dtype=torch.uint8), generator(0, 0, 0, "view"), moves=moves
        )
