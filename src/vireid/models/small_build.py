"""Building what a file asks for, and no more than its tensors account for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from vireid.types import VireidError

__all__ = ["MAX_PIXELS", "SmallBuild", "check_options"]

MAX_PIXELS = 2**20
"""Of the images that a network from a file may ask for; a crop of a person is seldom larger than 1000 x 500."""

# Widths, depths and counts of a network of four stages seldom sum to a third of it.
_SUM_OF_OPTIONS = 2**15

# The networks that were tried make 6 to 18 tensors for each one that they keep.
_MADE_A_TENSOR = 30
_MADE = 500
_MOST_MADE = 50_000
# A map that no network here comes near: attention of all positions to all at 768 x 384 has 2**24.3.
_LARGEST_MAP = 2**25
# A sketch has no values; to draw them all the same takes most of the time that it is built in.
_DRAWS = {Tensor.normal_, Tensor.uniform_}


class SmallBuild(TorchFunctionMode):
    """Inside the block a network may not grow endlessly: for a sketch on the device ``meta``, which takes no memory.

    Args:
        sizes: how many numbers each tensor of the file holds.

    Raises:
        VireidError: far more tensors made than a network of that many needs, or a map of more numbers than
            any network here has.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self._left = min(_MADE + _MADE_A_TENSOR * len(sizes), _MOST_MADE)
        self._largest = max(_LARGEST_MAP, *sizes, 0)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call torch and look at what came out."""
        result = args[0] if func in _DRAWS else func(*args, **(kwargs or {}))
        # Never at a call that gives no tensor: one of them switches gradients on again when a block ends.
        if isinstance(result, Tensor):
            self._left -= 1
            if self._left < 0:
                raise VireidError("its layers are many times those that the tensors of the file belong to")
            if result.numel() > self._largest:
                raise VireidError(
                    f"it needs a tensor of shape {tuple(result.shape)}, which is larger than any known here"
                )
        return result


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse counts beyond any network before timm counts up to them, which it does before it makes a tensor.

    Args:
        options: of a backbone.

    Raises:
        VireidError: their numbers sum to more than 2**15, signs aside, or one of them is none.
    """
    total: float = 0
    left: list[Any] = [options]
    while left:  # a loop, since a file may nest deeper than Python calls
        value = left.pop()
        if isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)
        elif isinstance(value, int | float):
            total += abs(value)
            if not total <= _SUM_OF_OPTIONS:
                raise VireidError(
                    f"the numbers in the options of a backbone may sum to at most {_SUM_OF_OPTIONS}, but "
                    f"{value!r:.40} takes them beyond; take widths and depths of a network that is known to work"
                )
