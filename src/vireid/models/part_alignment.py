"""CSCL's part alignment (SPAM), reconstructed: part features pooled where the network itself sees the parts."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vireid.models.pooling import Pooled, generalized_mean
from vireid.models.scale import Scale
from vireid.types import VireidError

__all__ = ["PartAlignment", "part_predictor", "pool_parts"]


def pool_parts(maps: Float[Tensor, "b c h w"], probabilities: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k c"]:
    r"""Average a map over each part: :math:`f_k = \sum_i p_{k,i} x_i / \max(1, \sum_i p_{k,i})` over positions i.

    A part that covers less than one position fades to zero, where its average would be noise. In float32, whatever
    comes in.

    Args:
        maps: any values.
        probabilities: of each part at each position, 0 to 1.

    >>> maps = torch.tensor([[[[1.0, 3.0, 8.0]]]])
    >>> pool_parts(maps, torch.tensor([[[[1.0, 1.0, 0.0]], [[0.0, 0.0, 0.5]]]])).flatten()
    tensor([2., 4.])
    """
    # Autocast would round the factors of the product to half precision again.
    with torch.autocast(maps.device.type, enabled=False):
        weights = probabilities.float().flatten(2)
        mass = weights.sum(dim=2, keepdim=True).clamp(min=1)
        return torch.bmm(weights, maps.float().flatten(2).transpose(1, 2)) / mass


def part_predictor(channels: int, *, width: int, parts: int) -> nn.Sequential:
    """A 1x1 and a 3x3 convolution from a map to part logits of the same grid.

    The norm between them is taken over one image at a time, so that a dim infrared map is read like a bright visible
    one. The second convolution sees the neighbours: in short trainings from scratch on the synthetic world parts are
    learnt much sooner than from each position alone.
    """
    return nn.Sequential(
        nn.Conv2d(channels, width, 1, bias=False),
        nn.GroupNorm(1, width),
        nn.ReLU(),
        nn.Conv2d(width, parts, 3, padding=1),
    )


class PartAlignment(nn.Module):
    """Reconstruction of CSCL's SPAM, from the abstract alone: its equations are not at hand.

    With P the softmax over parts of the predicted part maps, x the map and f_k as in `pool_parts`::

        parts_k = R f_k                        for every part k but the background (k = 0)
        features = generalised mean of x + J [parts_1, ..., parts_last]

    R and J are linear without bias, so that a part that is not in the image adds nothing. J starts at zero, so that the
    embedding starts as the pooled map, and the parts learn from their own losses first. Nothing here needs a given
    part map: those guide training only, through the parsing loss on the logits.

    Assumptions:
        1. Part maps are predicted from the last map by a 1x1 and a 3x3 convolution.
        2. A part's feature is the map averaged by the part's probability; background is predicted, but not pooled.
        3. One reduction R for all parts; each part has an identity loss of its own.
        4. "Enhancing the overall person representation" is an addition to the global feature, which keeps its width.
        5. Identity losses reach the part maps through the probabilities.

    Args:
        scale: shape of the map; 2048 x 24 x 12 with 7 parts makes 4.2 million parameters with the defaults.
        parts: numbers in a part map, background (0) among them.
        width: of a part's feature, and of the layer that predicts parts.
        power: of the generalised mean that pools the global feature.

    Raises:
        VireidError: no part beside the background, or an argument out of range.

    Reference: Liu et al., CSCL (TMM 2024, doi 10.1109/TMM.2024.3521843), abstract.
    """

    def __init__(self, scale: Scale, *, parts: int, width: int = 256, power: float = 3.0) -> None:
        super().__init__()
        if parts < 2 or width < 1 or not power > 0:
            raise VireidError(
                "part alignment needs background and at least 1 part (parts from 2), a width from 1 and a power above "
                f"0, got {parts} parts, width {width}, power {power}"
            )
        self.power = power
        self.dimension = scale.channels
        self.part_count = parts - 1
        self.part_dimension = width
        self.predict = part_predictor(scale.channels, width=width, parts=parts)
        self.reduce = nn.Linear(scale.channels, width, bias=False)
        self.join = nn.Linear(self.part_count * width, scale.channels, bias=False)
        nn.init.zeros_(self.join.weight)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Pooled:
        """The enhanced embedding, a feature for each part but the background, and the part logits."""
        logits = self.predict(maps)
        probabilities = logits.float().softmax(dim=1)
        parts = self.reduce(pool_parts(maps, probabilities[:, 1:]))
        features = generalized_mean(maps, power=self.power) + self.join(parts.flatten(1))
        return Pooled(features, parts=parts.transpose(0, 1), part_maps=logits)
