"""What a network costs where it searches: parameters, floating-point operations and time for one image."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vireid.models.network import Network
from vireid.types import Modality, VireidError

__all__ = ["Cost", "measure_cost"]

WARMUP = 3


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of embedding one image, a batch of 1.

    Attributes:
        parameters: of the whole network as it is trained.
        embedding_parameters: those that an embedding of either modality depends on: without the classifier and what
            else training alone uses.
        flops: for each modality the floating-point operations of convolutions and matrix products, a multiplication
            and an addition counted as two; element-wise work and normalisation are not counted.
        latency_ms: for each modality the median milliseconds of one call on ``device``.
        device: where the time was taken.
    """

    parameters: int
    embedding_parameters: int
    flops: dict[Modality, int]
    latency_ms: dict[Modality, float]
    device: str

    def to_json(self) -> dict[str, Any]:
        """Plain values, modalities by their names."""
        plain = dataclasses.asdict(self)
        for name in ("flops", "latency_ms"):
            plain[name] = {modality.value: number for modality, number in plain[name].items()}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Cost:
        """What `to_json` gave."""
        arguments = dict(plain)
        for name in ("flops", "latency_ms"):
            arguments[name] = {Modality(key): number for key, number in plain[name].items()}
        return cls(**arguments)


def measure_cost(network: Network, *, repeats: int = 20) -> Cost:
    """Count and time ``network.embed`` on one image of each modality, on the device that the network is on.

    Counts depend on the network and its image size alone. Times depend on the machine, on torch's number of threads and
    on what else runs: take them on an idle machine, and compare those of one machine only.

    Args:
        repeats: timed calls of each modality, after three that are not counted.

    Raises:
        VireidError: repeats below 1, or a network in training mode.

    >>> from vireid.models import build_network
    >>> tiny = build_network(identities=2, image_size=(32, 16), backbone="resnet10t", weights="none", mimb=False,
    ...     nonlocal_blocks=(0, 0, 0, 0)).eval()
    >>> cost = measure_cost(tiny, repeats=1)
    >>> cost.parameters - cost.embedding_parameters  # the classifier: 2 identities x 512
    1024
    """
    if repeats < 1:
        raise VireidError(f"repeats must be at least 1, got {repeats}")
    device = next(network.parameters()).device
    images = torch.zeros(1, 3, *network.image_size, device=device)
    flops, latency, used = {}, {}, set()
    for modality in Modality:
        flops[modality], names = _count(network, images, modality)
        used |= names
        latency[modality] = _time(network, images, modality, repeats)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return Cost(
        parameters=sum(sizes.values()),
        embedding_parameters=sum(sizes[name] for name in used),
        flops=flops,
        latency_ms=latency,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    )


def _count(network: Network, images: Tensor, modality: Modality) -> tuple[int, set[str]]:
    """Operations of one embedding, and the names of the parameters that it depends on."""
    # What is frozen has no gradient to follow; only the heads of parts hold such that no embedding meets.
    frozen = {
        name
        for name, parameter in network.named_parameters()
        if not parameter.requires_grad and not name.startswith("part_heads.")
    }
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    # With gradients on and the plain kernel, attention runs as matrix products, which the counter knows; its fused
    # forms would count as nothing.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as counter:
            embedding = network.embed(images, modality)
        gradients = torch.autograd.grad(embedding.sum(), list(trained.values()), allow_unused=True)
    return counter.get_total_flops(), frozen | {
        name for name, gradient in zip(trained, gradients) if gradient is not None
    }


@torch.inference_mode()
def _time(network: Network, images: Tensor, modality: Modality, repeats: int) -> float:
    times = []
    for _ in range(WARMUP + repeats):
        began = time.perf_counter()
        network.embed(images, modality)
        if images.device.type == "cuda":
            torch.cuda.synchronize(images.device)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times[WARMUP:])
