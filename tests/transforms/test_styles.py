"""The views of every style and second visible view: what they always are, their rates, and what is refused."""

import hashlib
import math
import random

import jaxtyping
import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from vireid.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Movement,
    View,
    generator,
    grayscale,
    make_movement,
    make_views,
    normalize,
    visible_blurred,
)
from vireid.types import VireidError

STILL = Movement(padding=0, erasing=0.0, flipping=0.0)
DEEN = make_movement(style="deen")
NAMES = ("visible_global", "visible_channel", "infrared_global", "infrared_channel")
STYLES = ("mscmnet", "agw", "caj", "deen")
SECONDS = ("channel-exchange", "gray", "jitter", "blur", "none")
COUNT = 4000


def made_images(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, 16, 10), dtype=torch.uint8, generator=generator(0, 0, 0, "images"))


def sample_many(view: View, color: tuple[int, int, int] = (200, 50, 0)) -> tuple[Tensor, Tensor]:
    """Augmented copies of an image of one colour, one pixel of each, and that colour normalised."""
    images = torch.tensor(color, dtype=torch.uint8)[:, None, None].expand(COUNT, 3, 4, 2)
    out = view(images, generator(0, 0, 0, "many"))
    assert torch.equal(out, out[:, :, :1, :1].expand_as(out))
    return out[:, :, 0, 0], normalize(images[:1])[0, :, 0, 0]


def share(chosen: Tensor) -> float:
    return chosen.double().mean().item()


def close(rate: float) -> object:
    return pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / COUNT))


# Of the state before views took moves, and with it the committed results of the demo; the last number is the next draw.
RECORDED = {
    ("visible_global", 10, 0.5): ("635d3d8d08d9159e", 900647668),
    ("visible_global", 2, 1.0): ("6d3c9ba04eaa114b", 900647668),
    ("visible_global", 0, 0.0): ("a65850ed20bd9ad5", 900647668),
    ("visible_channel", 10, 0.5): ("520d0fee15bf5aca", 1464125964),
    ("visible_channel", 2, 1.0): ("1e0ce4fed57f648f", 1464125964),
    ("visible_channel", 0, 0.0): ("43bc82a89685eb3e", 1464125964),
    ("infrared_global", 10, 0.5): ("a02ab0d0fd0e1de7", 666447057),
    ("infrared_global", 2, 1.0): ("d2bc532994dfd575", 666447057),
    ("infrared_global", 0, 0.0): ("61dd6a1946de99e7", 666447057),
    ("infrared_channel", 10, 0.5): ("28c3ff0af36ca292", 706023951),
    ("infrared_channel", 2, 1.0): ("07cb75cf593b6741", 706023951),
    ("infrared_channel", 0, 0.0): ("46d0f239236234dc", 706023951),
}


@pytest.mark.parametrize(("name", "padding", "erasing"), RECORDED)
def test_the_views_of_mscmnet_are_to_the_bit_what_they_were(name: str, padding: int, erasing: float):
    images = torch.randint(0, 256, (24, 3, 48, 24), dtype=torch.uint8, generator=generator(3, 0, 0, "pixels"))
    draws = generator(11, 2, 5, name)
    out = make_views(padding=padding, erasing=erasing)[name](images, draws)
    checksum = hashlib.sha256(out.contiguous().numpy().tobytes()).hexdigest()[:16]
    assert (checksum, int(torch.randint(2**31, (1,), generator=draws))) == RECORDED[name, padding, erasing]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("second", SECONDS)
def test_every_view_can_be_replayed_is_bounded_and_leaves_its_input(style, second):
    images = made_images(12)
    before = images.clone()
    low = min(-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_STD))
    high = max((1 - mean) / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_STD))
    made = make_views(style=style, second_visible=second, padding=2)
    assert tuple(made) == NAMES
    for name, view in made.items():
        outs = [view(images, generator(0, 0, step, name)) for step in (0, 1, 0)]
        assert outs[0].shape == images.shape
        assert outs[0].dtype == torch.float32
        assert torch.equal(outs[0], outs[2])
        assert not torch.equal(outs[0], outs[1])
        assert low - 1e-4 <= outs[0].min()
        assert outs[0].max() <= high + 1e-4
        assert torch.equal(images, before)
        assert view(images[:1], generator(0, 0, 0, name)).shape == (1, 3, 16, 10)
        assert view(images[:0], generator(0, 0, 0, name)).shape == (0, 3, 16, 10)


@pytest.mark.parametrize("second", SECONDS)
@pytest.mark.parametrize("style", STYLES)
def test_the_second_visible_view_alone_depends_on_its_choice(style, second):
    images = made_images(12)
    usual, made = make_views(style=style), make_views(style=style, second_visible=second)
    for name in NAMES:
        same = torch.equal(made[name](images, generator(0, 0, 0, name)), usual[name](images, generator(0, 0, 0, name)))
        assert same == (name != "visible_channel" or second == "channel-exchange")


@pytest.mark.parametrize("name", ["visible_global", "infrared_global", "infrared_channel"])
def test_agw_leaves_colours_as_they_are(name: str):
    out, plain = sample_many(make_views(style="agw", padding=0, erasing=0.0)[name])
    assert torch.equal(out, plain.expand_as(out))


def test_caj_leaves_the_first_visible_view_its_colours():
    out, plain = sample_many(make_views(style="caj", padding=0, erasing=0.0)["visible_global"])
    assert torch.equal(out, plain.expand_as(out))


@pytest.mark.parametrize("name", ["infrared_global", "infrared_channel"])
def test_caj_copies_any_channel_of_infrared_or_grays_or_leaves_it(name: str):
    out, plain = sample_many(make_views(style="caj", padding=0, erasing=0.0)[name])
    gray = 0.2989 * plain[0] + 0.5870 * plain[1] + 0.1140 * plain[2]
    itself = (out == plain).all(dim=1)
    channels = [(out == plain[channel]).all(dim=1) for channel in range(3)]
    luma = torch.isclose(out, gray).all(dim=1)
    assert (sum(each.int() for each in [itself, luma, *channels]) == 1).all()
    for channel in channels:
        assert share(channel) == close(1 / 4)
    assert share(luma) == close(1 / 8)
    assert share(itself) == close(1 / 8)


@pytest.mark.parametrize("name", ["visible_global", "infrared_global", "infrared_channel"])
def test_deen_grays_half_of_both_modalities(name: str):
    out, plain = sample_many(make_views(style="deen", padding=0, erasing=0.0)[name])
    gray = normalize(torch.full((1, 3, 1, 1), round(0.299 * 200 + 0.587 * 50), dtype=torch.uint8))[0, :, 0, 0]
    itself, turned = (out == plain).all(dim=1), (out == gray).all(dim=1)
    assert (itself ^ turned).all()
    assert share(turned) == close(0.5)


def slow_area(height: int, width: int) -> float:
    """Share that DEEN's erasing paints, one try after the other."""
    for _ in range(100):
        area, aspect = random.uniform(0.2, 0.8) * height * width, random.uniform(0.3, 1 / 0.3)
        tall, wide = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if tall < height and wide < width:
            return tall * wide / (height * width)
    return 0.0


@pytest.mark.parametrize("name", ["visible_global", "visible_channel", "infrared_global"])
def test_deen_erases_a_fifth_to_four_fifths_of_half_of_the_images(name: str):
    images = torch.full((1500, 3, 48, 24), 7, dtype=torch.uint8)
    view = make_views(style="deen", second_visible="none", padding=0, erasing=0.5)[name]
    out = view(images, generator(0, 0, 0, name))
    painted = (out == torch.tensor(DEEN.fill)[:, None, None]).all(dim=1)
    assert torch.equal(out[~painted[:, None].expand_as(out)], normalize(images)[~painted[:, None].expand_as(out)])
    areas = painted.double().mean(dim=(1, 2))
    assert share(areas > 0) == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 1500))
    random.seed(0)
    slow = np.array([slow_area(48, 24) for _ in range(3000)])
    assert stats.ks_2samp(areas[areas > 0].numpy(), slow).pvalue > 1e-3
    low, high = DEEN.area
    assert low - 0.03 < areas[areas > 0].min() <= areas.max() < high + 0.03


def test_deens_paint_as_bytes_is_lighter_than_imagenets_mean():
    paint = [(fill * s + m) * 255 for fill, s, m in zip(DEEN.fill, IMAGENET_STD, IMAGENET_MEAN)]
    assert [round(each) for each in paint] == [152, 142, 127]
    assert [round(mean * 255) for mean in IMAGENET_MEAN] == [124, 116, 104]


@pytest.mark.parametrize("style", STYLES)
def test_the_gray_second_view_is_always_gray_and_none_never(style):
    for second, expected in (("gray", grayscale), ("none", lambda images: images)):
        view = make_views(style=style, second_visible=second, padding=0, erasing=0.0)["visible_channel"]
        out, _ = sample_many(view)
        color = torch.tensor([200, 50, 0], dtype=torch.uint8)[None, :, None, None]
        assert torch.equal(out, normalize(expected(color))[0, :, 0, 0].expand_as(out))


def test_the_jittered_second_view_jitters_each_image_by_its_own():
    out, plain = sample_many(
        make_views(second_visible="jitter", padding=0, erasing=0.0)["visible_channel"], (90, 90, 90)
    )
    # a gray stays gray, and on one colour contrast does nothing: what remains is brightness, 0.5 to 1.5
    factors = ((out[:, 0] * IMAGENET_STD[0] + IMAGENET_MEAN[0]) * 255 + 0.5).double().numpy() / 90
    assert stats.kstest(factors, stats.uniform(0.5, 1.0).cdf).pvalue > 1e-4
    assert not torch.equal(out[0], plain)


def test_the_blurred_second_view_blurs_each_image_by_its_own():
    dot = torch.zeros(1000, 3, 13, 13, dtype=torch.uint8)
    dot[:, :, 6, 6] = 255
    out = visible_blurred(dot, generator(0, 0, 0, "blur"), movement=STILL)
    # the wider the Gaussian, the darker its middle, so brightness tells the deviation
    middle = (out[:, 0, 6, 6] * IMAGENET_STD[0] + IMAGENET_MEAN[0]).double().numpy()
    places = np.arange(-6, 7)

    def peak(deviation: float) -> float:
        weights = np.exp(-(places**2) / (2 * deviation**2))
        return (1 / weights.sum()) ** 2

    for quantile in (0.3, 0.5, 0.7, 0.9):
        # a share of (1 - quantile) is blurred less, so brighter in the middle
        expected = peak(0.1 + 1.9 * quantile)
        below = (middle < expected).mean()
        assert below == pytest.approx(1 - quantile, abs=0.08)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"style": "pixmix"}, "style of augmentation must be one of mscmnet, agw, caj, deen, got 'pixmix'"),
        (
            {"second_visible": "sepia"},
            "second visible view must be one of channel-exchange, gray, jitter, blur, none, got 'sepia'",
        ),
        ({"padding": -1}, "padding must be at least 0 pixels and flipping and erasing a probability, got padding -1"),
        ({"erasing": 1.5}, "got padding 10, flipping 0.5, erasing 1.5"),
    ],
)
def test_unknown_names_and_numbers_out_of_range(keywords: dict, message: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match=message):
        make_views(**keywords)
