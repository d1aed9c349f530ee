"""Jitter and blur with forced amounts, against Pillow and scipy; and what is drawn for them."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, stats
from torchvision.transforms.v2 import functional as F

from vireid.transforms import blur, draw_jitter, generator, jitter

IMAGES = torch.randint(0, 256, (4, 3, 20, 14), dtype=torch.uint8, generator=generator(0, 0, 0, "images"))
CHANGES = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def test_jitter_is_pillows_in_the_drawn_order():
    # the same image with the same amounts, in four orders
    images = IMAGES[:1].expand(4, -1, -1, -1)
    amounts = torch.tensor([[1.4, 0.6, 1.5, 0.1]] * 4)
    order = torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]])
    out = jitter(images, amounts, order)
    pillows = []
    for first_to_last in order.tolist():
        image = Image.fromarray(images[0].permute(1, 2, 0).numpy())
        for change in first_to_last:
            image = CHANGES[change](image, amounts[0, change].item())
        pillows.append(np.array(image).astype(int))
    for place, result in enumerate(out.permute(0, 2, 3, 1).numpy().astype(int)):
        off = [np.abs(result - pillow).mean() for pillow in pillows]
        # Pillow keeps hue and saturation as bytes, so values differ by some; those of another order by more
        assert off[place] < 2
        assert min(off[:place] + off[place + 1 :]) > 3


def slowly(image: torch.Tensor, amounts: list[float], order: list[int]) -> torch.Tensor:
    for change in order:
        image = CHANGES[change](image, amounts[change])
    return image


@pytest.mark.parametrize("first", range(4))
def test_one_change_is_torchvisions_to_a_level(first: int):
    # dark, bright, gray and faint images, where hue and saturation are steep or undefined
    images = torch.randint(0, 256, (40, 3, 16, 12), dtype=torch.uint8, generator=generator(1, 0, 0, "images"))
    images[0], images[1], images[2:6] = 0, 255, images[2:6, :1]
    images[6:20] = images[6:20] // 100 + 120
    drawn, _ = draw_jitter(40, generator(1, 0, 0, "amounts"), hue=0.5)
    amounts = torch.tensor([[1.0, 1.0, 1.0, 0.0]]).repeat(40, 1)
    amounts[:, first] = drawn[:, first]
    order = [first, *(change for change in range(4) if change != first)]
    slow = torch.stack([slowly(image, own, order) for image, own in zip(images, amounts.tolist())])
    off = (jitter(images, amounts, torch.tensor([order] * 40)).int() - slow.int()).abs()
    assert off.max() <= (first > 1)
    # of a gray pixel's levels saturation makes a whole number, so the last bit of a float tells which side it falls on
    assert (off > 0).double().mean() < 0.01


def test_all_changes_are_torchvisions_in_each_images_own_order():
    images = torch.randint(0, 256, (48, 3, 16, 12), dtype=torch.uint8, generator=generator(2, 0, 0, "images"))
    amounts, order = draw_jitter(48, generator(2, 0, 0, "amounts"))
    slow = [slowly(*each) for each in zip(images, amounts.tolist(), order.tolist())]
    off = (jitter(images, amounts, order).int() - torch.stack(slow).int()).abs()
    # a level's difference may be stretched by what comes after it
    assert off.max() <= 3
    assert (off > 0).double().mean() < 0.002


def test_jitter_by_nothing_changes_nothing():
    amounts = torch.tensor([[1.0, 1.0, 1.0, 0.0]] * 4)
    _, order = draw_jitter(4, generator(0, 0, 0, "order"))
    off = jitter(IMAGES, amounts, order).int() - IMAGES.int()
    assert off.abs().max() <= 1  # there and back between RGB and HSV


def test_jitter_has_amounts_an_image_and_does_not_write_its_input():
    before = IMAGES.clone()
    amounts = torch.tensor([[1.0, 1, 1, 0], [0.0, 1, 1, 0], [1.0, 0, 1, 0], [1.0, 1, 0, 0]])
    out = jitter(IMAGES, amounts, torch.arange(4).expand(4, 4))
    assert torch.equal(IMAGES, before)
    assert (out[1] == 0).all()  # no brightness
    assert len(out[2].unique()) == 1  # no contrast
    assert (out[3].int() - out[3, :1].int()).abs().max() <= 1  # no saturation


def test_drawn_amounts_are_uniform_and_every_order_is_as_likely():
    amounts, order = draw_jitter(6000, generator(0, 0, 0, "jitter"))
    for column, (low, width) in zip(amounts.double().numpy().T, [(0.5, 1.0)] * 3 + [(-0.1, 0.2)]):
        assert low <= column.min() <= column.max() <= low + width
        assert stats.kstest(column, stats.uniform(low, width).cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(amounts.numpy().T) - np.eye(4)).max() < 0.06
    counts = dict.fromkeys(itertools.permutations(range(4)), 0)
    for each in order.tolist():
        counts[tuple(each)] += 1
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_blur_is_scipys(sigma: float):
    sigmas = torch.tensor([sigma, 0.1, sigma, 1.7])
    for image, result, own in zip(IMAGES, blur(IMAGES, sigmas), sigmas.tolist()):
        for channel in range(3):
            exact = ndimage.gaussian_filter(image[channel].double().numpy(), own, mode="mirror", radius=6)
            assert np.abs(exact - result[channel].numpy()).max() < 0.51


def test_blur_of_next_to_nothing_and_of_images_smaller_than_its_reach():
    assert torch.equal(blur(IMAGES, torch.full((4,), 0.1)), IMAGES)
    small = IMAGES[:, :, :3, :2]
    blurred = blur(small, torch.full((4,), 2.0))
    assert blurred.shape == small.shape
    assert blur(small[:, :, :1, :1], torch.full((4,), 2.0)).equal(small[:, :, :1, :1])
