"""Views never wait for the device that they run on."""

import pytest
import torch

from vireid.transforms import draw_moves, evaluation_view, flip, generator, make_views, move_part_maps

STYLES = ("mscmnet", "agw", "caj", "deen")
SECONDS = ("channel-exchange", "gray", "jitter", "blur", "none")
SHAPE = (6, 3, 24, 16)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("second", SECONDS)
@pytest.mark.parametrize("padding", [0, 4])
def test_no_view_asks_for_a_number_from_the_device(style, second, padding):
    # meta tensors have no numbers: whatever depends on one raises, as .item(), nonzero and boolean indexes do
    images = torch.empty(SHAPE, dtype=torch.uint8, device="meta")
    moves = draw_moves(SHAPE[0], *SHAPE[2:], generator(0, 0, 0, "moves"))
    for name, view in make_views(style=style, second_visible=second, padding=padding).items():
        for given in (None, moves):
            out = view(images, generator(0, 0, 0, name), moves=given)
            assert (out.device.type, out.shape, out.dtype) == ("meta", SHAPE, torch.float32)


def test_nor_do_the_view_of_retrieval_and_part_maps():
    images = torch.empty(SHAPE, dtype=torch.uint8, device="meta")
    assert evaluation_view(images).shape == flip(images).shape == SHAPE
    moves = draw_moves(SHAPE[0], *SHAPE[2:], generator(0, 0, 0, "moves"))
    assert move_part_maps(images[:, 0], moves).shape == images[:, 0].shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("second", SECONDS)
def test_no_view_waits_for_the_gpu(style, second):
    # what meta tensors do not show: a copy that the processor waits for
    images = torch.zeros(SHAPE, dtype=torch.uint8, device="cuda")
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for name, view in make_views(style=style, second_visible=second).items():
            view(images, generator(0, 0, 0, name))
        evaluation_view(images)
    finally:
        torch.cuda.set_sync_debug_mode(before)
