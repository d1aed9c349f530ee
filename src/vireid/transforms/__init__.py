"""Batched augmentation on the training device, with randomness that can be replayed."""

from vireid.transforms.blur import blur
from vireid.transforms.channels import exchange_channels
from vireid.transforms.chosen import change_chosen
from vireid.transforms.color import brighten, grayscale, luma
from vireid.transforms.common import View
from vireid.transforms.crop import draw_offsets, pad_and_crop
from vireid.transforms.erase import draw_boxes, erase
from vireid.transforms.flip import flip
from vireid.transforms.infrared import infrared_any_channel, infrared_channel, infrared_global
from vireid.transforms.jitter import draw_jitter, jitter
from vireid.transforms.moves import Movement, Moves, draw_moves, move_images, move_part_maps
from vireid.transforms.normalize import IMAGENET_MEAN, IMAGENET_STD, normalize
from vireid.transforms.randomness import generator
from vireid.transforms.views import SecondVisible, Style, evaluation_view, make_movement, make_views
from vireid.transforms.visible import visible_blurred, visible_channel, visible_global, visible_jittered

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Movement",
    "Moves",
    "SecondVisible",
    "Style",
    "View",
    "blur",
    "brighten",
    "change_chosen",
    "draw_boxes",
    "draw_jitter",
    "draw_moves",
    "draw_offsets",
    "erase",
    "evaluation_view",
    "exchange_channels",
    "flip",
    "generator",
    "grayscale",
    "infrared_any_channel",
    "infrared_channel",
    "infrared_global",
    "jitter",
    "luma",
    "make_movement",
    "make_views",
    "move_images",
    "move_part_maps",
    "normalize",
    "pad_and_crop",
    "visible_blurred",
    "visible_channel",
    "visible_global",
    "visible_jittered",
]
