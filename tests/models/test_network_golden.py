"""The released networks' own outputs, from their published form (protocols.md, golden files)."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vireid.models import DUAL_STREAMS, QUADRUPLE_STREAMS, build_network
from vireid.types import Modality

GOLDEN = Path(__file__).parents[1] / "golden"

STEMS = {
    "mscm": {
        "visible_global": "visible_module.visible",
        "visible_channel": "visible_moduleA.visible",
        "infrared_global": "thermal_module.thermal",
        "infrared_channel": "thermal_moduleA.thermal",
    },
    "agw": {"visible": "visible_module.visible", "infrared": "thermal_module.thermal"},
}
NONLOCAL = {"theta": "theta", "phi": "phi", "g": "g.0", "project": "W.0", "norm": "W.1"}
ALB = {
    "reduce_deep": "ATT_narrow",
    "norm_deep": "ln_1",
    "norm_shallow": "ln_1o",
    "attention": "attn",
    "norm_mlp": "ln_2",
    "mlp.0": "mlp.c_fc",
    "mlp.2": "mlp.c_proj",
    "expand": "ATT_broad",
}


def reference_key(kind: str, key: str) -> str:
    """What the reference calls one of our parameters."""
    parts = key.split(".")
    if parts[0] == "stems":
        return ".".join([STEMS[kind][parts[1]], *parts[2:]])
    if parts[0] == "head":
        return ".".join([{"neck": "bottleneck", "classifier": "classifier"}[parts[1]], *parts[2:]])
    if parts[0] == "mimb":
        block, rest = parts[2], ".".join(parts[3:])
        if rest.startswith("reduce_shallow"):
            return f"layerATT{block}.ATT_narrow{1 if block in '01' else 2}.{parts[-1]}"
        ours = next(name for name in ALB if rest.startswith((name + ".", name + "_")))
        return f"layerATT{block}.{ALB[ours]}{rest.removeprefix(ours)}"
    stage, block, rest = int(parts[1]) + 1, int(parts[2]), parts[3:]
    first_nonlocal = {2: 2, 3: 3}
    if stage in first_nonlocal and block >= first_nonlocal[stage]:
        if rest[0] == "1":
            return f"NL_{stage}.{block - first_nonlocal[stage]}.{NONLOCAL[rest[1]]}.{rest[2]}"
        rest = rest[1:]
    return ".".join([f"base_resnet.base.layer{stage}.{block}", *rest])


def fill(key: str, shape: list[int], stored: dict[str, np.ndarray]) -> torch.Tensor:
    """The made state dict of the golden files."""
    random = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    if f"stat/{key}" in stored:
        values = stored[f"stat/{key}"]
    elif key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    elif key.endswith("running_var"):
        values = 1 + random.rand(*shape)
    elif key.endswith("running_mean"):
        values = 0.05 * random.randn(*shape)
    elif key.endswith("bias"):
        values = 0.02 * random.randn(*shape)
    elif len(shape) == 1:
        values = 0.5 + 0.5 * random.rand(*shape)
    else:
        values = random.randn(*shape) * np.sqrt(1.5 / np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def load(kind: str) -> tuple[nn.Module, torch.Tensor, dict[str, np.ndarray]]:
    with np.load(GOLDEN / f"model_{kind}.npz") as arrays:
        stored = dict(arrays)
    facts = json.loads((GOLDEN / f"model_{kind}_keys.json").read_text())
    _, height, width, _ = facts["input"]["shape"]
    network = build_network(
        identities=10,
        image_size=(height, width),
        streams=QUADRUPLE_STREAMS if kind == "mscm" else DUAL_STREAMS,
        weights="none",
        nonlocal_channels=None if kind == "mscm" else 1,
        mimb=kind == "mscm",
        mimb_variant="released",
    )
    theirs = {ours: reference_key(kind, ours) for ours in network.state_dict()}
    network.load_state_dict({ours: fill(key, facts["keys"][key], stored) for ours, key in theirs.items()})
    images = np.random.RandomState(7).randn(4, height, width, 3).astype(np.float32)
    return network, torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), stored


@pytest.mark.parametrize("kind", ["mscm", "agw"])
def test_the_released_network_puts_out_its_published_numbers(kind):
    network, x, golden = load(kind)
    network.eval()
    with torch.no_grad():
        for modality, number in ((Modality.VISIBLE, 1), (Modality.INFRARED, 2)):
            for feature in ("pool", "bn"):
                found = network.embed(x[:2], modality, feature=feature)
                np.testing.assert_allclose(found, golden[f"eval_m{number}_{feature}"], atol=1e-4)
        network.train()
        views = [x[0:2], x[1:3], x[2:4], x[[3, 0]]] if kind == "mscm" else [x[0:2], x[2:4]]
        output = network(views)
    np.testing.assert_allclose(output.features, golden["train_pool"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(output.logits, golden["train_logits"], rtol=1e-3, atol=1e-3)
