"""Every style's views against a slow reference: torchvision's first transforms, one Pillow image at a time.

The references are the tables of the published recipes, a step a line.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms as tv

from vireid.transforms import IMAGENET_MEAN, IMAGENET_STD, generator, make_views

HEIGHT, WIDTH, PADDING, COUNT = 16, 10, 2, 1500


def slow_erase(image: Tensor, low: float, high: float, paint: tuple[float, float, float]) -> Tensor:
    if random.random() >= 0.5:
        return image
    _, height, width = image.shape
    for _ in range(100):
        area, aspect = random.uniform(low, high) * height * width, random.uniform(0.3, 1 / 0.3)
        tall, wide = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if tall < height and wide < width:
            top, left = random.randint(0, height - tall), random.randint(0, width - wide)
            for channel, fill in enumerate(paint):
                image[channel, top : top + tall, left : left + wide] = fill
            return image
    return image


def slow_gray(image: Tensor) -> Tensor:
    return (0.2989 * image[0] + 0.5870 * image[1] + 0.1140 * image[2]).repeat(3, 1, 1)


def slow_exchange(image: Tensor) -> Tensor:
    return image[random.randrange(3)].repeat(3, 1, 1)


def slow_second_channel_or_gray(image: Tensor) -> Tensor:
    if random.random() < 0.5:
        return image[1].repeat(3, 1, 1)
    return slow_gray(image) if random.random() < 0.5 else image


def slow_any_channel_or_gray(image: Tensor) -> Tensor:
    case = random.randrange(4)
    if case < 3:
        return image[case].repeat(3, 1, 1)
    return slow_gray(image) if random.random() < 0.5 else image


def slow_scale(image: Tensor) -> Tensor:
    if random.random() < 0.5:
        for channel in range(3):
            image[channel] *= 2 * random.uniform(0.01, 0.5)
    return image


def on_bytes(change: Callable[[Tensor], Tensor]) -> Callable[[Image.Image], Image.Image]:
    """A change of torchvision's that is of a tensor, for Pillow's own rounds otherwise."""
    return lambda image: tv.functional.to_pil_image(change(tv.functional.pil_to_tensor(image)))


STILL = [
    tv.Pad(PADDING),
    tv.RandomCrop((HEIGHT, WIDTH)),
    tv.RandomHorizontalFlip(0.5),
    tv.ToTensor(),
    tv.Normalize(IMAGENET_MEAN, IMAGENET_STD),
]
MOVED = [*STILL, partial(slow_erase, low=0.02, high=0.4, paint=(0.4914, 0.4822, 0.4465))]
DEEN = [tv.RandomGrayscale(0.5), *STILL, partial(slow_erase, low=0.2, high=0.8, paint=IMAGENET_MEAN)]
SECOND = "visible_channel"

CASES: dict[str, tuple[str, dict[str, Any], list[Callable]]] = {
    "mscmnet Vg": ("visible_global", {}, [tv.RandomGrayscale(0.5), *MOVED]),
    "mscmnet Vc": (SECOND, {}, [*MOVED, slow_exchange]),
    "mscmnet Tg": ("infrared_global", {}, [*MOVED, slow_second_channel_or_gray]),
    "mscmnet Tc": ("infrared_channel", {}, [tv.ColorJitter(brightness=0.5), *MOVED, slow_scale]),
    "agw visible": ("visible_global", {"style": "agw", "erasing": 0.0}, STILL),
    "agw infrared": ("infrared_global", {"style": "agw", "erasing": 0.0}, STILL),
    "caj visible": ("visible_global", {"style": "caj"}, MOVED),
    "caj visible again": (SECOND, {"style": "caj"}, [*MOVED, slow_exchange]),
    "caj infrared": ("infrared_global", {"style": "caj"}, [*MOVED, slow_any_channel_or_gray]),
    "deen visible": ("visible_global", {"style": "deen"}, DEEN),
    "deen infrared": ("infrared_global", {"style": "deen"}, DEEN),
    "gray": (SECOND, {"second_visible": "gray"}, [tv.Grayscale(3), *MOVED]),
    "jitter": (SECOND, {"second_visible": "jitter"}, [on_bytes(tv.ColorJitter(0.5, 0.5, 0.5, 0.1)), *MOVED]),
    "blur": (SECOND, {"second_visible": "blur"}, [on_bytes(tv.GaussianBlur(13, (0.1, 2.0))), *MOVED]),
}


def standard_errors(slow: Tensor, fast: Tensor) -> np.ndarray:
    """How far the means of two samples are apart, in standard errors, at each place."""
    error = ((slow.var(dim=0) + fast.var(dim=0)) / COUNT).sqrt().clamp(min=1e-9)
    return ((slow.mean(dim=0) - fast.mean(dim=0)) / error).abs().numpy()


@pytest.mark.parametrize("case", CASES)
def test_moments_are_those_of_the_slow_reference(case: str):
    name, keywords, steps = CASES[case]
    images = torch.randint(0, 256, (1, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=generator(0, 0, 0, "images"))
    random.seed(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        pillow = Image.fromarray(images[0].permute(1, 2, 0).numpy())
        slow = torch.stack([tv.Compose(steps)(pillow) for _ in range(COUNT)]).double()
    view = make_views(padding=PADDING, **keywords)[name]
    fast = view(images.expand(COUNT, -1, -1, -1), generator(0, 0, 0, case)).double()

    # the first moment, the second, and how channels and mirrored places go together, at each place
    for moment in (lambda x: x, lambda x: x * x, lambda x: x * x.roll(1, dims=1), lambda x: x * x.flip(3)):
        deviations = standard_errors(moment(slow), moment(fast))
        assert deviations.max() < 5  # of 480 numbers, 4 standard errors are rare and 5 are not chance
        # places are not independent: what is done to the whole of an image moves all of them
        assert np.sqrt((deviations**2).mean()) < 1.6
    # and of an image's mean and contrast, which tell what is done to the whole of it
    for of_image in (lambda x: x.mean(dim=(2, 3)), lambda x: x.std(dim=(2, 3)), lambda x: x.amax(dim=(2, 3))):
        for power in (1, 2, 3):
            assert standard_errors(of_image(slow) ** power, of_image(fast) ** power).max() < 4
