"""Grad-CAM: which places of the last map raise a score, if the gradient is believed."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from vireid.figures.picture import as_network_sees
from vireid.models import Network
from vireid.transforms import evaluation_view
from vireid.types import MissingExtraError, Modality, VireidError

__all__ = ["activation_maps"]

_AT_ONCE = 8


def activation_maps(
    network: Network,
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    modality: Modality,
    *,
    target: Float[np.ndarray, "b d"] | Int64[np.ndarray, " b"],
) -> Float32[np.ndarray, "b h w"]:
    """Grad-CAM of the last stage, a map an image, 0 or more.

    With the map A (channels c, h w places x) that the last stage puts out, and the score s of the image::

        L[x] = relu(sum_c w_c A[c, x])        w_c = mean over x of ds / dA[c, x]

    A score is one of two, by the kind of ``target``:

    - vectors: the cosine similarity of the image's embedding (after the BatchNorm) to the vector of its row. For a
      search take the embedding of the best right match, or the mean embedding of the right person's images in the
      other modality: it holds for people never seen in training. The gradient of a cosine is 0 where the vectors are
      equal: an image's own embedding explains nothing.
    - whole numbers: the logit of that training identity, counted from 0 in the order of sorted identities; it says
      nothing about other people.

    What the map is: where the channels lie that raise the score, all places of a channel being given one weight. What
    it is not: evidence. A place of so deep a map has seen most of the image, and images that are blurred where Grad-CAM
    is largest lose little more similarity than ones that are blurred anywhere
    (``benchmarks/evidence_2-core-cpu_2026-11-21.md``); `vireid.figures.match_losses` marks the places that matter. It
    is here because the papers draw it. Maps compare places of one image, not images or networks: their unit is that of
    the score and of the weights.

    Args:
        network: in evaluation mode. It is left as it was, and other threads may use it meanwhile.
        images: RGB of any size; they are resized for the network as embedding does.
        modality: of all of them.
        target: a row an image.

    Returns:
        Maps on the grid of the last stage. The sets of an expansion count as further channels of one map.

    Raises:
        VireidError: captum is not installed, no images, a target of another length or kind, an identity that the
            network does not know, an image that is not RGB bytes, or what the network refuses.

    Reference: Selvaraju et al., Grad-CAM (ICCV 2017), by captum's ``LayerGradCam``; MSCMNet, Fig. 8b, which does not
        say what score was explained.
    """
    try:
        from captum.attr import LayerGradCam
    except ModuleNotFoundError as error:
        raise MissingExtraError("Grad-CAM", "captum", "report") from error
    _check_target(network, len(images), target)
    # A copy that shares every tensor: whoever else uses the network does not meet captum's hooks.
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    tapped = copy.deepcopy(network, shared)
    maps = []
    with torch.inference_mode(False), torch.enable_grad():
        for first in range(0, len(images), _AT_ONCE):
            pixels = torch.stack([as_network_sees(network, image) for image in images[first : first + _AT_ONCE]])
            # With a gradient of their own, so that a network whose weights are frozen has a graph, too.
            views = evaluation_view(pixels.to(network.device)).requires_grad_()
            goal = torch.from_numpy(target[first : first + _AT_ONCE]).to(network.device)
            # Captum calls the function, not the network, but puts its hooks on the layer named.
            method = LayerGradCam(lambda seen, goal=goal: _scores(tapped, seen, modality, goal), tapped.stages[-1])
            stacked = method.attribute(views)
            assert isinstance(stacked, Tensor)
            maps.append(stacked.detach()[:, 0].unflatten(0, (network.sets, len(pixels))).sum(dim=0).relu())
    return torch.cat(maps).float().cpu().numpy()


def _scores(network: Network, views: Tensor, modality: Modality, goal: Tensor) -> Float[Tensor, " b"]:
    """What is explained, a number an image."""
    if goal.is_floating_point():
        return (network.embed(views, modality) * F.normalize(goal.float())).sum(dim=1)
    normalized: list[Tensor] = []

    def keep(neck: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        normalized.append(output)

    handle = network.head.neck.register_forward_hook(keep)
    try:
        network.embed(views, modality)
    finally:
        handle.remove()
    logits = network.head.classifier(normalized[0])
    sets = logits.unflatten(0, (network.sets, len(views))).mean(dim=0)
    return sets.gather(1, goal[:, None])[:, 0]


def _check_target(network: Network, images: int, target: np.ndarray) -> None:
    if images < 1 or len(target) != images:
        raise VireidError(f"Grad-CAM needs images and a target for each, got {images} images and {len(target)} targets")
    if target.ndim == 2:
        if target.shape[1] != network.embedding_dimension:
            raise VireidError(
                f"a target vector must be an embedding of this network, {network.embedding_dimension} numbers, "
                f"got {target.shape[1]}"
            )
        if not np.isfinite(target).all():
            raise VireidError("a target vector must be finite, got NaN or infinity")
        return
    identities = network.head.classifier.out_features
    if target.min() < 0 or target.max() >= identities:
        raise VireidError(
            f"a target identity is one of the network's {identities} training identities, 0 to {identities - 1}, "
            f"got {int(target.min())} to {int(target.max())}"
        )
