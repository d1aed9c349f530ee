from __future__ import annotations

import numpy as np
import pytest

from vireid.synthetic import PART_NAMES, cameras_of, render
from vireid.types import Modality, VireidError

CAMERAS = cameras_of("sysu", 0)


@pytest.mark.parametrize(("height", "width"), [(32, 16), (64, 48), (384, 192)])
def test_a_picture_has_the_size_asked_for(height: int, width: int) -> None:
    picture = render(0, person=1, camera=CAMERAS[0], image=1, height=height, width=width)
    assert picture.image.shape == (height, width, 3)
    assert picture.parts.shape == (height, width)
    assert picture.parts.max() < len(PART_NAMES)


def test_a_picture_is_a_function_of_its_arguments_alone() -> None:
    first = render(0, person=4, camera=CAMERAS[2], image=2, height=64, width=32)
    render(1, person=9, camera=CAMERAS[4], image=1, height=96, width=48)
    again = render(0, person=4, camera=cameras_of("sysu", 0)[2], image=2, height=64, width=32)
    assert (first.image == again.image).all()
    assert (first.parts == again.parts).all()


@pytest.mark.parametrize("change", [{"person": 5}, {"image": 3}, {"camera": CAMERAS[5]}])
def test_each_argument_changes_the_picture(change: dict[str, object]) -> None:
    base = {"person": 4, "camera": CAMERAS[2], "image": 2, "height": 64, "width": 32}
    assert (render(0, **base).image != render(0, **{**base, **change}).image).any()


def test_pictures_show_people_from_head_to_feet() -> None:
    rows = {name: [] for name in PART_NAMES}
    for person in range(1, 25):
        parts = render(0, person=person, camera=CAMERAS[1], image=1, height=128, width=64).parts
        assert 0.1 < (parts > 0).mean() < 0.75
        for number, name in enumerate(PART_NAMES):
            where = np.nonzero(parts == number)[0]
            if where.size:
                rows[name].append(where.mean() / 128)
    for name in ("head", "upper", "lower", "arms", "feet"):
        assert len(rows[name]) >= 22, name
    assert np.mean(rows["head"]) < np.mean(rows["upper"]) < np.mean(rows["lower"]) < np.mean(rows["feet"])
    assert len(rows["bag"]) >= 8


def test_infrared_pictures_have_one_channel_three_times() -> None:
    for camera in CAMERAS:
        image = render(0, person=2, camera=camera, image=1, height=64, width=32).image
        equal = bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
        assert equal == (camera.modality is Modality.INFRARED)


def test_cameras_2_and_3_of_sysu_see_the_same_place() -> None:
    second, third = CAMERAS[1], CAMERAS[2]
    assert (second.place, second.yaws, second.elevation) == (third.place, third.yaws, third.elevation)
    assert len({camera.place for camera in CAMERAS}) == 5


def test_a_size_that_shows_nobody_is_refused() -> None:
    with pytest.raises(VireidError, match="at least 32 x 16"):
        render(0, person=1, camera=CAMERAS[0], image=1, height=16, width=16)
