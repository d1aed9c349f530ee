"""The losses against values and gradients of the published implementations, in float64."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vireid.losses import (
    batch_hard_triplet_loss,
    center_guided_pair_loss,
    center_triplet_loss,
    quadruple_center_loss,
    squared_difference_triplet_loss,
    weighted_regularized_triplet_loss,
)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "losses.npz")
released = partial(quadruple_center_loss, variant="released", margin=0.7)


def guided_pair(features: Tensor, labels: Tensor) -> Tensor:
    """The four blocks are the original's visible and infrared features, then the branch's."""
    original, branch = features.chunk(2)
    own = labels.chunk(2)[0]
    return center_guided_pair_loss(original, branch, own, torch.arange(len(own)) >= len(own) // 2, margin=0.2)


def three_streams(features: Tensor, labels: Tensor) -> Tensor:
    """CAJ has visible, visible with exchanged channels, infrared: three of the four blocks."""
    return squared_difference_triplet_loss(features[:72], labels[:72])


@pytest.mark.parametrize(
    ("batch", "name", "loss", "tolerance"),
    [
        ("c0", "qct_a0_m0.7", partial(released, alpha=0.0), 1e-12),
        ("c0", "qct_a0_m0.7", released, 1e-12),  # off is the default
        ("c0", "qct_ownstream_a0.05_m0.7", partial(released, alpha=0.05), 1e-12),
        # the published code adds 1e-6 below its softmax
        ("c0", "wrt", weighted_regularized_triplet_loss, 1e-8),
        ("c0", "batch_hard_m0.3", partial(batch_hard_triplet_loss, margin=0.3), 1e-12),
        ("c0", "center_triplet_m0.3", partial(center_triplet_loss, margin=0.3), 1e-12),
        ("c0", "center_guided_pair_m0.2", guided_pair, 1e-12),
        ("c0", "three_squared_difference", three_streams, 1e-8),
        ("c0_two", "wrt", weighted_regularized_triplet_loss, 1e-8),
        ("c0_two", "batch_hard_m0.3", partial(batch_hard_triplet_loss, margin=0.3), 1e-12),
    ],
)
def test_value_and_gradient(batch: str, name: str, loss: Callable[..., Tensor], tolerance: float):
    features = torch.from_numpy(GOLDEN[f"{batch}_features"]).requires_grad_()
    value = loss(features, torch.from_numpy(GOLDEN[f"{batch}_labels"]))
    value.backward()
    assert features.grad is not None
    assert value.item() == pytest.approx(float(GOLDEN[f"{batch}_{name}_value"]), abs=tolerance)
    gradient = GOLDEN[f"{batch}_{name}_grad"]
    np.testing.assert_allclose(features.grad.numpy()[: len(gradient)], gradient, rtol=0, atol=tolerance)
