"""Other people's networks taken apart: shapes measured, weights whole, refusals by name."""

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch

from vireid.models import Scale
from vireid.models.backbone import build_backbone
from vireid.models.nonlocal_block import NonLocalBlock
from vireid.types import Modality, VireidError

SIZE = (64, 32)
CHANNELS = {"channels": (16, 24, 32, 48)}
SWIN = {"window_size": 2, "depths": (1, 1, 1, 1), "embed_dim": 8, "num_heads": (1, 1, 2, 2)}
CONVNEXT = {"depths": (1, 1, 1, 2), "dims": (8, 12, 16, 20)}


def build(name: str = "resnet10t", **changes: Any):
    options = CHANNELS if name == "resnet10t" else None
    return build_backbone(name, **({"image_size": SIZE, "weights": "none", "options": options} | changes))


@pytest.mark.parametrize(
    ("size", "grids"),
    [
        ((64, 32), [(16, 8), (16, 8), (8, 4), (4, 2), (4, 2)]),
        ((384, 192), [(96, 48), (96, 48), (48, 24), (24, 12), (24, 12)]),
        ((96, 96), [(24, 24), (24, 24), (12, 12), (6, 6), (6, 6)]),
        ((60, 36), [(15, 9), (15, 9), (8, 5), (4, 3), (4, 3)]),
    ],
)
def test_grids_follow_the_image_size(size, grids):
    scales = build(image_size=size).scales
    assert [(scale.height, scale.width) for scale in scales] == grids
    assert [scale.channels for scale in scales[1:]] == [16, 24, 32, 48]


def test_the_backbone_keeps_its_own_last_stride_where_told():
    assert build(last_stride=None).scales[-1] == Scale(48, 2, 1)


def test_scales_are_the_shapes_that_come_out():
    backbone = build(image_size=(96, 64))
    x = torch.randn(2, 3, 96, 64)
    for part, scale in zip([backbone.stem, *backbone.stages], backbone.scales, strict=True):
        x = part(x)
        assert x.shape == (2, scale.channels, scale.height, scale.width)


@pytest.mark.parametrize(
    ("name", "last_stride", "options"),
    [
        ("resnet18", 1, None),
        ("resnet10t", 1, CHANNELS),
        ("convnext_atto", None, CONVNEXT),
        ("swin_tiny_patch4_window7_224", None, SWIN),
        ("regnetx_002", 1, None),
        ("resnet26d", 1, CHANNELS),
    ],
)
@pytest.mark.parametrize("variant", ["paper", "released"])
def test_any_hierarchical_backbone_carries_the_method(build_small, name, last_stride, options, variant):
    network = build_small(backbone=name, backbone_options=options, last_stride=last_stride, mimb_variant=variant)
    network([torch.randn(2, 3, *SIZE) for _ in range(4)]).logits.sum().backward()
    untouched = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert untouched == ["head.neck.bias"]
    embeddings = network.eval().embed(torch.randn(2, 3, *SIZE), Modality.INFRARED)
    assert embeddings.shape == (2, network.dimension)


@pytest.mark.parametrize(("name", "options"), [("convnext_atto", CONVNEXT), ("swin_tiny_patch4_window7_224", SWIN)])
def test_parts_compute_what_the_whole_model_computes(name, options):
    torch.manual_seed(3)
    backbone = build(name, options=options, last_stride=None).eval()
    torch.manual_seed(3)
    model = timm.create_model(name, num_classes=0, **options)
    model = model if name.startswith("convnext") else _sized(model)
    images = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        expected: Any = model.eval().forward_intermediates(images, intermediates_only=True)
        x = backbone.stem(images)
        for stage, whole in zip(backbone.stages, expected[-4:], strict=True):
            x = stage(x)
            torch.testing.assert_close(x, whole)


def _sized(model: Any) -> torch.nn.Module:
    model.set_input_size(img_size=SIZE)
    return model


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_tiny_patch16_224", "must have 4 stages of falling resolution, but vit_tiny_patch16_224 has 1; take"),
        ("resnet_fifty", "must be a timm model, but there is none named 'resnet_fifty'; near it: .*resnet"),
        ("efficientnet_b0", "efficientnet_b0 cannot be taken apart at .*; take another"),
        ("hrnet_w18_small", "hrnet_w18_small has no stages that run one after the other"),
        ("pvt_v2_b0", "the stem of pvt_v2_b0 does not put out b c h w maps"),
        ("resnetblur18", "stride of the last stage of resnetblur18 cannot be taken out .* use last_stride None"),
    ],
)
def test_backbones_that_cannot_serve_are_refused(name, message):
    with pytest.raises(VireidError, match=message):
        build(name, options=None)


@pytest.mark.parametrize(("name", "options"), [("convnext_atto", CONVNEXT), ("swin_tiny_patch4_window7_224", SWIN)])
def test_a_stride_that_shifts_the_grid_stays(name, options):
    with pytest.raises(VireidError, match=f"last stage of {name} cannot be taken out without shifting its grid"):
        build(name, options=options, last_stride=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"last_stride": 2}, "last_stride must be 1 or None .*, got 2"),
        ({"options": {"layer": 3}}, r"resnet10t does not take these options \{'layer': 3\} \(TypeError"),
        ({"options": {"norm_layer": "none such"}}, "does not take these options .*KeyError: 'none such'"),
        ({"options": {"in_chans": 1}}, "resnet10t cannot be taken apart"),
        ({"nonlocal_blocks": (0, 0, 0)}, "one count for each of 4 stages, got"),
        ({"nonlocal_blocks": (0, 0, 2, 0)}, "2 non-local blocks were asked for in a stage of resnet10t that has 1"),
    ],
)
def test_bad_arguments_are_refused(changes, message):
    with pytest.raises(VireidError, match=message):
        build(**changes)


def test_nonlocal_blocks_need_maps_with_channels_first():
    with pytest.raises(VireidError, match="non-local blocks need stages of b c h w blocks, which swin_tiny"):
        build("swin_tiny_patch4_window7_224", options=SWIN, last_stride=None, nonlocal_blocks=(0, 1, 0, 0))


@pytest.mark.parametrize(("name", "options", "stride"), [("resnet18", None, 1), ("convnext_atto", CONVNEXT, None)])
def test_nonlocal_blocks_follow_the_last_blocks_and_change_nothing_at_first(name, options, stride):
    def made(count: int):
        torch.manual_seed(0)
        return build(name, options=options, last_stride=stride, nonlocal_blocks=(0, 0, 0, count)).eval()

    plain, followed = made(0), made(2)
    assert sum(isinstance(module, NonLocalBlock) for module in followed.modules()) == 2
    assert not any(isinstance(module, NonLocalBlock) for module in followed.stages[:3].modules())
    deep = torch.randn(1, plain.scales[3].channels, 4, 2)
    with torch.no_grad():
        assert torch.equal(followed.stages[3](deep), plain.stages[3](deep))
        for module in followed.modules():
            if isinstance(module, NonLocalBlock):
                torch.nn.init.ones_(module.norm.weight)
        assert not torch.allclose(followed.stages[3](deep), plain.stages[3](deep), atol=1e-3)


@pytest.mark.parametrize("error", [OSError("no network"), RuntimeError("no pretrained weights exist")])
def test_weights_out_of_reach_say_what_to_do(monkeypatch, error):
    create = timm.create_model

    def out_of_reach(name: str, pretrained: bool = False, **keywords: Any) -> Any:
        if pretrained:
            raise error
        return create(name, pretrained=False, **keywords)

    monkeypatch.setattr(timm, "create_model", out_of_reach)
    message = (
        rf"ImageNet weights of resnet10t could not be had \({type(error).__name__}: {error}\). With no network, point"
    )
    with pytest.raises(VireidError, match=message):
        build(weights="imagenet")
    with pytest.raises(VireidError, match="does not take these options"):
        build(weights="imagenet", options={"layer": 3})


@pytest.mark.parametrize("form", ["state.safetensors", "state.pth", "nested.pth"])
def test_weights_come_from_a_file_into_every_stem(build_small, tmp_path, form):
    torch.manual_seed(9)
    # With the classifier, which a network that embeds leaves out.
    state = timm.create_model("resnet10t", num_classes=7, **CHANNELS).state_dict()
    assert "fc.weight" in state
    file = tmp_path / form
    if form.endswith("safetensors"):
        safetensors.torch.save_file(state, file)
    else:
        torch.save({"state_dict": state} if form.startswith("nested") else state, file)
    network = build_small(weights=str(file))
    assert len(network.stems) == 4
    for stem in network.stems.values():
        found = stem.state_dict()
        assert len(found) == len([key for key in state if key.startswith(("conv1", "bn1"))])
        assert all(torch.equal(tensor, state[key]) for key, tensor in found.items())
    for index, stage in enumerate(network.stages, start=1):
        assert all(torch.equal(tensor, state[f"layer{index}.{key}"]) for key, tensor in stage.state_dict().items())


def refusal(file: Path) -> str:
    with pytest.raises(VireidError) as caught:
        build(weights=str(file))
    return str(caught.value)


def test_weights_of_another_network_are_refused(tmp_path):
    state = timm.create_model("resnet10t", num_classes=0, **CHANNELS).state_dict()
    file = tmp_path / "state.pth"
    torch.save({key: value for key, value in state.items() if key != "conv1.0.weight"}, file)
    assert "state.pth does not fit resnet10t: missing ['conv1.0.weight'] (1 in all)" in refusal(file)
    torch.save(state | {"extra": torch.zeros(1)}, file)
    assert "unexpected ['extra'] (1 in all)" in refusal(file)
    torch.save(timm.create_model("resnet10t", num_classes=0, channels=(16, 24, 32, 40)).state_dict(), file)
    assert "in place of (48, 32, 3, 3)" in refusal(file)


@pytest.mark.parametrize("value", [10**9, [10**9, 1, 1, 1], {"a": [-(10**9)]}, 1e300, float("nan"), [1] * 40_000])
def test_options_with_numbers_of_no_network_are_refused(value):
    with pytest.raises(VireidError) as caught:
        build(options={"layers": value})
    assert re.fullmatch(
        r"the numbers in the options of a backbone may sum to at most 32768, but \S+ takes them beyond; take widths "
        "and depths of a network that is known to work",
        str(caught.value),
    )


def test_files_that_are_not_weights_are_refused(tmp_path):
    file = tmp_path / "state.pth"
    assert refusal(file) == f"there is no weights file {file}; weights must be 'imagenet', 'none' or a file"
    file.write_bytes(b"root:x:0:0:root:/root:/bin/bash\n")
    assert refusal(file) == (
        f"{file} is not a plain file of weights (.safetensors or .pth): IndexError; take model.state_dict() of this "
        "timm model, saved by safetensors or torch.save"
    )
    torch.save(torch.zeros(3), file)
    assert "state.pth must hold tensors by name, got Tensor" in refusal(file)
    damaged = tmp_path / "state.safetensors"
    damaged.write_bytes(b"\x10\0\0\0\0\0\0\0{")
    assert "state.safetensors is not a plain file of weights" in refusal(damaged)


class Runs:
    """A pickle that makes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def test_a_file_that_holds_code_is_refused_and_not_run(tmp_path):
    marker, file = tmp_path / "marker", tmp_path / "state.pth"
    torch.save({"conv1.0.weight": Runs(marker)}, file)
    assert "is not a plain file of weights" in refusal(file)
    assert "which is code and was not run" in refusal(file)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1000))
    assert "it is compressed, as torch.save writes none" in refusal(file)
    file.write_bytes(pickle.dumps(Runs(marker)))
    assert "is not a plain file of weights" in refusal(file)
    assert not marker.exists()
