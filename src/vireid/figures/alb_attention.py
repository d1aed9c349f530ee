"""What each ALB of MSCMNet's MIMB does for one image: which token asks which, and what its scale brings of a place."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from vireid.figures.evidence import GRID, images_without
from vireid.models import ALB, CrossAttention, Network, Scale
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError

__all__ = ["AlbAttention", "alb_attention"]

_AT_ONCE = 8
_LEVELS = ("stem", "stage 1", "stage 2", "stage 3")


@dataclass(frozen=True, eq=False, slots=True)
class AlbAttention:
    """What one block does for one image; t tokens, h w places of the deep map.

    A token is a channel, not a place: the attention has no weights from place to place that could be laid over the
    image. Three things can be told of it:

    Attributes:
        level: of the map that it mines, 0 (stem) to 3 (third stage); None for self-attention on the deep map.
        shallow: shape of that map; of the deep one for self-attention.
        tokens: attention weights averaged over the heads: row i is how much token i takes of each token's value, and
            sums to 1.
        mined: root mean square over tokens of what the attention adds, ``attention(q, k, v)`` after its last linear
            layer, at each place. Those linear layers mix the places, and in a trained network this map is nearly the
            same for every image (99 % of its variance with the demo's network): it shows the weights, so lay it over
            no image.
        places: for a grid over the image, how far the embedding turns, ``1 - cosine``, when this block alone is given
            the map of an image whose place is blurred, all else being the whole image's: what this scale brings of the
            place. Blocks of one image compare; None for self-attention, which has no scale of its own.
    """

    level: int | None
    shallow: Scale
    tokens: Float32[np.ndarray, "t t"]
    mined: Float32[np.ndarray, "h w"]
    places: Float32[np.ndarray, "rows columns"] | None

    @property
    def name(self) -> str:
        """The scale and its grid.

        >>> empty = np.zeros((1, 1), dtype=np.float32)
        >>> AlbAttention(0, Scale(64, 96, 48), empty, empty, empty).name
        'G0 stem 96 x 48'
        """
        source = "deep map" if self.level is None else f"G{self.level} {_LEVELS[self.level]}"
        return f"{source} {self.shallow.height} x {self.shallow.width}"


@torch.inference_mode()
def alb_attention(
    network: Network, image: UInt8[np.ndarray, "_ _ 3"], modality: Modality, *, grid: tuple[int, int] = GRID
) -> list[AlbAttention]:
    """Look into every block of MIMB while one image passes, first block first.

    The numbers are those of the pass itself, caught on the way; only the weights, which the fused kernel does not give
    out, are computed again from the same tokens: ``softmax(q k^T / sqrt(width of a head))``, in an `ALB` with
    q = k = the reduced shallow map, in a `CrossAttention` with q = the reduced deep map.

    For `AlbAttention.places` the network passes (1 + blocks) x (rows x columns + 1) images, 95 by default.

    Args:
        network: in evaluation mode. It is left as it was, and other threads may use it meanwhile.
        image: RGB of any size; it is resized for the network as embedding does.
        modality: of it.
        grid: rows and columns of places.

    Raises:
        VireidError: a network without MIMB, or see `vireid.figures.match_losses`.

    Reference: MSCMNet, section III-C, eq. 4 to 7; blurring places as in `vireid.figures.match_losses`.
    """
    if network.mimb is None:
        raise VireidError(
            "attention by scale is MIMB's, and this network has none; take one that was trained with it (the recipes "
            "of MSCMNet, or --network.mimb)"
        )
    # A copy that shares every tensor: whoever else uses the network does not meet the hooks below.
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    tapped = copy.deepcopy(network, shared)
    assert tapped.mimb is not None
    images = evaluation_view(images_without(network, image, grid).to(network.device))
    taps = [_Tap(block) for block in tapped.mimb.blocks]
    whole = tapped.embed(images[:1], modality)
    seen = [_look(tap) for tap in taps]
    turns: list[list[Tensor]] = [[] for _ in taps]
    for chunk in images[1:].split(_AT_ONCE):
        tapped.embed(chunk, modality)
        brought = [tap.shallow for tap in taps]
        as_many = images[:1].expand(len(chunk), -1, -1, -1)
        for tap, shallow, turned in zip(taps, brought, turns):
            if shallow is not None:
                tap.given = shallow
                turned.append(1 - tapped.embed(as_many, modality) @ whole[0])
                tap.given = None
    places = [torch.cat(turned).clamp(min=0).view(grid).cpu().numpy() if turned else None for turned in turns]
    return [
        AlbAttention(level, scale, tokens, mined, of_block)
        for level, (scale, tokens, mined), of_block in zip(tapped.mimb.sources, seen, places, strict=True)
    ]


class _Tap:
    """Catches what passes a block, and gives it another shallow map where it is told to."""

    def __init__(self, block: nn.Module) -> None:
        assert isinstance(block, ALB | CrossAttention)
        self.block = block
        self.given: Tensor | None = None
        self.deep: Tensor | None = None
        self.shallow: Tensor | None = None
        self.outputs: dict[nn.Module, Tensor] = {}
        block.register_forward_pre_hook(self._meet)
        for module in (block.norm_deep, block.norm_shallow, block.attention.out_proj):
            if module is not None:
                module.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: object, output: Tensor) -> None:
        self.outputs[module] = output

    def _meet(self, module: nn.Module, inputs: tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor | None]:
        self.deep, self.shallow = inputs
        return self.deep, self.shallow if self.given is None else self.given


def _look(tap: _Tap) -> tuple[Scale, Float32[np.ndarray, "t t"], Float32[np.ndarray, "h w"]]:
    """Shape of the shallow map, weights between tokens, and energy of what is mined, of the image that passed last."""
    block, deep = tap.block, tap.deep
    assert deep is not None
    f = tap.outputs[block.norm_deep]
    keys = f if block.norm_shallow is None else tap.outputs[block.norm_shallow]
    # The values have no part in the weights.
    _, weights = block.attention(f if isinstance(block, CrossAttention) else keys, keys, keys, need_weights=True)
    # `attend` keeps tokens before images.
    mined = tap.outputs[block.attention.out_proj][:, 0].square().mean(dim=0).sqrt().unflatten(0, deep.shape[2:])
    shallow = deep if tap.shallow is None else tap.shallow
    return Scale(*shallow.shape[1:]), weights[0].cpu().numpy(), mined.cpu().numpy()
