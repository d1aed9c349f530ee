"""A timm backbone taken apart into a stem and four stages, its shapes measured rather than assumed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import timm
import torch
from timm.layers.format import Format
from torch import Tensor, nn

from vireid.models.fitting import fit_weights
from vireid.models.nonlocal_block import NonLocalBlock
from vireid.models.scale import Scale
from vireid.models.small_build import check_options
from vireid.models.tensor_file import read_tensor_file, said_of
from vireid.models.without_telemetry import without_telemetry
from vireid.types import VireidError

__all__ = ["Backbone", "build_backbone"]

STAGES = 4


class Backbone(nn.Module):
    """The parts of a backbone. All maps between parts are b c h w.

    Attributes:
        stem: from images to G0.
        stages: four modules, from G0 to G1, G2, G3, G4.
        scales: shapes of G0 to G4 for images of the size it was built for.
    """

    def __init__(self, stem: nn.Module, stages: list[nn.Module], scales: tuple[Scale, ...]) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.scales = scales


def build_backbone(
    name: str,
    *,
    image_size: tuple[int, int],
    weights: str = "imagenet",
    last_stride: int | None = 1,
    nonlocal_blocks: tuple[int, ...] = (0, 0, 0, 0),
    nonlocal_channels: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Backbone:
    """Make a timm model with staged features, split it, and check that the parts compute what the whole did.

    Args:
        name: any timm model with four stages: ``resnet50.tv_in1k`` (the weights that the papers start from), other
            ResNets, ConvNeXt, Swin and so on.
        image_size: height and width in pixels.
        weights: ``imagenet`` (timm's own for that name), ``none`` (random, on purpose), or a .safetensors or .pth file.
        last_stride: 1 keeps the grid of stage 3 in stage 4 (as all methods here do), None leaves the model as it is.
        nonlocal_blocks: how many of the last blocks of each stage are followed by a non-local block.
        nonlocal_channels: inner channels of those; half of the stage's unless told.
        options: further keywords for ``timm.create_model``.

    Raises:
        VireidError: unknown name, numbers in the options that no network has, no staged features, weights out of reach
            or of another network, a stage with too few blocks, or a stride that cannot be taken out.
    """
    if min(image_size) < 1:
        raise VireidError(f"images need a positive height and width, got {image_size[0]} x {image_size[1]}")
    if min(nonlocal_blocks, default=0) < 0 or (nonlocal_channels is not None and nonlocal_channels < 1):
        raise VireidError(
            "non-local blocks need counts from 0 and at least 1 inner channel, got counts "
            f"{nonlocal_blocks} and {nonlocal_channels} channels"
        )
    check_options(options or {})
    model = _create(name, weights=weights, options=options or {})
    if hasattr(model, "set_input_size"):
        model.set_input_size(img_size=image_size)  # pyright: ignore[reportCallIssue]
    stem, stages = _split(model, name)
    _check_split(model, stem, stages, image_size, name)
    if last_stride not in (1, None):
        raise VireidError(f"last_stride must be 1 or None (the backbone's own), got {last_stride}")
    scales = _measure(stem, stages, image_size, name)
    if last_stride == 1:
        scales = (*scales[:-1], _remove_stride(stages[-1], scales[-2], name))
    if len(nonlocal_blocks) != STAGES:
        raise VireidError(f"nonlocal_blocks needs one count for each of {STAGES} stages, got {nonlocal_blocks}")
    for index, count in enumerate(nonlocal_blocks):
        if count:
            _follow_by_nonlocal(stages[index], scales[index + 1].channels, count, nonlocal_channels, name)
    return Backbone(stem, stages, scales)


class ChannelsFirst(nn.Module):
    """Runs a part that works on b h w c between neighbours that speak b c h w."""

    def __init__(self, part: nn.Module, *, takes_images: bool) -> None:
        super().__init__()
        self.part = part
        self.takes_images = takes_images

    def forward(self, x: Tensor) -> Tensor:
        """Channels first, in and out."""
        x = x if self.takes_images else x.permute(0, 2, 3, 1)
        return self.part(x).permute(0, 3, 1, 2)


def _create(name: str, *, weights: str, options: Mapping[str, Any]) -> nn.Module:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0)
        raise VireidError(f"the backbone must be a timm model, but there is none named {name!r}; near it: {near}")
    if weights == "imagenet":
        # What the network itself refuses is no fault of the weights.
        _untrained(name, options)
        try:
            with without_telemetry():
                return timm.create_model(name, pretrained=True, num_classes=0, **options)
        # The hub client raises a different error for each way of being out of reach, most of them its own.
        except Exception as error:
            raise VireidError(
                f"the ImageNet weights of {name} could not be had ({type(error).__name__}: {error}). With no network, "
                "point to a .safetensors or .pth file of them, of this timm model or of torchvision's ResNet "
                "(--network.weights FILE), or train from scratch on purpose (--network.weights none)"
            ) from error
    model = _untrained(name, options)
    if weights != "none":
        _load(model, Path(weights), name)
    return model


def _untrained(name: str, options: Mapping[str, Any]) -> nn.Module:
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, **options)
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise VireidError(
            f"the backbone {name} does not take these options {dict(options)} ({type(error).__name__}: {error}); "
            "options for a ResNet, as the small recipes have them, are taken out with --network.channels None "
            "--network.stem-width None"
        ) from error


def _load(model: nn.Module, file: Path, name: str) -> None:
    try:
        if file.suffix == ".safetensors":
            state = safetensors.torch.load_file(file)
        else:
            state = read_tensor_file(file, mmap=True)
    except FileNotFoundError:
        raise VireidError(f"there is no weights file {file}; weights must be 'imagenet', 'none' or a file") from None
    except safetensors.SafetensorError as error:
        raise VireidError(f"{file} is not a plain file of weights (.safetensors or .pth): {error}") from error
    # Each kind of damage raises an error of its own.
    except Exception as error:
        raise VireidError(
            f"{file} is not a plain file of weights (.safetensors or .pth): {said_of(error)}; take model.state_dict() "
            "of this timm model, saved by safetensors or torch.save"
        ) from error
    if isinstance(state, Mapping):
        state = state.get("state_dict", state)
    if not isinstance(state, Mapping):
        raise VireidError(f"{file} must hold tensors by name, got {type(state).__name__}; save model.state_dict()")
    configuration: Mapping[str, Any] = getattr(model, "default_cfg", None) or {}
    classifier = configuration.get("classifier") or "fc"
    # The ImageNet classifier has no place in a network that embeds; every other key must fit.
    faults = fit_weights(
        model, {key: value for key, value in state.items() if not str(key).startswith(f"{classifier}.")}
    )
    if faults:
        raise VireidError(f"{file} does not fit {name}: {faults}")


def _split(model: nn.Module, name: str) -> tuple[nn.Module, list[nn.Module]]:
    info = getattr(model, "feature_info", None)
    entries = list(getattr(info, "info", info) or [])[-STAGES:]
    reductions = [entry["reduction"] for entry in entries]
    if len(entries) < STAGES or len(set(reductions)) < STAGES:
        raise VireidError(
            f"a backbone must have {STAGES} stages of falling resolution, but {name} has "
            f"{len(set(reductions))}; take a ResNet, a ConvNeXt, a Swin or another hierarchical timm model"
        )
    paths = [entry["module"] for entry in entries]
    first = paths[0].split(".")[0]
    children = dict(model.named_children())
    stem = nn.Sequential()
    for child, module in children.items():
        if child == first:
            break
        stem.add_module(child, module)
    try:
        stages = [model.get_submodule(path) for path in paths]
    except AttributeError as error:
        raise VireidError(f"the backbone {name} has no stages that run one after the other: {error}") from error
    if getattr(model, "output_fmt", Format.NCHW) == Format.NHWC:
        return ChannelsFirst(stem, takes_images=True), [ChannelsFirst(stage, takes_images=False) for stage in stages]
    return stem, stages


def _probe(image_size: tuple[int, int]) -> Tensor:
    # A fixed pattern: no draw from anybody's random state.
    return torch.linspace(-2, 2, 3 * math.prod(image_size)).sin().view(1, 3, *image_size)


@torch.no_grad()
def _check_split(
    model: nn.Module, stem: nn.Module, stages: list[nn.Module], image_size: tuple[int, int], name: str
) -> None:
    model.eval()
    images = _probe(image_size)
    try:
        whole = model.forward_intermediates(images, indices=STAGES, intermediates_only=True)  # pyright: ignore[reportCallIssue]
        x = stem(images)
        parts = []
        for stage in stages:
            x = stage(x)
            parts.append(x)
        if images.is_meta:  # shapes alone, for a network that is only being sized up
            equal = [part.shape for part in parts] == [other.shape for other in whole]
        else:
            equal = all(
                torch.allclose(part, other, atol=1e-4, rtol=1e-4) for part, other in zip(parts, whole, strict=True)
            )
    except (AttributeError, RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise VireidError(
            f"the backbone {name} cannot be taken apart at {image_size} ({error}); take another"
        ) from error
    if not equal:
        raise VireidError(f"the backbone {name} does more than run its stem and stages in order; take another")
    model.train()


@torch.no_grad()
def _measure(stem: nn.Module, stages: list[nn.Module], image_size: tuple[int, int], name: str) -> tuple[Scale, ...]:
    parts = nn.Sequential(stem, *stages).eval()
    x = _probe(image_size)
    scales = []
    for part in parts:
        x = part(x)
        scales.append(Scale(*x.shape[1:]))
    parts.train()
    g0, g1 = scales[:2]
    # timm gives the stages' maps as b c h w, so a stem that speaks b h w c stands out beside the first of them.
    if not 1 <= round(g0.height / g1.height) == round(g0.width / g1.width):
        raise VireidError(f"the stem of {name} does not put out b c h w maps ({g0} before {g1}); take another backbone")
    return tuple(scales)


@torch.no_grad()
def _remove_stride(stage: nn.Module, before: Scale, name: str) -> Scale:
    """Make the last stage keep the grid of the one before it; the answer is its new scale."""
    strided = [
        module
        for module in stage.modules()
        if isinstance(module, nn.Conv2d | nn.AvgPool2d) and tuple(_pair(module.stride)) == (2, 2)
    ]
    odd = all(isinstance(module, nn.AvgPool2d) or _pair(module.kernel_size)[0] % 2 for module in strided)
    refusal = VireidError(
        f"the stride of the last stage of {name} cannot be taken out without shifting its grid; "
        "use last_stride None for this backbone"
    )
    if not strided or not odd:
        raise refusal
    for module in strided:
        module.stride = (1, 1)
        if isinstance(module, nn.AvgPool2d):
            # The pooled shortcut of a ResNet-D: at stride 1 it must pass its input through.
            module.kernel_size = (1, 1)
    stage.eval()
    try:
        after = Scale(*stage(torch.zeros(1, before.channels, before.height, before.width)).shape[1:])
    except RuntimeError as error:
        # A stride in a part of another kind, such as a blur, is still there.
        raise refusal from error
    stage.train()
    if (after.height, after.width) != (before.height, before.width):
        raise refusal
    return after


def _pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _follow_by_nonlocal(stage: nn.Module, channels: int, count: int, inner: int | None, name: str) -> None:
    blocks = stage if isinstance(stage, nn.Sequential) else getattr(stage, "blocks", None)
    if not isinstance(blocks, nn.Sequential):
        raise VireidError(
            f"non-local blocks need stages of b c h w blocks, which {name} has not; use nonlocal_blocks 0 0 0 0"
        )
    if count > len(blocks):
        raise VireidError(f"{count} non-local blocks were asked for in a stage of {name} that has {len(blocks)} blocks")
    for index in range(len(blocks) - count, len(blocks)):
        blocks[index] = nn.Sequential(blocks[index], NonLocalBlock(channels, inner))
