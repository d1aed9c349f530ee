"""Draws that depend on the key and on nothing else."""

import torch

from vireid.transforms import generator


def draws(seed: int = 0, epoch: int = 0, step: int = 0, name: str = "visible_global") -> list[float]:
    return torch.rand(8, generator=generator(seed, epoch, step, name)).tolist()


def test_the_same_key_gives_the_same_draws_whatever_ran_before():
    first = draws(epoch=3, step=4)
    torch.rand(1000)
    draws(epoch=9)
    assert draws(epoch=3, step=4) == first


def test_each_part_of_the_key_counts():
    keys = [
        {},
        {"seed": 1},
        {"epoch": 1},
        {"step": 1},
        {"name": "visible_channel"},
        # the same digits in other places
        {"epoch": 11, "step": 1},
        {"epoch": 1, "step": 11},
        {"seed": -1},
        {"seed": 2**64},
    ]
    assert len({tuple(draws(**key)) for key in keys}) == len(keys)


def test_the_global_source_is_left_alone():
    before = torch.get_rng_state()
    draws()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_key_of_a_run_does_not_change_between_releases():
    # a change here makes interrupted runs resume to other weights: say so in the changelog
    assert generator(0, 2, 7, "infrared_channel").initial_seed() == 10495872031399933384
