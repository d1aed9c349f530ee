"""Each image operation with forced draws, against Pillow, torchvision or plain slices."""

import math
import random

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from scipy import stats
from torchvision.transforms import v2

from vireid.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    brighten,
    change_chosen,
    draw_boxes,
    draw_offsets,
    erase,
    exchange_channels,
    flip,
    generator,
    grayscale,
    luma,
    normalize,
    pad_and_crop,
)
from vireid.transforms.erase import paint_boxes_
from vireid.transforms.normalize import normalize_levels_

IMAGES = torch.randint(0, 256, (5, 3, 12, 7), dtype=torch.uint8, generator=generator(0, 0, 0, "images"))
FLOATS = normalize(IMAGES)


def pillow(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def test_grayscale_is_pillows():
    image = torch.randint(0, 256, (1, 3, 200, 200), dtype=torch.uint8)
    expected = torch.from_numpy(np.array(pillow(image[0]).convert("L")))
    assert (grayscale(image)[0] == expected).all()


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.77, 1.0, 1.3, 1.5])
def test_brightness_is_pillows(factor: float):
    image = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    expected = pixels(ImageEnhance.Brightness(pillow(image[0])).enhance(factor))
    assert torch.equal(brighten(image, torch.tensor([factor]))[0], expected.float())


def test_brightness_has_a_factor_an_image():
    out = brighten(torch.full((2, 3, 1, 1), 100, dtype=torch.uint8), torch.tensor([0.5, 2.9]))
    assert out[:, 0, 0, 0].tolist() == [50, 255]


@pytest.mark.parametrize("images", [IMAGES, FLOATS, IMAGES.contiguous(memory_format=torch.channels_last)])
def test_crop_is_a_slice_of_the_padded_image(images: torch.Tensor):
    top, left = torch.tensor([0, 2, 4, 3, 1]), torch.tensor([4, 2, 0, 1, 0])
    out = pad_and_crop(images, top, left, 2)
    for image, cropped, t, l in zip(images, out, top.tolist(), left.tolist(), strict=True):  # noqa: E741
        padded = torch.zeros(3, 16, 11, dtype=images.dtype)
        padded[:, 2:14, 2:9] = image
        assert torch.equal(cropped, padded[:, t : t + 12, l : l + 7])


def test_crop_without_padding_or_in_the_middle_is_the_image():
    middle = torch.full((5,), 3)
    assert torch.equal(pad_and_crop(IMAGES, middle, middle, 3), IMAGES)
    assert torch.equal(pad_and_crop(IMAGES, middle * 0, middle * 0, 0), IMAGES)


def test_offsets_are_uniform_and_independent():
    top, left = draw_offsets(20_000, 2, generator(0, 0, 0, "offsets"))
    table = torch.bincount(5 * top + left, minlength=25)
    assert len(table) == 25
    assert stats.chisquare(table.numpy()).pvalue > 1e-3


def test_flip_mirrors_left_and_right():
    assert torch.equal(flip(IMAGES), IMAGES[..., torch.arange(6, -1, -1)])


@pytest.mark.parametrize("chosen", [[True, False, True, True, False], [False] * 5, [True] * 5])
def test_only_the_chosen_are_changed(chosen: list[bool]):
    images = IMAGES.clone()
    out = change_chosen(images, torch.tensor(chosen), flip)
    assert torch.equal(images, IMAGES)
    assert torch.equal(change_chosen(images, torch.tensor(chosen), flip, in_place=True), out)
    assert torch.equal(images, out)
    for image, result, changed in zip(IMAGES, out, chosen, strict=True):
        assert torch.equal(result, image.flip(2) if changed else image)


def test_normalize_is_torchvisions_for_bytes_and_floats():
    expected = v2.functional.normalize(IMAGES / 255, list(IMAGENET_MEAN), list(IMAGENET_STD))
    torch.testing.assert_close(normalize(IMAGES), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(normalize(IMAGES / 255), expected, rtol=1e-5, atol=1e-6)


def test_luma_is_the_weighted_sum():
    expected = 0.2989 * FLOATS[:, 0] + 0.5870 * FLOATS[:, 1] + 0.1140 * FLOATS[:, 2]
    for channel in luma(FLOATS).unbind(1):
        torch.testing.assert_close(channel, expected)


@pytest.mark.parametrize("images", [IMAGES, FLOATS, IMAGES.contiguous(memory_format=torch.channels_last)])
@pytest.mark.parametrize(
    "channels", [[[2, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 2], [2, 2, 0]], [[2], [0], [1], [1], [2]]]
)
def test_exchange_copies_the_drawn_channels(images: torch.Tensor, channels: list[list[int]]):
    out = exchange_channels(images, torch.tensor(channels))
    assert out.shape == (5, len(channels[0]), 12, 7)
    for image, result, sources in zip(images, out, channels, strict=True):
        assert all(torch.equal(result[place], image[source]) for place, source in enumerate(sources))


@pytest.mark.parametrize("channels", [[[2, 0, 1]] * 5, [[1], [1], [0], [2], [0]]])
def test_levels_are_normalised_and_painted_as_the_channels_they_came_from(channels: list[list[int]]):
    sources, boxes = torch.tensor(channels), torch.tensor([[1, 4, 2, 5]] * 5)
    levels = exchange_channels(IMAGES, sources).float()
    out = paint_boxes_(normalize_levels_(levels, sources), boxes, torch.tensor([0.1, 0.2, 0.3])[sources])
    assert torch.equal(out, exchange_channels(erase(FLOATS, boxes, (0.1, 0.2, 0.3)), sources))


def test_erase_paints_the_box_and_nothing_else():
    boxes = torch.tensor([[1, 4, 2, 5], [0, 0, 0, 0], [0, 12, 0, 7], [11, 12, 6, 7], [3, 3, 0, 7]])
    out = erase(FLOATS, boxes, (0.1, 0.2, 0.3))
    for image, result, (top, bottom, left, right) in zip(FLOATS, out, boxes.tolist(), strict=True):
        expected = image.clone()
        expected[:, top:bottom, left:right] = torch.tensor([0.1, 0.2, 0.3])[:, None, None]
        assert torch.equal(result, expected)


def slow_box(height: int, width: int) -> tuple[int, int, int, int] | None:
    """A rectangle as the published augmentation draws it, one try after the other."""
    for _ in range(100):
        area = random.uniform(0.02, 0.4) * height * width
        aspect = random.uniform(0.3, 1 / 0.3)
        tall, wide = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if tall < height and wide < width:
            top, left = random.randint(0, height - tall), random.randint(0, width - wide)
            return top, top + tall, left, left + wide
    return None


@pytest.mark.parametrize(("height", "width"), [(96, 48), (48, 96), (20, 20)])
def test_boxes_are_distributed_as_the_slow_draw(height: int, width: int):
    random.seed(0)
    slow = np.array([slow_box(height, width) for _ in range(4000)])
    fast = draw_boxes(4000, height, width, 1.0, generator(0, 0, 0, "boxes")).numpy()
    assert (fast[:, [0, 2]] >= 0).all()
    assert (fast[:, 1] <= height).all()
    assert (fast[:, 3] <= width).all()
    for measure in (
        lambda box: box[:, 1] - box[:, 0],
        lambda box: box[:, 3] - box[:, 2],
        lambda box: (box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2]),
        lambda box: box[:, 0],
        lambda box: box[:, 2],
        lambda box: box[:, 1] + box[:, 3],
    ):
        assert stats.ks_2samp(measure(slow), measure(fast)).pvalue > 1e-3


def test_a_box_goes_with_the_probability():
    boxes = draw_boxes(10_000, 96, 48, 0.3, generator(0, 0, 0, "boxes"))
    empty = boxes[:, 1] == boxes[:, 0]
    assert abs((~empty).float().mean().item() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 10_000)
    never = draw_boxes(100, 96, 48, 0.0, generator(0, 0, 0, "boxes"))
    assert torch.equal(never[:, 0], never[:, 1])


def test_no_box_where_none_fits():
    # a rectangle must be smaller than the image both ways, and a column has no smaller width
    boxes = draw_boxes(50, 40, 1, 1.0, generator(0, 0, 0, "boxes"))
    assert (boxes[:, 1] - boxes[:, 0]).mul(boxes[:, 3] - boxes[:, 2]).sum() == 0


def test_inputs_are_not_written():
    bytes_before, floats_before = IMAGES.clone(), FLOATS.clone()
    ones, zeros = torch.ones(5), torch.zeros(5, dtype=torch.long)
    grayscale(IMAGES), brighten(IMAGES, 0.5 * ones), pad_and_crop(IMAGES, zeros, zeros, 1), normalize(IMAGES)
    normalize(FLOATS), luma(FLOATS), exchange_channels(FLOATS, zeros[:, None])
    erase(FLOATS, torch.tensor([[0, 5, 0, 5]] * 5)), change_chosen(FLOATS, ones.bool(), flip)
    assert torch.equal(IMAGES, bytes_before)
    assert torch.equal(FLOATS, floats_before)
