"""From pooled features to logits: BNNeck and a classifier without bias."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Head"]


class Head(nn.Module):
    """BatchNorm with a frozen zero bias (BNNeck), then a linear classifier without bias.

    The metric loss sees the feature before the BatchNorm, the identity loss the logits, a search the feature after it.

    Args:
        dimension: of the feature.
        identities: classes to tell apart in training.

    Reference: Luo et al., Bag of Tricks (CVPRW 2019). Initialised as in AGW: BatchNorm weight N(1, 0.01), classifier
    N(0, 0.001).
    """

    def __init__(self, dimension: int, identities: int) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(dimension)
        self.neck.bias.requires_grad_(False)
        self.classifier = nn.Linear(dimension, identities, bias=False)
        nn.init.normal_(self.neck.weight, 1.0, 0.01)
        nn.init.normal_(self.classifier.weight, 0.0, 0.001)

    def forward(self, features: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b n"]]:
        """The normalised features and the logits."""
        normalized = self.neck(features)
        return normalized, self.classifier(normalized)
