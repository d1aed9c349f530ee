"""The views: replay, a sample's own draws, rates, and what is refused."""

from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from vireid import transforms
from vireid.transforms import IMAGENET_MEAN, IMAGENET_STD, Movement, View, generator, make_views, normalize
from vireid.types import VireidError

NAMES = ("visible_global", "visible_channel", "infrared_global", "infrared_channel")
HEIGHT, WIDTH, PADDING = 16, 10, 2


def made_images(count: int, *, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator(0, 0, 0, "images"))


def drawn(view: View, images: Tensor, step: int = 0) -> Tensor:
    return view(images, generator(5, 1, step, "a view"))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def view(name: str) -> View:
    return make_views(padding=PADDING)[name]


def test_bytes_in_floats_out_and_the_input_is_not_written(view: View):
    images = made_images(6)
    before = images.clone()
    out = drawn(view, images)
    assert out.dtype == torch.float32
    assert out.shape == images.shape
    assert torch.equal(images, before)


def test_a_step_can_be_replayed_in_any_order(view: View):
    images = made_images(6)
    in_order = [drawn(view, images, step) for step in range(4)]
    for step in (2, 0, 3, 1):
        assert torch.equal(drawn(view, images, step), in_order[step])
    assert not torch.equal(in_order[0], in_order[1])


def test_global_randomness_neither_matters_nor_changes(view: View):
    images = made_images(6)
    first = drawn(view, images)
    torch.rand(3)
    before = torch.get_rng_state()
    assert torch.equal(drawn(view, images), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_each_sample_has_its_own_draws(view: View):
    out = drawn(view, made_images(1).expand(40, -1, -1, -1))
    different = len({sample.numpy().tobytes() for sample in out})
    assert different > 25  # some of the 40 meet the same few offsets, unerased


def test_memory_format_does_not_matter(view: View):
    images = made_images(6)
    assert torch.equal(drawn(view, images.contiguous(memory_format=torch.channels_last)), drawn(view, images))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_device_does_not_matter(view: View):
    images = made_images(6)
    torch.testing.assert_close(drawn(view, images.cuda()).cpu(), drawn(view, images), rtol=1e-6, atol=1e-6)


STILL = Movement(padding=0, erasing=0.0, flipping=0.0)

SWITCHED_OFF: dict[str, dict[str, float]] = {
    "visible_global": {"graying": 0.0},
    "infrared_global": {"second_channel": 0.0, "graying": 0.0},
    "infrared_channel": {"brightness": 0.0, "scaling": 0.0},
}


@pytest.mark.parametrize("off", SWITCHED_OFF)
def test_with_everything_off_a_view_only_normalises(off: str):
    images = made_images(6)
    view = getattr(transforms, off)
    out = view(images, generator(0, 0, 0, off), movement=STILL, **SWITCHED_OFF[off])
    assert torch.equal(out, normalize(images))
    assert torch.equal(transforms.evaluation_view(images), normalize(images))


def test_with_everything_off_the_channel_view_is_one_normalised_channel():
    images = made_images(30)
    out = transforms.visible_channel(images, generator(0, 0, 0, "off"), movement=STILL)
    taken = [
        [torch.equal(sample[0], plain[c]) for c in range(3)].index(True)
        for sample, plain in zip(out, normalize(images))
    ]
    assert set(taken) == {0, 1, 2}
    assert torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(out[:, 0], out[:, 2])


def test_one_probability_leaves_the_other_draws_alone(name: str):
    images = made_images(20)
    without, painted = (drawn(make_views(padding=PADDING, erasing=p)[name], images) for p in (0.0, 1.0))
    same = (without == painted).all(dim=1)
    # outside the rectangles nothing moved
    assert (same.flatten(1).float().mean(dim=1) > 0.5).all()
    assert not same.flatten(1).all(dim=1).any()


def test_a_batch_of_one_and_an_empty_batch(view: View):
    assert drawn(view, made_images(1)).shape == (1, 3, HEIGHT, WIDTH)
    assert drawn(view, made_images(0)).shape == (0, 3, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 8, 4), r"uint8, 0 to 255, got \(2, 3, 8, 4\) of float32"),
        (torch.zeros(2, 1, 8, 4, dtype=torch.uint8), r"got \(2, 1, 8, 4\) of uint8; .* its channel three times"),
        (torch.zeros(2, 8, 4, 3, dtype=torch.uint8), r"got \(2, 8, 4, 3\)"),
        (torch.zeros(3, 8, 4, dtype=torch.uint8), r"got \(3, 8, 4\)"),
    ],
)
def test_bad_input(view: View, images: Tensor, message: str, monkeypatch: pytest.MonkeyPatch):
    # without the shape hook, as users run it
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(VireidError, match=message):
        drawn(view, images)
    with pytest.raises(VireidError, match=message):
        transforms.evaluation_view(images)


# Rates, one draw switched on at a time: 4,000 samples tell 0.5 from 0.54.

COUNT = 4000
CLOSE = pytest.approx(0.5, abs=4 * (0.25 / COUNT) ** 0.5)


def sample_many(
    view: str, color: tuple[int, int, int] | Tensor, movement: Movement = STILL, **keywords: float
) -> tuple[Tensor, Tensor]:
    """Augmented copies of one image, and that image normalised alone."""
    plain = torch.tensor(color, dtype=torch.uint8)[:, None, None].expand(3, 8, 6) if isinstance(color, tuple) else color
    images = plain.expand(COUNT, 3, *plain.shape[1:])
    keywords = SWITCHED_OFF.get(view, {}) | keywords
    out = getattr(transforms, view)(images, generator(0, 0, 0, view), movement=movement, **keywords)
    return out, normalize(images[:1])[0]


def changed(out: Tensor, plain: Tensor) -> Tensor:
    return (out != plain).flatten(1).any(dim=1)


def test_half_are_mirrored(name: str):
    halves = torch.zeros(3, 8, 6, dtype=torch.uint8)
    halves[:, :, 3:] = 255
    out, _ = sample_many(name, halves, replace(STILL, flipping=0.5))
    assert (out[:, 0, 0, 0] > out[:, 0, 0, 5]).double().mean().item() == CLOSE


def test_half_are_erased(name: str):
    out, _ = sample_many(name, (9, 9, 9), replace(STILL, erasing=0.5))
    uniform = (out == out[:, :, :1, :1]).flatten(1).all(dim=1)
    assert uniform.double().mean().item() == CLOSE


def test_half_of_the_visible_are_gray():
    out, plain = sample_many("visible_global", (200, 50, 0), graying=0.5)
    gray = changed(out, plain)
    assert gray.double().mean().item() == CLOSE
    luma = 0.299 * 200 + 0.587 * 50
    assert torch.equal(
        out[gray], normalize(torch.full((1, 3, 8, 6), round(luma), dtype=torch.uint8)).expand_as(out[gray])
    )


def test_each_channel_is_exchanged_a_third_of_the_time():
    out, plain = sample_many("visible_channel", (200, 50, 0))
    for channel in range(3):
        share = (out[:, 0, 0, 0] == plain[channel, 0, 0]).double().mean().item()
        assert share == pytest.approx(1 / 3, abs=4 * (2 / 9 / COUNT) ** 0.5)


def test_infrared_is_one_channel_or_gray_or_itself():
    out, plain = sample_many("infrared_global", (90, 90, 90), second_channel=0.5, graying=0.5)
    gray = (plain[:, 0, 0] * torch.tensor([0.2989, 0.5870, 0.1140])).sum()
    itself = (out == plain).flatten(1).all(dim=1)
    second = (out == plain[1]).flatten(1).all(dim=1)
    luma = torch.isclose(out, gray).flatten(1).all(dim=1)
    assert (itself.int() + second.int() + luma.int() == 1).all()
    assert second.double().mean().item() == CLOSE
    assert luma.double().mean().item() == pytest.approx(0.25, abs=4 * (3 / 16 / COUNT) ** 0.5)


def test_half_of_the_infrared_are_scaled_by_two_hundredths_to_one():
    out, plain = sample_many("infrared_channel", (90, 90, 90), scaling=0.5)
    scaled = changed(out, plain)
    assert scaled.double().mean().item() == CLOSE
    factors = (out / plain)[scaled][:, :, 0, 0].double().numpy()
    assert stats.kstest(factors.ravel(), stats.uniform(0.02, 0.98).cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(factors.T) - np.eye(3)).max() < 0.1


def test_brightness_is_half_to_one_and_a_half():
    out, _ = sample_many("infrared_channel", (160, 160, 160), brightness=0.5)
    value = out[:, 0, 0, 0].double() * IMAGENET_STD[0] + IMAGENET_MEAN[0]
    assert stats.kstest((value * 255 + 0.5).numpy() / 160, stats.uniform(0.5, 1).cdf).pvalue > 1e-3
