"""Scores as integers, so that equal ones are told apart by their place in the gallery and by nothing else."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

__all__ = ["DIGIT_BITS", "descending_keys", "digits"]

DIGIT_BITS = 32
_INDEX_BITS = 30


def descending_keys(scores: Float32[np.ndarray, "q g"]) -> Int64[np.ndarray, "q g"]:
    """Integers that order each row as its scores do, where of two equal scores the earlier counts as higher.

    Plain integers without ties need no stable sort and no array of indices beside them: the bits of an IEEE number,
    read as an integer, rise with the number.

    >>> descending_keys(np.float32([[0.5, 0.9, 0.5]])).argsort()[:, ::-1]
    array([[1, 0, 2]])
    """
    # Adding zero makes -0.0 equal to 0.0, as it is for every comparison.
    bits = (scores + np.float32(0)).view(np.int32)
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    keys = bits.astype(np.int64)
    keys <<= _INDEX_BITS + 1
    keys |= np.arange(scores.shape[1])[::-1]
    return keys


def digits(scores: Float[Tensor, "*n"]) -> list[Int64[Tensor, "*n"]]:
    """Each score as one (single precision) or two (double) digits in 1 .. 2^32 - 1, the most significant first.

    Read digit by digit they order as the scores do; NaN has no place among them. No score has 0 as its first digit.

    >>> digits(torch.tensor([-1.0, -0.0, 0.0]))[0].diff().sign().tolist()
    [1, 0]
    """
    scores = scores + 0.0
    if scores.dtype == torch.float64:
        bits = scores.view(torch.int64)
        bits = bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF)
        return [(bits >> DIGIT_BITS) + (1 << 31), bits & 0xFFFFFFFF]
    bits = scores.view(torch.int32)
    bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return [bits.long() + (1 << 31)]
