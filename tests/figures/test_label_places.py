import numpy as np
import pytest

from vireid.figures.label_places import push_apart


@pytest.mark.parametrize("seed", range(4))
def test_boxes_that_hide_one_another_are_pushed_apart_within_the_room(seed):
    draw = np.random.default_rng(seed)
    sizes, room = draw.uniform(5, 30, (20, 2)), np.array([250.0, 180.0])
    wanted = np.array([20.0, 30.0]) + draw.normal(size=(20, 2)) * (0 if seed == 0 else 15)
    found = push_apart(wanted, sizes, room)
    missing = (sizes[:, None] + sizes[None]) / 2 - np.abs(found[:, None] - found[None])
    assert not ((missing > 0.1).all(axis=2) & ~np.eye(20, dtype=bool)).any()
    assert (found >= sizes / 2 - 1e-9).all()
    assert (found <= room - sizes / 2 + 1e-9).all()


def test_boxes_with_room_stay():
    places = np.array([[20.0, 20.0], [60.0, 20.0], [20.0, 60.0]])
    np.testing.assert_allclose(push_apart(places, np.full((3, 2), 10.0), np.array([100.0, 100.0])), places, atol=0.01)


def test_a_room_that_is_too_small_is_filled_and_left_at_that():
    found = push_apart(np.zeros((9, 2)), np.full((9, 2), 10.0), np.array([15.0, 15.0]))
    assert ((found >= 5) & (found <= 10)).all()
