"""Batched augmentation on the training device, with randomness that can be replayed."""

from vireid.transforms.channels import exchange_channels, scale_channels
from vireid.transforms.chosen import change_chosen
from vireid.transforms.color import brighten, grayscale, luma
from vireid.transforms.crop import draw_offsets, pad_and_crop
from vireid.transforms.erase import draw_boxes, erase
from vireid.transforms.flip import flip
from vireid.transforms.normalize import IMAGENET_MEAN, IMAGENET_STD, normalize
from vireid.transforms.randomness import generator
from vireid.transforms.views import (
    View,
    evaluation_view,
    infrared_channel,
    infrared_global,
    make_views,
    visible_channel,
    visible_global,
)

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "View",
    "brighten",
    "change_chosen",
    "draw_boxes",
    "draw_offsets",
    "erase",
    "evaluation_view",
    "exchange_channels",
    "flip",
    "generator",
    "grayscale",
    "infrared_channel",
    "infrared_global",
    "luma",
    "make_views",
    "normalize",
    "pad_and_crop",
    "scale_channels",
    "visible_channel",
    "visible_global",
]
