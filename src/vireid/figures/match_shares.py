"""Which places of two images make their match, by gradients: each place's share of the similarity."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from vireid.figures.picture import as_network_sees
from vireid.models import Feature, Network
from vireid.models.pooling import Pooled
from vireid.transforms import evaluation_view
from vireid.types import Modality, VireidError

__all__ = ["MatchShares", "match_shares"]


@dataclass(frozen=True, eq=False, slots=True)
class MatchShares:
    """What each place of two images adds to their cosine similarity.

    Attributes:
        query: shares of the places of the last map, top row first; they sum to the score, and may be below 0.
        result: the same for the other image.
        score: cosine similarity, -1 to 1.
    """

    query: Float32[np.ndarray, "h w"]
    result: Float32[np.ndarray, "h w"]
    score: float


def match_shares(
    network: Network,
    query_image: UInt8[np.ndarray, "h1 w1 3"],
    query_modality: Modality,
    result_image: UInt8[np.ndarray, "h2 w2 3"],
    result_modality: Modality,
    *,
    feature: Feature = "bn",
) -> MatchShares:
    """Split the cosine similarity of two images among the places of the last stage's map.

    With the map A, the features f(A) before they are scaled to length 1, and the unit vector u of the other image,
    place x has the share ``sum_c A[c, x] * dS/dA[c, x] + o`` of ``S = f(A) . u / |f|``, where the length |f| is held
    fixed and the constant o, the same for all places, makes the shares sum to S. Average and generalised-mean pooling
    are of degree 1 in A, so o is only what the BatchNorm adds.

    One pass of each image, ten times quicker than `vireid.figures.match_losses`, but on the map of a deep layer, whose
    places have seen most of the image: an image that is blurred where its shares are largest loses little more
    similarity than one that is blurred anywhere (``benchmarks/evidence_2-core-cpu_2026-11-21.md``). Take it to look
    into a network, not as evidence.

    Args:
        network: in evaluation mode. It is left as it was, and other threads may use it meanwhile.
        query_image, query_modality, result_image, result_modality, feature: see `vireid.figures.explain_match`.

    Raises:
        VireidError: a network in training mode, an image that is not RGB bytes, or what the network refuses.

    Reference: HiResCAM (arXiv 2011.08891, 2020): the gradient place by place, as pooling by a generalised mean gives
        each its own; Stylianou et al., WACV 2019, for splitting a similarity.
    Deviation: from Grad-CAM (Selvaraju et al., ICCV 2017), which averages the gradient over the places, and from the
        gradient of the cosine itself, which is 0 for an image compared with itself.
    """
    if feature not in ("bn", "pool"):
        raise VireidError(f"the feature must be 'bn' or 'pool', got {feature!r}")
    # A copy that shares every tensor: whoever else uses the network does not meet the hooks below.
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    tapped = copy.deepcopy(network, shared)
    with torch.inference_mode(False), torch.enable_grad():
        query_map, query_vectors = _map_and_vectors(tapped, query_image, query_modality, feature)
        result_map, result_vectors = _map_and_vectors(tapped, result_image, result_modality, feature)
        query_unit, result_unit = (F.normalize(vectors.detach()) for vectors in (query_vectors, result_vectors))
        score = float((query_unit * result_unit).sum() / network.sets)
        return MatchShares(
            query=_shares(query_map, query_vectors, result_unit, score),
            result=_shares(result_map, result_vectors, query_unit, score),
            score=score,
        )


def _map_and_vectors(
    network: Network, image: UInt8[np.ndarray, "h w 3"], modality: Modality, feature: str
) -> tuple[Tensor, Tensor]:
    """The last stage's map as the start of a graph, and the features that it becomes, a row for each set."""
    caught: dict[str, Tensor] = {}

    def begin_graph(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        caught["map"] = output.detach().requires_grad_()
        return caught["map"]

    def catch_vectors(module: nn.Module, inputs: object, output: Tensor | Pooled) -> None:
        caught["vectors"] = output if isinstance(output, Tensor) else output.features

    source = network.pooling if feature == "pool" else network.head.neck
    handles = [network.stages[-1].register_forward_hook(begin_graph), source.register_forward_hook(catch_vectors)]
    pixels = as_network_sees(network, image)[None].to(next(network.parameters()).device)
    try:
        network.embed(evaluation_view(pixels), modality, "pool" if feature == "pool" else "bn")
    finally:
        for handle in handles:
            handle.remove()
    return caught["map"], caught["vectors"].float()


def _shares(maps: Tensor, vectors: Tensor, other: Tensor, score: float) -> Float32[np.ndarray, "h w"]:
    """Shares of one image, summed over its sets of features."""
    lengths = vectors.detach().norm(dim=1, keepdim=True)
    similarity = (vectors / lengths * other).sum() / len(vectors)
    (gradient,) = torch.autograd.grad(similarity, maps)
    shares = (maps.detach() * gradient).sum(dim=(0, 1)).double().cpu().numpy()
    return (shares + (score - shares.sum()) / shares.size).astype(np.float32)
