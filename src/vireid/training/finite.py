"""That losses, gradients and weights of a training stay finite: looked at where nothing has to be waited for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from vireid.models.finite import first_not_finite

__all__ = [
    "NotFiniteError",
    "check_gradients",
    "check_terms",
    "check_weights",
    "gradient_size",
]


class NotFiniteError(Exception):
    """A loss term, a gradient or a weight is NaN or infinite.

    Attributes:
        step: from 0, over all epochs.
        epoch: from 0.
        term: what it was: the name of a loss term, ``gradient of NAME`` (``gradient`` where it was noticed later, as on
            a GPU) or ``weight NAME``.
        value: what it was; of a gradient its norm.
        weights_before: whether the network still holds the weights before the step.
    """

    def __init__(
        self, rule: str, *, step: int, epoch: int, term: str, value: float, weights_before: bool = True
    ) -> None:
        super().__init__(f"{rule} at step {step} (epoch {epoch})")
        self.step, self.epoch, self.term, self.value = step, epoch, term, value
        self.weights_before = weights_before


def check_terms(terms: Mapping[str, float], *, step: int, epoch: int) -> None:
    """Refuse a loss that is not finite.

    Raises:
        NotFiniteError: with the first term that is not.
    """
    for name, value in terms.items():
        if not math.isfinite(value):
            rule = f"the loss must stay finite, but its term {name!r} is {value}"
            raise NotFiniteError(rule, step=step, epoch=epoch, term=name, value=value)


def gradient_size(weights: Iterable[nn.Parameter]) -> Tensor:
    """A number that is finite where every gradient is, on their device; a GPU is not waited for."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if gradients and gradients[0].device.type == "cpu":
        # A tenth of the time of the largest magnitude, but its squares leave float32 long before the gradients do.
        norm = get_total_norm(gradients)
        if norm.isfinite():
            return norm
    return get_total_norm(gradients, norm_type=math.inf)


def check_gradients(size: float, weights: Mapping[str, nn.Parameter], *, step: int, epoch: int) -> None:
    """Refuse gradients that are not finite.

    Args:
        size: see `gradient_size`.
        weights: by name; of those that still have their gradients the first that breaks the rule is named.

    Raises:
        NotFiniteError: the size is not finite.
    """
    if math.isfinite(size):
        return
    name = first_not_finite({name: weight.grad for name, weight in weights.items() if weight.grad is not None})
    whose, term = (f"that of {name!r} is", f"gradient of {name}") if name else ("its largest element is", "gradient")
    rule = f"the gradient must stay finite, but {whose} {size}"
    raise NotFiniteError(rule, step=step, epoch=epoch, term=term, value=size)


def check_weights(weights: Mapping[str, Tensor], *, step: int, epoch: int) -> None:
    """Refuse weights that are not finite after a step; a GPU is waited for.

    Raises:
        NotFiniteError: with the first weight that is not.
    """
    if name := first_not_finite(weights):
        tensor = weights[name].detach()
        value = float(tensor[~tensor.isfinite()][0])
        raise NotFiniteError(
            f"the weights must stay finite, but {name!r} holds {value} after the update",
            step=step,
            epoch=epoch,
            term=f"weight {name}",
            value=value,
            weights_before=False,
        )
